//! Waiting for something that has run out: until one of the handlers has ended,
//! and given back what it had, or for a while.
//!
//! | move | by |
//! |---|---|
//! | `look`: how many have ended | a servant, before each attempt |
//! | `wait`: clears `over`, sets `starving`, and waits unless the number has changed | the servant whose attempt failed |
//! | `given_back`: counts, then sets `over` if somebody is `starving` | who ends |
//! | `end`: sets `over` for good | a stop, after its mark |
//!
//! | `lack`: a handler could not begin, for there was no stack for it | its pass |
//! | `sit_out`: waits a while if one could not | a servant, before each attempt |
//!
//! Sequentially consistent: either the one who waits sees the number change, or
//! the one who ends sees him starve. Several may wait, and one clears what was
//! set for another; so whoever has cleared and does not wait sets it again.

use crate::sync::Event;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::time::Duration;

/// See above.
pub(super) struct Shortage {
    ended: AtomicUsize,
    starving: AtomicBool,
    over: Event,
    /// What a servant takes in now could not be handled. Cleared by those who have
    /// waited, not before, so that all of them do.
    lacking: AtomicBool,
}

/// How long what comes is left to wait in the kernel.
const PAUSE: Duration = Duration::from_millis(100);

impl Shortage {
    pub(super) fn new() -> Shortage {
        Shortage {
            ended: AtomicUsize::new(0),
            starving: AtomicBool::new(false),
            over: Event::new(),
            lacking: AtomicBool::new(false),
        }
    }

    pub(super) fn look(&self) -> usize {
        self.ended.load(SeqCst)
    }

    /// Waits until something was given back since `seen`, or it `stops`; at most
    /// for `pause`.
    pub(super) fn wait(&self, seen: usize, pause: Duration, stops: impl Fn() -> bool) {
        self.over.clear();
        self.starving.store(true, SeqCst);
        // After the clearing: a stop before it has left its mark.
        if self.look() != seen || stops() {
            self.over.set();
            return;
        }
        self.over.wait_timeout(pause);
    }

    pub(super) fn lack(&self) {
        self.lacking.store(true, SeqCst);
    }

    /// Until a handler has ended and left its stack, if there was none for another.
    pub(super) fn sit_out(&self, stops: impl Fn() -> bool) {
        if self.lacking.load(SeqCst) {
            self.wait(self.look(), PAUSE, stops);
            self.lacking.store(false, SeqCst);
        }
    }

    /// A handler is gone, with all that it had.
    pub(super) fn given_back(&self) {
        self.ended.fetch_add(1, SeqCst);
        if self.starving.load(SeqCst) && self.starving.swap(false, SeqCst) {
            self.over.set();
        }
    }

    /// The server stops.
    pub(super) fn end(&self) {
        self.over.set();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_came_back_during_the_attempt_counts() {
        let shortage = Shortage::new();
        let (start, seen) = (Instant::now(), shortage.look());
        shortage.given_back(); // nobody starves yet
        shortage.wait(seen, LONG, || false);
        shortage.wait(shortage.look(), LONG, || true);
        assert!(start.elapsed() < LONG);
        let asked = Cell::new(0);
        shortage.wait(shortage.look(), Duration::from_millis(1), || {
            asked.set(asked.get() + 1);
            false
        });
        assert_eq!(asked.get(), 1);
    }

    #[test]
    fn who_waits_is_told() {
        let shortage = std::sync::Arc::new(Shortage::new());
        let (theirs, start) = (shortage.clone(), Instant::now());
        let waiting = crate::spawn(move || theirs.wait(theirs.look(), LONG, || false));
        while !shortage.starving.load(SeqCst) {
            crate::sleep(Duration::from_micros(100));
        }
        shortage.given_back();
        waiting.join().unwrap();
        assert!(start.elapsed() < LONG);
    }
}
