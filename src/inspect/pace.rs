//! Doing what may take long in the background, a little at a time: whoever wants
//! the same core, a worker perhaps, waits for no more than a little.

use crate::sys::{clock, futex};
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

/// How long to go on without a rest.
const TURN: Duration = Duration::from_micros(250);
/// How many times as long the rest is.
const REST: u32 = 9;

/// The pace of what an OS thread of the runtime's own does.
pub(super) struct Pace {
    /// Since when it goes on.
    since: Instant,
    worked: Duration,
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace { since: Instant::now(), worked: Duration::ZERO }
    }

    /// Between two steps, each of which takes some microseconds: rests if it is time to.
    #[inline]
    pub(super) fn step(&mut self) {
        let took = self.since.elapsed();
        if took >= TURN {
            self.rest(took);
        }
    }

    #[cold]
    fn rest(&mut self, took: Duration) {
        self.worked += took;
        let (end, nobody_wakes) = (clock::after(took * REST), AtomicU32::new(0));
        while clock::now() < end {
            futex::wait(&nobody_wakes, 0, Some(end));
        }
        self.since = Instant::now();
    }

    /// How long it has worked, without the rests.
    pub(super) fn worked(&self) -> Duration {
        self.worked + self.since.elapsed()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_works_rests_nine_times_as_long() {
        let (start, mut pace, mut steps) = (Instant::now(), Pace::new(), 0);
        while pace.worked < 4 * TURN {
            let step = Instant::now();
            while step.elapsed() < TURN / 10 {}
            pace.step();
            steps += 1;
        }
        assert!(steps > 4, "{steps} steps: it rests after each");
        let (took, worked) = (start.elapsed(), pace.worked());
        assert!(
            took >= pace.worked * (REST + 1) && worked >= pace.worked,
            "{took:?} for {worked:?}"
        );
    }

    #[test]
    fn little_is_done_without_a_rest() {
        let mut pace = Pace::new();
        pace.step();
        // But for one whose core somebody else took just then.
        assert!(pace.worked == Duration::ZERO || pace.worked >= TURN);
    }
}
