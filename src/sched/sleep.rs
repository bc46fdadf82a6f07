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

use std::sync::atomic::{AtomicU32, Ordering::*, fence};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

/// One worker's announcement.
pub(crate) struct Sleep(AtomicU32);

impl Sleep {
    pub(crate) const fn new() -> Sleep {
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

#[cfg(test)]
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
