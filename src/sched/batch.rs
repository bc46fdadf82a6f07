//! How many switches a worker makes before it looks at the kernel and the
//! timers again.

use crate::sys::clock::Nanos;

/// Switches between two looks at the kernel and the timers, at most.
pub(super) const BATCH: u32 = 61;
/// ... and about how long they may take together.
const ROUND: Nanos = 100_000;
/// Turns no longer than this make the largest batches.
pub(super) const QUICK: Nanos = ROUND / BATCH as Nanos;

/// How long a turn takes in the slowest batch of late, each being forgotten by a sixteenth
/// with every one that follows: who computes comes round again. `turn`: in the last one, of
/// which more than a round makes no difference.
pub(super) fn slowest_of_late(before: Nanos, turn: Nanos) -> Nanos {
    turn.min(ROUND).max(before - before / 16)
}

/// The size of the next batch, of turns that take so long.
pub(super) fn next_batch(turn: Nanos) -> u32 {
    (ROUND / turn.max(1)).clamp(1, u64::from(BATCH)) as u32
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn slow_switches_make_small_batches() {
        assert_eq!([0, 10, 100, QUICK].map(next_batch), [BATCH; 4]);
        assert!(next_batch(2 * QUICK) < BATCH);
        assert_eq!([10_000, 100_000, 50_000_000].map(next_batch), [10, 1, 1]);
    }

    #[test]
    fn a_slow_batch_is_remembered_for_some() {
        let mut now = slowest_of_late(100, 20_000);
        assert_eq!((now, slowest_of_late(0, 50_000_000)), (20_000, ROUND));
        let quick = (0..100).map(|_| {
            now = slowest_of_late(now, 100);
            next_batch(now)
        });
        let quick: Vec<u32> = quick.collect();
        assert!(quick.is_sorted());
        assert_eq!((quick[0], quick[10], quick[40]), (5, 10, BATCH));
    }
}
