//! A lock whose unlocking is a plain store, for what is locked for every item or
//! permit that passes.
//!
//! As with `Lock`, nobody suspends while holding it. Unlike there, who unlocks
//! looks at it once more *after* it is free: what it lies in must be borrowed for
//! the whole call, and not be freed by who finds it unlocked.
//!
//! | word | by | ordering |
//! |---|---|---|
//! | `held` 0 to 1 | who locks | Acquire: sees what the last holder wrote |
//! | `held` 1 to 0 | the holder | Release, a plain store; then it loads `sleepers` |
//! | `sleepers` + 1, - 1 | who sleeps for it, around that | see below |
//!
//! Unlocking has no atomic read-modify-write and no fence, which cost as much as
//! locking does. The full barrier between its store and its load is run for it
//! by who goes to sleep, between counting itself and looking at `held` again
//! (`barrier.rs`): either the holder sees the sleeper, and wakes it, or the
//! sleeper sees that the lock is free. Where there is no such barrier, sleepers
//! look again every millisecond.
//!
//! `quick_loom.rs` tries every interleaving of this.

use super::barrier;
use super::clock;
use super::futex::{self, Word};
use super::lock;
use std::cell::UnsafeCell;
use std::sync::atomic::Ordering::*;

const FREE: u32 = 0;
const HELD: u32 = 1;

/// The lock without its data.
pub(super) struct RawQuick {
    held: Word,
    sleepers: Word,
}

impl RawQuick {
    pub(super) const fn new() -> RawQuick {
        RawQuick { held: Word::new(FREE), sleepers: Word::new(0) }
    }

    #[inline]
    pub(super) fn lock(&self) -> Held<'_> {
        if !self.take() {
            self.contended();
        }
        Held(self)
    }

    #[inline]
    fn take(&self) -> bool {
        self.held.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok()
    }

    /// `None` if it is held.
    pub(super) fn try_lock(&self) -> Option<Held<'_>> {
        self.take().then(|| Held(self)) // not made in vain: that would unlock
    }

    /// Whether somebody holds it. If not, what the last holder wrote is visible.
    #[inline]
    pub(super) fn is_held(&self) -> bool {
        self.held.load(Acquire) != FREE
    }

    /// Does not look again at once: whose core has the lock mostly wants it again for the
    /// next item, and would have to fetch the cache line back. After T. E. Anderson, "The
    /// Performance of Spin Lock Alternatives for Shared-Memory Multiprocessors" (1990).
    #[cold]
    fn contended(&self) {
        for look in 0..LOOKS {
            (0..16 << look.min(2)).for_each(|_| std::hint::spin_loop());
            if self.held.load(Relaxed) == FREE && self.take() {
                return;
            }
        }
        self.sleepers.fetch_add(1, Relaxed);
        let seen = barrier::everywhere();
        while !self.take() {
            futex::wait(&self.held, HELD, (!seen).then(|| clock::now() + LOOK_EVERY));
        }
        self.sleepers.fetch_sub(1, Relaxed);
    }
}

/// How often to look before one goes to sleep: for some microseconds, up to 40 where a
/// pause takes long. Models have no time to lose.
const LOOKS: u32 = if cfg!(loom) { 0 } else { 16 };
/// How often sleepers look who may not have been seen.
const LOOK_EVERY: clock::Nanos = 1_000_000;

/// Proof that the lock is held; unlocks when dropped.
pub(crate) struct Held<'a>(&'a RawQuick);

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.held.store(FREE, Release);
        barrier::here(); // a sleeper's `everywhere` orders these two
        if self.0.sleepers.load(Relaxed) != 0 {
            wake(&self.0.held);
        }
    }
}

#[cold]
fn wake(held: &Word) {
    futex::wake_one(held);
}

/// Access to the value of a held [`Quick`].
pub(crate) type Guard<'a, T> = lock::Guard<'a, T, Held<'a>>;

/// A value behind the lock.
pub(crate) struct Quick<T> {
    raw: RawQuick,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one thread at a time, through the guard.
unsafe impl<T: Send> Sync for Quick<T> {}

impl<T> Quick<T> {
    pub(crate) const fn new(value: T) -> Quick<T> {
        Quick { raw: RawQuick::new(), value: UnsafeCell::new(value) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let held = self.raw.lock();
        // SAFETY: the value is reached by holders of this lock alone.
        unsafe { lock::Guard::new(&self.value, held) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn counts_exactly_under_contention() {
        static LOCK: Quick<u64> = Quick::new(0);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for _ in 0..if cfg!(miri) { 100 } else { 100_000 } {
                        *LOCK.lock() += 1;
                    }
                });
            }
        });
        assert_eq!(*LOCK.lock(), if cfg!(miri) { 400 } else { 400_000 });
    }

    /// Each waits so long that the others go to sleep; nobody sleeps on.
    #[test]
    fn sleepers_are_woken() {
        static LOCK: Quick<u64> = Quick::new(0);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for turn in 0..if cfg!(miri) { 3 } else { 2000 } {
                        let mut count = LOCK.lock();
                        if turn % 16 == 0 {
                            std::thread::yield_now();
                            (0..1000).for_each(|_| std::hint::spin_loop());
                        }
                        *count += 1;
                    }
                });
            }
        });
        assert_eq!(*LOCK.lock(), if cfg!(miri) { 12 } else { 8000 });
        assert_eq!(LOCK.raw.sleepers.load(Relaxed), 0);
    }
}
