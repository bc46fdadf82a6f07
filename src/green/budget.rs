//! Operations that may still succeed at once before a green thread gives way;
//! and a mark by which the monitor knows that it has not suspended since.
//!
//! | move | by |
//! |---|---|
//! | count down (`spend`) | the green thread |
//! | fill up (`refill`), which takes the mark away | the green thread, when it comes back from a suspension |
//! | add the mark | a signal handler that has interrupted its OS thread |
//!
//! It fills up after it has suspended and not before: so a mark that comes in the
//! middle of that is gone too. A mark that comes between the load and the store of
//! `spend` is lost, and one that is spent as if it were budget as well; both only
//! say too little. All of one OS thread, hence Relaxed.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Operations that succeed at once before a green thread gives way: tokio's.
const FULL: u32 = 128;
/// Above all that is a budget. Whoever is marked may spend this too: that is the
/// price for a `spend` that knows nothing of marks.
const MARK: u32 = 256;
/// One that gives way by itself has spent no more than this.
const NEARLY_FULL: u32 = FULL - 8;

/// See the module's head.
pub(crate) struct Budget(AtomicU32);

impl Budget {
    pub(super) const fn new() -> Budget {
        Budget(AtomicU32::new(FULL))
    }

    #[inline]
    pub(super) fn refill(&self) {
        self.0.store(FULL, Relaxed);
    }

    /// Counts an operation; false if it is time to give way.
    #[inline]
    pub(crate) fn spend(&self) -> bool {
        match self.0.load(Relaxed) {
            0 | 1 => false,
            left => {
                self.0.store(left - 1, Relaxed);
                true
            }
        }
    }

    /// Adds the mark; whether it was there, and whether next to nothing is spent.
    /// Async-signal-safe; on the OS thread that runs it.
    pub(super) fn mark(&self) -> (bool, bool) {
        let was = self.0.load(Relaxed);
        let left = if was >= MARK { was - MARK } else { was };
        if was < MARK {
            self.0.store(was + MARK, Relaxed);
        }
        (was >= MARK, (NEARLY_FULL..=FULL).contains(&left))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_budget_lasts_for_so_many() {
        let budget = Budget::new();
        assert_eq!((0..1000).take_while(|_| budget.spend()).count(), FULL as usize - 1);
        budget.refill();
        assert!(budget.spend());
    }

    #[test]
    fn the_mark_stays_until_it_fills_up() {
        let budget = Budget::new();
        assert_eq!(budget.mark(), (false, true));
        assert_eq!(budget.mark(), (true, true));
        (0..20).for_each(|_| assert!(budget.spend()));
        assert_eq!(budget.mark(), (true, false), "it spends");
        budget.refill();
        assert_eq!(budget.mark(), (false, true));
    }

    #[test]
    fn a_marked_one_gives_way_a_little_later() {
        let budget = Budget::new();
        budget.mark();
        let spent = (0..1000).take_while(|_| budget.spend()).count();
        assert_eq!(spent, (FULL + MARK) as usize - 1);
    }
}
