//! Which idle worker is woken for fresh green threads, and that one is enough.
//!
//! Whoever makes fresh ones visible wakes a worker, unless one is on its way that will
//! find them: it clears the word, and looks only then.
//!
//! | from | to | by |
//! |---|---|---|
//! | `NOBODY` | `LOOKER`, `SLEEPER` | who is about to rouse one of that sort |
//! | `LOOKER` | `SLEEPER` | who has made more visible, and is about to rouse another |
//! | what it was set to | `NOBODY` | who set it and found that one awake; it starts again |
//! | `LOOKER`, `SLEEPER` | `NOBODY` | a worker that has woken, for whatever reason |
//!
//! The fences are as in `sleep.rs`: between what was made visible and the look at the
//! word, and between clearing the word and the look at what is visible.

use super::sleep::Sleep;
use crate::sys::atomic::{AtomicU32, fence};
use std::ops::Deref;
use std::sync::atomic::Ordering::*;

const NOBODY: u32 = 0;
/// One that looks, and was told by a word (see `busy_poll.rs`).
const LOOKER: u32 = 1;
/// One that the kernel wakes, on whatever core is free.
const SLEEPER: u32 = 2;

/// A worker, as far as this goes.
pub(super) trait Idle {
    fn sleep(&self) -> &Sleep;
    /// Ends its wait in the kernel.
    fn wake(&self);
}

/// See the module's head.
pub(super) struct Waking(AtomicU32);

impl Waking {
    pub(super) fn new() -> Waking {
        Waking(AtomicU32::new(NOBODY))
    }

    /// Wakes an idle one of `workers`, if there is one and none is on its way. The work
    /// must be visible already.
    pub(super) fn one<W: Idle>(&self, workers: &[impl Deref<Target = W>]) {
        fence(SeqCst);
        loop {
            let waking = self.0.load(Relaxed);
            let find = |is: fn(&Sleep) -> bool| workers.iter().find(|w| is(w.sleep()));
            // One that looks is told with less. But the kernel may have stopped it, and
            // then it comes no sooner: so whoever has more to do wakes another.
            let (worker, coming) = match waking {
                SLEEPER => return,
                LOOKER => (find(Sleep::waits).or_else(|| find(Sleep::is_asleep)), SLEEPER),
                _ => match find(Sleep::is_looking) {
                    Some(looker) => (Some(looker), LOOKER),
                    None => (find(Sleep::waits), SLEEPER),
                },
            };
            let Some(worker) = worker else { return };
            if self.0.compare_exchange(waking, coming, SeqCst, Relaxed).is_err() {
                continue;
            }
            if worker.sleep().rouse(|| worker.wake()) {
                return;
            }
            // It woke by itself, and may sleep again by now. Whoever has made
            // work visible meanwhile saw the word and left it to this call, so
            // it looks at all of them again.
            let _ = self.0.compare_exchange(coming, NOBODY, SeqCst, Relaxed);
            fence(SeqCst);
        }
    }

    /// Called by a worker that has woken, before it looks for work. True if somebody was
    /// being woken: it must look, or else pass that on.
    pub(super) fn woke(&self) -> bool {
        // After the worker's `AWAKE`: whoever claimed it before has set the word
        // before, and this load must see that.
        fence(SeqCst);
        let waking = self.0.load(Relaxed) != NOBODY && self.0.swap(NOBODY, SeqCst) != NOBODY;
        fence(SeqCst);
        waking
    }
}

#[cfg(all(test, loom))]
#[path = "waking_loom.rs"]
mod waking_loom;
