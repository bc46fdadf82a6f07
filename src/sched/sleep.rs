//! How a worker goes to sleep without losing a wake-up.
//!
//! 1. The worker announces: `AWAKE` -> `ASLEEP`, or `LOOKING` if it is to look for a
//!    while before it waits (`busy_poll.rs`).
//! 2. It looks once more at everything that may hold work.
//! 3. If it looks: at the kernel, and here, whether it was woken. When that is over,
//!    `LOOKING` -> `ASLEEP`, unless it was; and `LOOKING` -> `AWAKE` to see to what the
//!    kernel reports. If that is of no use, it is back at step 1.
//! 4. It waits in the kernel, and on return sets `AWAKE`.
//!
//! A waker first makes the work visible, then looks here. Both sides are
//! SeqCst, so either the waker sees the announcement or the worker sees the work
//! (Dekker's argument). Only the one that turns it into `AWAKE` wakes, so a sleep costs
//! one wake-up, however many wake; and only a wake-up of `ASLEEP` writes the eventfd:
//! who looks sees the word. To all others who looks is asleep.

use crate::sys::atomic::{AtomicU32, fence};
use std::sync::atomic::Ordering::*;

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;
const LOOKING: u32 = 2;

/// One worker's announcement.
pub(crate) struct Sleep(AtomicU32);

impl Sleep {
    pub(crate) fn new() -> Sleep {
        Sleep(AtomicU32::new(AWAKE))
    }

    /// Step 1. What follows in program order is step 2.
    pub(crate) fn announce(&self, looks: bool) {
        self.0.store(if looks { LOOKING } else { ASLEEP }, SeqCst);
        fence(SeqCst);
    }

    /// In step 3, for the worker itself: nobody has woken it. For others a hint.
    pub(crate) fn is_looking(&self) -> bool {
        self.0.load(Acquire) == LOOKING
    }

    /// The end of step 3; false if it was woken.
    pub(crate) fn stop_looking(&self) -> bool {
        self.0.compare_exchange(LOOKING, ASLEEP, SeqCst, Acquire).is_ok()
    }

    /// From step 3 to being awake; false if it was woken.
    pub(crate) fn rise(&self) -> bool {
        self.0.compare_exchange(LOOKING, AWAKE, SeqCst, Acquire).is_ok()
    }

    /// The end of step 4, or of an earlier one.
    pub(crate) fn end(&self) {
        // Not a store, which costs the same: so this comes after whoever has claimed it.
        self.0.swap(AWAKE, SeqCst);
    }

    /// Whether it waits in the kernel, or is about to; a hint.
    pub(crate) fn waits(&self) -> bool {
        self.0.load(Relaxed) == ASLEEP
    }

    /// Whether it is asleep; a hint.
    pub(crate) fn is_asleep(&self) -> bool {
        self.0.load(Relaxed) != AWAKE
    }

    /// After making work visible: wakes the worker, if it sleeps and nobody else does
    /// so; by `wake`, if it takes more than the word. Whether it did.
    #[inline]
    pub(crate) fn rouse(&self, wake: impl FnOnce()) -> bool {
        fence(SeqCst);
        let mut state = self.0.load(Relaxed);
        while state != AWAKE {
            match self.0.compare_exchange(state, AWAKE, SeqCst, Relaxed) {
                Ok(ASLEEP) => {
                    wake();
                    return true;
                }
                Ok(_) => return true,
                Err(now) => state = now, // it has stopped looking
            }
        }
        false
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Whether somebody is woken, and by `wake`.
    fn rouse(sleep: &Sleep) -> (bool, bool) {
        let mut wakes = false;
        (sleep.rouse(|| wakes = true), wakes)
    }

    #[test]
    fn one_waker_per_sleep() {
        let s = Sleep::new();
        assert_eq!(rouse(&s), (false, false));
        s.announce(false);
        assert!(s.is_asleep() && !s.is_looking());
        assert_eq!(rouse(&s), (true, true));
        assert_eq!(rouse(&s), (false, false));
        s.announce(false);
        s.end();
        assert_eq!(rouse(&s), (false, false));
    }

    #[test]
    fn who_looks_is_told_by_the_word() {
        let s = Sleep::new();
        s.announce(true);
        assert!(s.is_asleep() && s.is_looking());
        assert_eq!(rouse(&s), (true, false));
        assert!(!s.is_looking() && !s.stop_looking());
        s.announce(true);
        assert!(s.stop_looking() && s.is_asleep());
        assert_eq!(rouse(&s), (true, true));
        s.announce(true);
        assert!(s.rise() && !s.is_asleep() && !s.rise());
        assert_eq!(rouse(&s), (false, false));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::Arc;
    use std::sync::atomic::AtomicBool;

    /// A sleep, work, and the eventfd, which is only read when all have ended and so
    /// need not be modelled.
    type Shared = Arc<(Sleep, AtomicU32, AtomicBool)>;

    /// Publishes work and wakes.
    fn waker(shared: &Shared) -> loom::thread::JoinHandle<bool> {
        let shared = shared.clone();
        loom::thread::spawn(move || {
            shared.1.fetch_add(1, SeqCst);
            shared.0.rouse(|| shared.2.store(true, SeqCst))
        })
    }

    /// Two wakers against `worker`, which says how much work it saw after it had last
    /// announced itself, and whether it then waits for the eventfd.
    fn two_wakers_against(worker: fn(&Sleep, &AtomicU32) -> (u32, bool)) {
        loom::model(move || {
            let shared = Arc::new((Sleep::new(), AtomicU32::new(0), AtomicBool::new(false)));
            let wakers: Vec<_> = (0..2).map(|_| waker(&shared)).collect();
            let (seen, waits) = worker(&shared.0, &shared.1);
            let woken = wakers.into_iter().map(|w| w.join().unwrap());
            let wakes = woken.filter(|woke| *woke).count();
            let told = shared.2.load(SeqCst);
            assert!(wakes <= 1, "one wake-up per sleep");
            assert!(seen == 2 || wakes == 1, "a wake-up was lost");
            assert!(!waits || seen == 2 || told, "it waits, and nobody writes");
            assert!(!told || waits, "nobody reads what was written");
        });
    }

    /// Work is published against an announcement: either the worker sees it,
    /// or exactly one waker claims the wake-up.
    #[test]
    fn loom_work_is_seen_or_the_worker_is_woken() {
        two_wakers_against(|sleep, work| {
            sleep.announce(false);
            (work.load(SeqCst), true)
        });
    }

    /// The same against one who looks, and then waits for the eventfd: it does not wait
    /// for what has been said by the word.
    #[test]
    fn loom_who_stops_looking_was_not_woken() {
        two_wakers_against(|sleep, work| {
            sleep.announce(true);
            (work.load(SeqCst), sleep.is_looking() && sleep.stop_looking())
        });
    }

    /// The same if it has risen in between, for something that was of no use.
    #[test]
    fn loom_who_has_risen_in_vain_looks_again() {
        two_wakers_against(|sleep, work| {
            sleep.announce(true);
            if !sleep.rise() {
                return (0, false);
            }
            sleep.announce(true);
            (work.load(SeqCst), sleep.stop_looking())
        });
    }
}
