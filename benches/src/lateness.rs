//! How late those are that slept.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::stats::percentile;
use crate::work::compute;

/// How many sleep, again and again.
pub(crate) const NAPPERS: usize = 100;
/// How long, each time.
pub(crate) const NAP: Duration = Duration::from_millis(1);
/// How many keep the core busy meanwhile.
pub(crate) const LOADS: usize = 4;
/// How long, before they give way.
const EFFORT: Duration = Duration::from_micros(20);

/// What one of the loads does before it gives way.
pub(crate) fn work() {
    compute(EFFORT);
}

/// Nanoseconds, one for each sleep. The lock is never waited for long: it is
/// held for a push.
#[derive(Default)]
pub(crate) struct Late(Mutex<Vec<u64>>);

impl Late {
    /// It was due then, and is now.
    pub(crate) fn add(&self, due: Instant) {
        let late = due.elapsed().as_nanos() as u64;
        self.0.lock().expect("nobody panics").push(late);
    }

    /// In the worst of a hundred: one figure.
    pub(crate) fn figure(&self) -> (u64, u64) {
        let mut all = std::mem::take(&mut *self.0.lock().expect("nobody panics"));
        all.sort_unstable();
        (1, percentile(&all, 0.99))
    }
}

#[test]
fn the_worst_of_a_hundred_is_told() {
    let late = Late::default();
    let due = Instant::now() - Duration::from_secs(5);
    (0..97).for_each(|_| late.add(Instant::now()));
    (0..3).for_each(|_| late.add(due));
    let (count, nanos) = late.figure();
    assert_eq!((count, nanos / 1_000_000_000), (1, 5));
}
