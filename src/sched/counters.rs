//! What one worker counts about itself.
//!
//! Only the worker that owns them writes (or whoever has claimed it), so a count
//! is a load, an addition and a store, with no atomic read-modify-write; most
//! are made once per batch. Anybody reads, at any time: each number is right by
//! itself, but two of them may be of different moments. All Relaxed: they stand
//! for nothing else.
//!
//! *Delay*: how long a runnable one waits for its turn. One at a time is timed:
//! with `n` queued at the start, the one that comes last has its turn when `n`
//! more switches have been made.

use crate::sys::clock::Nanos;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Between two that are timed.
const TIMED_EVERY: Nanos = 1_000_000;

/// A number that one thread writes.
pub(crate) struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Counter {
        Counter(AtomicU64::new(0))
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    #[inline]
    fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// By the owner.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.set(self.get().wrapping_add(n));
    }
}

/// One worker's. Lines of its own, which others only read.
#[repr(align(128))]
pub(crate) struct Counters {
    pub(crate) switches: Counter,
    /// Fresh green threads that were made on this worker.
    pub(crate) spawned: Counter,
    /// Green threads that ran here for the first time.
    pub(crate) started: Counter,
    pub(crate) ended: Counter,
    /// Times that it took fresh ones from another worker.
    pub(crate) steals: Counter,
    /// Green threads of this worker that other threads woke.
    pub(crate) woken: Counter,
    pub(crate) polls: Counter,
    pub(crate) events: Counter,
    pub(crate) timers: Counter,
    /// Time without anything to run; amid a pause, `PAUSED` and that time less
    /// the moment at which it began. One word, so that nobody sees half a change.
    idle: Counter,
    pub(crate) delays: Counter,
    pub(crate) delay_sum: Counter,
    pub(crate) delay_max: Counter,
    /// Since when the one that is being timed waits; 0: none is timed.
    timed_since: Counter,
    /// After so many switches it has its turn. If none is timed: when the next
    /// may be.
    timed_until: Counter,
    /// The time, when the present round began.
    pub(crate) now: Counter,
    idle_shown: Shown,
}

/// The highest that readers were given, who write it: on lines of its own.
#[repr(align(128))]
struct Shown(AtomicU64);

/// See `Counters::idle`. Times are far below.
const PAUSED: u64 = 1 << 63;

impl Counters {
    pub(crate) const fn new() -> Counters {
        const { assert!(size_of::<Counters>() == 256) };
        Counters {
            switches: Counter::new(),
            spawned: Counter::new(),
            started: Counter::new(),
            ended: Counter::new(),
            steals: Counter::new(),
            woken: Counter::new(),
            polls: Counter::new(),
            events: Counter::new(),
            timers: Counter::new(),
            idle: Counter::new(),
            delays: Counter::new(),
            delay_sum: Counter::new(),
            delay_max: Counter::new(),
            timed_since: Counter::new(),
            timed_until: Counter::new(),
            now: Counter::new(),
            idle_shown: Shown(AtomicU64::new(0)),
        }
    }

    /// A batch of `ran` switches has ended at `now`.
    #[inline]
    pub(crate) fn batch(&self, ran: u32, now: Nanos) {
        self.switches.add(ran.into());
        if self.timed_since.get() != 0 && self.switches.get() >= self.timed_until.get() {
            self.timed(now);
        }
    }

    #[cold]
    fn timed(&self, now: Nanos) {
        let delay = now.saturating_sub(self.timed_since.get());
        self.delays.add(1);
        self.delay_sum.add(delay);
        self.delay_max.set(self.delay_max.get().max(delay));
        self.timed_since.set(0);
        self.timed_until.set(now + TIMED_EVERY);
    }

    /// A round begins with `queued` runnable ones; times the last of them, once
    /// in a while.
    #[inline]
    pub(crate) fn round(&self, queued: u64, now: Nanos) {
        self.now.set(now);
        if self.timed_since.get() == 0 && queued > 0 && now >= self.timed_until.get() {
            self.timed_until.set(self.switches.get() + queued);
            self.timed_since.set(now);
        }
    }

    /// From `now` on it has nothing to run.
    pub(crate) fn idle_from(&self, now: Nanos) {
        self.idle.set(self.idle.get().wrapping_sub(now) | PAUSED);
        if self.timed_since.get() != 0 {
            // Others have stolen those before it, whose marks were counted.
            self.timed_since.set(0);
            self.timed_until.set(now);
        }
    }

    pub(crate) fn idle_until(&self, now: Nanos) {
        self.idle.set(self.idle.get().wrapping_add(now) & !PAUSED);
    }

    /// How long it has had nothing to run, until `now`. Never less than before:
    /// the worker's looks at the clock are not the reader's.
    pub(crate) fn idle(&self, now: Nanos) -> Nanos {
        let idle = match self.idle.get() {
            // One that began after `now` would make it less than nothing.
            paused if paused & PAUSED != 0 => match paused.wrapping_add(now) & !PAUSED {
                idle if idle & (PAUSED >> 1) == 0 => idle,
                _ => 0,
            },
            idle => idle,
        };
        self.idle_shown.0.fetch_max(idle, Relaxed).max(idle)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_last_in_the_queue_is_timed() {
        let c = Counters::new();
        c.round(3, 100);
        c.round(9, 150);
        c.batch(2, 200);
        assert_eq!(c.delays.get(), 0, "the third had no turn yet");
        c.batch(1, 300);
        assert_eq!((c.delays.get(), c.delay_sum.get(), c.delay_max.get()), (1, 200, 200));
        c.round(1, 400);
        c.batch(5, 450);
        assert_eq!(c.delays.get(), 1, "too soon");
        let later = 300 + TIMED_EVERY;
        c.round(1, later);
        c.batch(5, later + 50);
        assert_eq!((c.delays.get(), c.delay_sum.get(), c.delay_max.get()), (2, 250, 200));
    }

    #[test]
    fn the_present_pause_counts_as_idle() {
        let c = Counters::new();
        assert_eq!(c.idle(50), 0);
        c.idle_from(100);
        assert_eq!(c.idle(130), 30);
        c.idle_until(140);
        assert_eq!(c.idle(500), 40);
        c.idle_from(1000);
        assert_eq!(c.idle(1007), 47);
    }

    /// Who reads has looked at the clock before the worker did, or after it.
    #[test]
    fn idle_time_never_falls() {
        let c = Counters::new();
        c.idle_from(100);
        assert_eq!(c.idle(90), 0, "the pause has not begun yet");
        assert_eq!(c.idle(150), 50);
        c.idle_until(145); // it had looked, but not said so
        assert_eq!(c.idle(160), 50);
        c.idle_from(170);
        assert_eq!(c.idle(165), 50, "of before this pause");
        assert_eq!(c.idle(180), 55);
    }
}
