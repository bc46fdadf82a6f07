//! Whether a green thread runs, waits or is queued, and who may change it.
//!
//! | bits | means |
//! |---|---|
//! | (none) | it runs, or it is fresh or gave way and stands in a queue |
//! | `NOTIFIED` | as (none), and the next park returns at once |
//! | `PARKED` | it waits; whoever sets `NOTIFIED` must queue it |
//! | `PARKED`+`NOTIFIED` | it was woken and stands in a queue or inbox |
//! | `TOKEN` | beside the others: the user's `unpark`, kept for his `park` |
//! | `KILLED` | beside the others: it is to end at its next wait; stays |
//! | `WOKEN` | beside the others: a `Waker` of its was woken, for its `block_on` |
//! | `DONE` | it ended; nothing that happens now matters |
//!
//! | move | by | ordering |
//! |---|---|---|
//! | set `NOTIFIED` (`notify`) | anybody | AcqRel: what came before it is seen by the woken one; the one that queues sees the stack saved |
//! | set `PARKED` (`commit_park`) | the worker that ran it, once its stack is saved | AcqRel: its stack and record are seen by whoever queues it |
//! | clear `PARKED`, `NOTIFIED` (`begin_run`) | the worker that takes it from a queue | Acquire: sees all that any notifier did, also those who found it queued already |
//! | clear `NOTIFIED` (`take_notice`) | itself, before it suspends | Acquire, likewise |
//! | set `KILLED` and `NOTIFIED` (`kill`) | anybody | as `notify` |
//! | set `DONE` | the worker that ran it | Release |
//!
//! Exactly one of several notifiers finds `PARKED` without `NOTIFIED`, so a
//! green thread is never queued twice; a `NOTIFIED` that nobody needed costs
//! one turn of the waiter's own loop, which looks at its condition again.

use crate::sys::atomic::AtomicU32;
use std::sync::atomic::Ordering::*;

const PARKED: u32 = 1;
const NOTIFIED: u32 = 2;
const TOKEN: u32 = 4;
const DONE: u32 = 8;
const KILLED: u32 = 16;
const WOKEN: u32 = 32;

/// One green thread's state.
pub(crate) struct State(AtomicU32);

impl State {
    /// Fresh: in a queue, or about to be put there by its creator. Not parked,
    /// so that its first run costs no atomic write.
    pub(crate) fn fresh() -> State {
        State(AtomicU32::new(0))
    }

    /// Makes it runnable; true if the caller must queue it.
    #[inline]
    pub(crate) fn notify(&self) -> bool {
        self.0.fetch_or(NOTIFIED, AcqRel) & (PARKED | NOTIFIED | DONE) == PARKED
    }

    /// As `notify`, and leaves the user's token.
    pub(crate) fn notify_with_token(&self) -> bool {
        self.0.fetch_or(NOTIFIED | TOKEN, AcqRel) & (PARKED | NOTIFIED | DONE) == PARKED
    }

    /// As `notify`, and marks it as killed.
    pub(crate) fn kill(&self) -> bool {
        self.0.fetch_or(NOTIFIED | KILLED, AcqRel) & (PARKED | NOTIFIED | DONE) == PARKED
    }

    /// Whether it was killed. For itself: what wakes it has been acquired.
    #[inline]
    pub(crate) fn is_killed(&self) -> bool {
        self.0.load(Relaxed) & KILLED != 0
    }

    /// As `notify`, and says that a future can be polled again.
    pub(crate) fn notify_woken(&self) -> bool {
        self.0.fetch_or(NOTIFIED | WOKEN, AcqRel) & (PARKED | NOTIFIED | DONE) == PARKED
    }

    /// It has suspended to wait; false if it was notified before, and then the
    /// caller must queue it.
    #[inline]
    pub(crate) fn commit_park(&self) -> bool {
        // It is not set yet, and adding takes one instruction where `or` loops.
        self.0.fetch_add(PARKED, AcqRel) & NOTIFIED == 0
    }

    /// Taken from a queue, about to run.
    #[inline]
    pub(crate) fn begin_run(&self) {
        // One that gave way or is fresh is not parked, and costs no atomic write.
        // PARKED is set and cleared by its worker alone, so a plain look is exact.
        if self.0.load(Relaxed) & PARKED != 0 {
            self.0.fetch_and(!(PARKED | NOTIFIED), Acquire);
        }
    }

    /// Consumes a notification instead of suspending.
    #[inline]
    pub(crate) fn take_notice(&self) -> bool {
        // Only its own thread clears the bit, so a plain look may come first.
        self.0.load(Relaxed) & NOTIFIED != 0 && {
            self.0.fetch_and(!NOTIFIED, Acquire);
            true
        }
    }

    /// Consumes the user's token.
    #[inline]
    pub(crate) fn take_token(&self) -> bool {
        // Only its own thread clears the bit, so a plain look may come first.
        self.0.load(Relaxed) & TOKEN != 0 && {
            self.0.fetch_and(!TOKEN, Acquire);
            true
        }
    }

    /// Consumes that a future can be polled again.
    #[inline]
    pub(crate) fn take_woken(&self) -> bool {
        // Only its own thread clears the bit, so a plain look may come first.
        self.0.load(Relaxed) & WOKEN != 0 && {
            self.0.fetch_and(!WOKEN, Acquire);
            true
        }
    }

    /// Whether it has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.0.load(Acquire) & DONE != 0
    }

    /// It has ended.
    #[inline]
    pub(crate) fn finish(&self) {
        self.0.store(DONE, Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn fresh_is_queued_once() {
        let s = State::fresh();
        assert!(!s.notify(), "its creator queues it");
        s.begin_run();
        assert!(s.take_notice(), "kept for its first park");
        assert!(s.commit_park());
        assert!(s.notify());
        assert!(!s.notify());
    }

    #[test]
    fn a_notice_while_running_is_kept() {
        let s = State::fresh();
        s.begin_run();
        assert!(!s.notify());
        assert!(!s.commit_park(), "the worker queues it again");
        s.begin_run();
        assert!(!s.take_notice());
        assert!(!s.notify());
        assert!(s.take_notice());
        assert!(s.commit_park());
    }

    #[test]
    fn the_token_outlives_other_wakes() {
        let s = State::fresh();
        assert!(!s.notify_with_token(), "fresh: queued already");
        s.begin_run();
        assert!(s.take_notice());
        assert!(s.commit_park());
        assert!(s.notify());
        s.begin_run();
        assert!(s.take_token());
        assert!(!s.take_token());
    }

    #[test]
    fn a_woken_future_outlives_other_wakes() {
        let s = State::fresh();
        s.begin_run();
        assert!(!s.notify_woken());
        assert!(s.take_notice(), "the poll itself waited for something");
        assert!(s.commit_park() && s.notify());
        s.begin_run();
        assert!(s.take_woken());
        assert!(!s.take_woken());
    }

    #[test]
    fn done_stays_done() {
        let s = State::fresh();
        s.begin_run();
        s.finish();
        assert!(!s.notify() && !s.notify_with_token());
    }
}

#[cfg(all(test, loom))]
#[path = "state_loom.rs"]
mod loom_tests;
