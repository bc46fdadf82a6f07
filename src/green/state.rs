//! Whether a green thread runs, waits or is queued, and who may change it.
//!
//! | bits | means |
//! |---|---|
//! | (none) | it runs, or it is fresh or gave way and stands in a queue, or sits in its worker's seat (`seat.rs`) |
//! | `NOTIFIED` | as (none), and the next park returns at once |
//! | `PARKED` | it waits; whoever clears it must queue it |
//! | `PARKED`+`NOTIFIED` | it was notified before it could wait: its worker queues it |
//! | `TOKEN` | beside the others: the user's `unpark`, kept for his `park` |
//! | `KILLED` | beside the others: it is to end at its next wait; stays |
//! | `WOKEN` | beside the others: a `Waker` of its was woken, for its `block_on` |
//! | `SAMPLED` | beside the others: the monitor saw it run, and it has not waited since |
//! | `DONE` | it ended; nothing that happens now matters |
//!
//! | move | by | ordering |
//! |---|---|---|
//! | clear `PARKED` and `SAMPLED`, or else set `NOTIFIED` (`notify`) | anybody | AcqRel: the one that queues sees the stack saved; what came before is seen by way of the queue, or else by who takes the notice |
//! | set `PARKED` (`commit_park`) | the worker that ran it, once its stack is saved | AcqRel: its stack and record are seen by whoever queues it |
//! | clear `PARKED`+`NOTIFIED` and `SAMPLED` (`begin_run`) | the worker that takes it from a queue | Acquire: sees what the notifiers did |
//! | clear `NOTIFIED` (`take_notice`) | itself, before it suspends | Acquire, likewise |
//! | the same, and set `KILLED`, `TOKEN`, `WOKEN` (`Mark`) | anybody | as `notify` |
//! | clear `SAMPLED`, and set a mark (`leave`) | who fetched it from the seat | as `notify` |
//! | set `SAMPLED` (`sample`) | a signal handler on the OS thread that runs it | Relaxed: stands for nothing else |
//! | set `DONE` | the worker that ran it | Release |
//!
//! Exactly one of several notifiers finds `PARKED` without `NOTIFIED`, and clears
//! it, so a green thread is never queued twice, and one that was woken once has
//! nothing to clear before it runs. Those who come later leave `NOTIFIED`, which
//! costs one turn of the waiter's own loop: it looks at its condition again.

use crate::sys::atomic::AtomicU32;
use std::sync::atomic::Ordering::*;

const PARKED: u32 = 1;
const NOTIFIED: u32 = 2;
const TOKEN: u32 = 4;
const DONE: u32 = 8;
const KILLED: u32 = 16;
const WOKEN: u32 = 32;
const SAMPLED: u32 = 64;

/// What a debugger looks at: those that wait, were woken, have ended.
pub(super) const BITS: [usize; 3] = [PARKED as usize, NOTIFIED as usize, DONE as usize];

/// What a notifier leaves beside the notice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u32);

impl Mark {
    pub(crate) const NONE: Mark = Mark(0);
    /// The user's token.
    pub(crate) const TOKEN: Mark = Mark(TOKEN);
    /// It is to end.
    pub(crate) const KILLED: Mark = Mark(KILLED);
    /// A future can be polled again.
    pub(crate) const WOKEN: Mark = Mark(WOKEN);
}

/// One green thread's state.
pub(crate) struct State(AtomicU32);

/// What a look from outside finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// It runs, or stands in a queue: it is fresh or gave way.
    Moves,
    /// It was woken and stands in a queue.
    Woken,
    Waits,
    Ended,
}

impl State {
    /// What a copy of the word says.
    pub(crate) fn seen(word: u32) -> Seen {
        match word & (PARKED | NOTIFIED | DONE) {
            PARKED => Seen::Waits,
            bits if bits & DONE != 0 => Seen::Ended,
            bits if bits & PARKED != 0 => Seen::Woken,
            _ => Seen::Moves,
        }
    }

    /// Whether a copy of the word has a notice.
    pub(crate) fn tells(word: u32) -> bool {
        word & NOTIFIED != 0
    }

    /// Fresh: in a queue, or about to be put there by its creator. Not parked,
    /// so that its first run costs no atomic write.
    pub(crate) fn fresh() -> State {
        State(AtomicU32::new(0))
    }

    /// Makes it runnable, and leaves `mark`; true if the caller must queue it.
    #[inline]
    pub(crate) fn notify(&self, mark: Mark) -> bool {
        let mut word = self.0.load(Relaxed);
        loop {
            let wins = word & (PARKED | NOTIFIED | DONE) == PARKED;
            let told = if wins { word & !(PARKED | SAMPLED) } else { word | NOTIFIED };
            match self.0.compare_exchange_weak(word, told | mark.0, AcqRel, Relaxed) {
                Ok(_) => return wins,
                Err(now) => word = now,
            }
        }
    }

    /// As `notify`, of one that was fetched from its seat.
    #[inline]
    pub(crate) fn leave(&self, mark: Mark) {
        if mark != Mark::NONE {
            self.0.fetch_or(mark.0, AcqRel);
        }
        if self.0.load(Relaxed) & SAMPLED != 0 {
            self.0.fetch_and(!SAMPLED, Relaxed);
        }
    }

    /// Whether a park would return at once. For itself, and its worker.
    #[inline]
    pub(crate) fn is_notified(&self) -> bool {
        self.0.load(Relaxed) & NOTIFIED != 0
    }

    /// Whether it was killed. For itself.
    #[inline]
    pub(crate) fn is_killed(&self) -> bool {
        // Acquire: a killer that did not wake it left a notice, not taken yet.
        self.0.load(Acquire) & KILLED != 0
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
        // One that was woken, gave way or is fresh is not parked, and costs no
        // atomic write. A plain look is exact: with `NOTIFIED`, only this clears it.
        if self.0.load(Relaxed) & PARKED != 0 {
            self.0.fetch_and(!(PARKED | NOTIFIED | SAMPLED), Acquire);
        }
    }

    /// Consumes a notification instead of suspending.
    #[inline]
    pub(crate) fn take_notice(&self) -> bool {
        // Only its own thread clears the bit, so a plain look may come first.
        self.is_notified() && {
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

    /// Notes that it was seen running; whether that was noted since it last waited.
    /// Async-signal-safe.
    pub(crate) fn sample(&self) -> bool {
        self.0.fetch_or(SAMPLED, Relaxed) & SAMPLED != 0
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
        assert!(!s.notify(Mark::NONE), "its creator queues it");
        s.begin_run();
        assert!(s.take_notice(), "kept for its first park");
        assert!(s.commit_park());
        assert!(s.notify(Mark::NONE));
        assert!(!s.notify(Mark::NONE));
        s.begin_run();
        assert!(s.take_notice(), "the second was not seen yet");
        assert!(!s.take_notice(), "the first is over");
    }

    #[test]
    fn a_notice_while_running_is_kept() {
        let s = State::fresh();
        s.begin_run();
        assert!(!s.notify(Mark::NONE));
        assert!(!s.commit_park(), "the worker queues it again");
        s.begin_run();
        assert!(!s.take_notice());
        assert!(!s.notify(Mark::NONE));
        assert!(s.take_notice());
        assert!(s.commit_park());
    }

    #[test]
    fn the_token_outlives_other_wakes() {
        let s = State::fresh();
        assert!(!s.notify(Mark::TOKEN), "fresh: queued already");
        s.begin_run();
        assert!(s.take_notice());
        assert!(s.commit_park());
        assert!(s.notify(Mark::NONE));
        s.begin_run();
        assert!(s.take_token());
        assert!(!s.take_token());
    }

    #[test]
    fn a_woken_future_outlives_other_wakes() {
        let s = State::fresh();
        s.begin_run();
        assert!(!s.notify(Mark::WOKEN));
        assert!(s.take_notice(), "the poll itself waited for something");
        assert!(s.commit_park() && s.notify(Mark::NONE));
        s.begin_run();
        assert!(s.take_woken());
        assert!(!s.take_woken());
    }

    #[test]
    fn a_sample_is_kept_until_it_waits() {
        let s = State::fresh();
        s.begin_run();
        assert!(!s.sample());
        s.begin_run(); // it gave way
        assert!(s.sample());
        assert!(s.commit_park() && s.notify(Mark::NONE));
        s.begin_run();
        assert!(!s.sample());
        assert!(!s.notify(Mark::NONE) && !s.commit_park(), "it is as if it were not there");
    }

    #[test]
    fn done_stays_done() {
        let s = State::fresh();
        s.begin_run();
        s.finish();
        assert!(!s.notify(Mark::NONE) && !s.notify(Mark::TOKEN));
    }

    #[test]
    fn one_fetched_from_its_seat_has_waited() {
        let s = State::fresh();
        s.begin_run();
        assert!(!s.sample());
        s.leave(Mark::NONE);
        assert!(!s.sample() && !s.take_token() && !s.is_notified());
        s.leave(Mark::TOKEN);
        assert!(!s.sample() && s.take_token() && !s.is_notified());
    }
}

#[cfg(all(test, loom))]
#[path = "state_loom.rs"]
mod loom_tests;
