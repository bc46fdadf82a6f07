//! Warnings for the program's logger, feature `log`.
//!
//! A logger is the program's: it takes locks, and waits. Whoever warns may be a
//! worker between two green threads, or somebody who was called by that very
//! logger. So an OS thread logs, which there is while there is something to say.
//!
//! | `busy` | means | left by |
//! |---|---|---|
//! | no | no thread, and nothing is queued | who warns: he queues, and starts one |
//! | yes | one takes what is queued, or is being started | that thread, which finds nothing more; or who could not start it, and says all on stderr |
//!
//! Both moves are made under the lock, so what is queued is always taken.

use super::current::{Inside, Native};
use super::say::say;
use crate::sys::lock::Lock;
use log::LevelFilter;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

/// As many warnings wait; one more is only counted.
const MOST: usize = 1000;

struct Queue {
    texts: VecDeque<String>,
    lost: usize,
    busy: bool,
}

static QUEUE: Lock<Queue> = Lock::new(Queue { texts: VecDeque::new(), lost: 0, busy: false });

/// Under the lock. What allocates meanwhile must not come back to the patch.
fn locked<R>(f: impl FnOnce(&mut Queue) -> R) -> R {
    let _inside = Inside::enter();
    f(&mut QUEUE.lock())
}

/// Has `text` logged, if the program has a logger; else it comes back.
pub(super) fn hand_over(text: String) -> Option<String> {
    let wanted = log::max_level().min(log::STATIC_MAX_LEVEL);
    // `Off` is what it is without a logger. In a fork's child no thread is left.
    if wanted == LevelFilter::Off || !is_ours() {
        return Some(text);
    }
    if wanted >= LevelFilter::Warn && locked(|queue| queue.put(text)) && !start() {
        while let Some(text) = locked(Queue::take) {
            say(format!("{text}\n").as_bytes());
        }
    }
    None
}

/// Whether this process is the first that had something to say.
fn is_ours() -> bool {
    static PROCESS: AtomicU32 = AtomicU32::new(0);
    let me = process::id();
    let other = PROCESS.compare_exchange(0, me, Relaxed, Relaxed);
    other.map_or_else(|other| other == me, |_| true)
}

impl Queue {
    /// True if the caller must see to it that somebody takes it.
    fn put(&mut self, text: String) -> bool {
        if self.texts.len() < MOST {
            self.texts.push_back(text);
        } else {
            self.lost += 1;
        }
        !std::mem::replace(&mut self.busy, true)
    }

    /// The next; `None`: whoever took them is done.
    fn take(&mut self) -> Option<String> {
        let lost = |n| format!("greenroom: {n} further warnings were lost");
        let next = self.texts.pop_front();
        let next = next.or_else(|| match std::mem::take(&mut self.lost) {
            0 => None,
            n => Some(lost(n)),
        });
        self.busy = next.is_some();
        next
    }
}

/// Starts the thread that logs; false if there is none to be had.
fn start() -> bool {
    let _native = Native::enter();
    thread::Builder::new().name("greenlog".to_owned()).spawn(deliver).is_ok()
}

fn deliver() {
    while let Some(text) = locked(Queue::take) {
        // One that panics is reported by the hook, and gets the next.
        let logged = AssertUnwindSafe(|| log::warn!(target: "greenroom", "{text}"));
        if let Err(payload) = catch_unwind(logged) {
            std::mem::forget(payload); // its destructor might panic once more
        }
    }
}
