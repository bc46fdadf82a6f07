//! How many switches a worker makes before it looks at the kernel and the
//! timers again.

use crate::sys::clock::Nanos;

/// Switches between two looks at the kernel and the timers, at most.
pub(super) const BATCH: u32 = 61;
/// ... and about how long they may take together.
const ROUND: Nanos = 1_000_000;

/// The size of the next batch, after `ran` switches took `took`.
pub(super) fn next_batch(ran: u32, took: Nanos) -> u32 {
    let each = (took / u64::from(ran.max(1))).max(1);
    (ROUND / each).clamp(1, u64::from(BATCH)) as u32
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn slow_switches_make_small_batches() {
        assert_eq!(next_batch(61, 61 * 10), BATCH);
        assert_eq!(next_batch(61, 61 * 100_000), 10);
        assert_eq!(next_batch(1, 50_000_000), 1);
        assert_eq!(next_batch(1, 100), BATCH);
    }
}
