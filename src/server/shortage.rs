//! Waiting for something that has run out: until one of the handlers has ended,
//! and given back what it had, or for a while.
//!
//! | move | by |
//! |---|---|
//! | `look`: how many have ended | a servant, before each attempt |
//! | `wait`: clears `over`, sets `starving`, and waits unless the number has changed | the servant whose attempt failed |
//! | `given_back`: counts, then sets `over` if somebody is `starving` | who ends |
//! | `end`: sets `over` for good | a stop, after its mark |
//! | `owe`, `begun`: there is something for a handler; it has begun | its pass |
//! | `lack`: it could not begin, for there was no stack for it | its pass |
//! | `sit_out`: waits a while if one could not; for some time after that, until nobody is owed | a servant, before each attempt |
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
    /// How many handlers have not begun yet.
    owed: AtomicUsize,
    /// So many more are taken in one by one: only who has begun has a stack.
    one_by_one: AtomicUsize,
}

/// How long what comes is left to wait in the kernel.
const PAUSE: Duration = Duration::from_millis(100);
/// How long it is careful.
const CAREFUL: usize = 256;

impl Shortage {
    pub(super) fn new() -> Shortage {
        Shortage {
            ended: AtomicUsize::new(0),
            starving: AtomicBool::new(false),
            over: Event::new(),
            lacking: AtomicBool::new(false),
            owed: AtomicUsize::new(0),
            one_by_one: AtomicUsize::new(0),
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

    pub(super) fn owe(&self) {
        self.owed.fetch_add(1, SeqCst);
    }

    pub(super) fn begun(&self) {
        self.owed.fetch_sub(1, SeqCst);
        if self.one_by_one.load(SeqCst) > 0 {
            self.over.set();
        }
    }

    pub(super) fn lack(&self) {
        self.lacking.store(true, SeqCst);
        self.one_by_one.store(CAREFUL, SeqCst);
        self.begun();
    }

    /// Until a handler has ended and left its stack, if there was none for another.
    pub(super) fn sit_out(&self, stops: impl Fn() -> bool) {
        while self.one_by_one.load(SeqCst) > 0 && !stops() {
            if self.owed.load(SeqCst) > 0 {
                self.await_beginning();
            } else if self.lacking.load(SeqCst) {
                self.wait(self.look(), PAUSE, &stops);
                self.lacking.store(false, SeqCst);
            } else {
                let less = |left: usize| left.checked_sub(1);
                let _ = self.one_by_one.fetch_update(SeqCst, SeqCst, less);
                return;
            }
        }
    }

    /// As in `wait`, whoever has cleared and does not wait sets it again.
    fn await_beginning(&self) {
        self.over.clear();
        if self.owed.load(SeqCst) == 0 {
            return self.over.set();
        }
        self.over.wait_timeout(PAUSE);
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
