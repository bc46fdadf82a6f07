//! Measuring: latency and memory.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets per power of two: no figure is off by more than 1/64.
const FINE: u64 = 64;
const FINE_BITS: u32 = FINE.trailing_zeros();
const BUCKETS: usize = (65 - FINE_BITS as usize) * FINE as usize;

/// A histogram that all threads add to, of a size that does not depend on how much they add.
pub(crate) struct Latency {
    buckets: Box<[AtomicU64]>,
    max: AtomicU64,
}

impl Latency {
    pub(crate) fn new() -> Latency {
        Latency {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            max: AtomicU64::new(0),
        }
    }

    pub(crate) fn record(&self, latency: Duration) {
        let nanos = latency.as_nanos() as u64;
        self.buckets[bucket(nanos)].fetch_add(1, Relaxed);
        // Mostly only a load: a new maximum is rare.
        if nanos > self.max.load(Relaxed) {
            self.max.fetch_max(nanos, Relaxed);
        }
    }

    /// The latency that `percent` of all stayed within.
    pub(crate) fn percentile(&self, percent: f64) -> Duration {
        let counts: Vec<u64> = self.buckets.iter().map(|count| count.load(Relaxed)).collect();
        let wanted = (counts.iter().sum::<u64>() as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        let reached = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        Duration::from_nanos(reached.map_or(0, middle)).min(self.max())
    }

    pub(crate) fn max(&self) -> Duration {
        Duration::from_nanos(self.max.load(Relaxed))
    }
}

/// The first `FINE` buckets are one wide, the next `FINE` too, then two, four, eight…
fn bucket(value: u64) -> usize {
    if value < FINE {
        return value as usize;
    }
    let shift = value.ilog2() - FINE_BITS;
    (u64::from(shift) * FINE + (value >> shift)) as usize
}

fn middle(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * FINE {
        return bucket;
    }
    let shift = bucket / FINE - 1;
    ((bucket % FINE + FINE) << shift) + (1 << shift) / 2
}

/// Resident memory at some moment.
pub(crate) struct Memory(Option<u64>);

impl Memory {
    pub(crate) fn now() -> Memory {
        Memory(resident())
    }

    /// By how many bytes it has grown since; `None` where the system does not tell.
    pub(crate) fn grown(&self) -> Option<u64> {
        Some(resident()?.saturating_sub(self.0?))
    }
}

fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    // SAFETY: sysconf has no preconditions.
    let page_size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(pages * u64::try_from(page_size).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_near_the_middle_of_its_bucket() {
        for value in (0..2000).chain((0..64).map(|bit| 1 << bit)).chain([u64::MAX]) {
            let off = middle(bucket(value)).abs_diff(value);
            assert!(off <= value / FINE, "{value} is off by {off}");
        }
    }

    #[test]
    fn percentiles_of_a_known_series() {
        let latency = Latency::new();
        (1..=1000).for_each(|n| latency.record(Duration::from_micros(n)));
        for (percent, expected) in [(50.0, 500.0), (99.0, 990.0), (100.0, 1000.0)] {
            let micros = latency.percentile(percent).as_secs_f64() * 1e6;
            assert!((micros / expected - 1.0).abs() < 0.02, "p{percent}: {micros} µs");
        }
        assert_eq!(latency.max(), Duration::from_millis(1));
    }
}
