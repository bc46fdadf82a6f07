//! How a worker goes to sleep without losing a wake-up.
//!
//! 1. The worker announces: `AWAKE` -> `ASLEEP`.
//! 2. It looks once more at everything that may hold work.
//! 3. It waits in the kernel, and on return sets `AWAKE`.
//!
//! A waker first makes the work visible, then looks here. Both sides are
//! SeqCst, so either the waker sees `ASLEEP` or the worker sees the work
//! (Dekker's argument). Only the one that turns `ASLEEP` into `AWAKE` writes
//! the eventfd, so a sleep costs one wake-up, however many wake.

use crate::sys::atomic::{AtomicU32, fence};
use std::sync::atomic::Ordering::*;

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

/// One worker's announcement.
pub(crate) struct Sleep(AtomicU32);

impl Sleep {
    pub(crate) fn new() -> Sleep {
        Sleep(AtomicU32::new(AWAKE))
    }

    /// Step 1. What follows in program order is step 2.
    pub(crate) fn announce(&self) {
        self.0.store(ASLEEP, SeqCst);
        fence(SeqCst);
    }

    /// Step 3, or step 2 found work.
    pub(crate) fn end(&self) {
        self.0.store(AWAKE, SeqCst);
    }

    /// Whether it is asleep; a hint.
    pub(crate) fn is_asleep(&self) -> bool {
        self.0.load(Relaxed) == ASLEEP
    }

    /// After making work visible: true if the caller must wake the worker.
    #[inline]
    pub(crate) fn claim_wake(&self) -> bool {
        fence(SeqCst);
        self.0.load(Relaxed) == ASLEEP
            && self.0.compare_exchange(ASLEEP, AWAKE, SeqCst, Relaxed).is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_waker_per_sleep() {
        let s = Sleep::new();
        assert!(!s.claim_wake());
        s.announce();
        assert!(s.is_asleep());
        assert!(s.claim_wake());
        assert!(!s.claim_wake());
        s.announce();
        s.end();
        assert!(!s.claim_wake());
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::Arc;

    /// Work is published against an announcement: either the worker sees it,
    /// or exactly one waker claims the wake-up.
    #[test]
    fn loom_work_is_seen_or_the_worker_is_woken() {
        loom::model(|| {
            let shared = Arc::new((Sleep::new(), AtomicU32::new(0)));
            let wakers: Vec<_> = (0..2)
                .map(|_| {
                    let shared = shared.clone();
                    loom::thread::spawn(move || {
                        shared.1.fetch_add(1, SeqCst);
                        shared.0.claim_wake()
                    })
                })
                .collect();
            shared.0.announce();
            let seen = shared.1.load(SeqCst);
            let claims = wakers.into_iter().map(|w| w.join().unwrap());
            let claims = claims.filter(|claimed| *claimed).count();
            assert!(claims <= 1, "one wake-up per sleep");
            assert!(seen == 2 || claims == 1, "a wake-up was lost");
        });
    }
}
