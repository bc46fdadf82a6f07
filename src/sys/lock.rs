//! The runtime's own lock.
//!
//! `std::sync::Mutex` will not do: its futex calls come back to the patch, and
//! it would park the very green thread that is in the middle of the runtime.
//! The algorithm is the three-state futex mutex of U. Drepper's "Futexes Are
//! Tricky". Nothing that is locked here suspends while it holds the lock, so
//! it is held for nanoseconds unless the kernel preempts its holder.

use super::futex;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering::*};

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and somebody may sleep in the kernel for it.
const WAITED: u32 = 2;

/// The lock without data, for data that lies beside it. All-zero is unlocked.
pub(crate) struct RawLock(AtomicU32);

impl RawLock {
    pub(crate) const fn new() -> RawLock {
        RawLock(AtomicU32::new(FREE))
    }

    #[inline]
    pub(crate) fn lock(&self) -> RawGuard<'_> {
        // Acquire pairs with the Release in `drop`: what the last holder wrote
        // is visible to this one.
        if self.0.compare_exchange(FREE, HELD, Acquire, Relaxed).is_err() {
            self.contended();
        }
        RawGuard(self)
    }

    #[cold]
    fn contended(&self) {
        for _ in 0..100 {
            if self.0.load(Relaxed) == FREE
                && self.0.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok()
            {
                return;
            }
            std::hint::spin_loop();
        }
        while self.0.swap(WAITED, Acquire) != FREE {
            futex::wait(&self.0, WAITED, None);
        }
    }
}

/// Proof that the lock is held; unlocks when dropped.
pub(crate) struct RawGuard<'a>(&'a RawLock);

impl Drop for RawGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.0.0.swap(FREE, Release) == WAITED {
            futex::wake_one(&self.0.0);
        }
    }
}

/// A value behind the lock.
pub(crate) struct Lock<T> {
    raw: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one thread at a time, through the guard.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Lock<T> {
        Lock { raw: RawLock::new(), value: UnsafeCell::new(value) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let held = self.raw.lock();
        // SAFETY: the value is reached by holders of this lock alone.
        unsafe { Guard::new(&self.value, held) }
    }
}

/// Access to the value of a lock, which is held until `P` is dropped.
pub(crate) struct Guard<'a, T, P = RawGuard<'a>> {
    value: *mut T,
    _held: P,
    _borrow: PhantomData<&'a mut T>,
}

impl<'a, T, P> Guard<'a, T, P> {
    /// # Safety
    /// Until `held` is dropped, nobody else reaches the value.
    #[inline]
    pub(super) unsafe fn new(value: &'a UnsafeCell<T>, held: P) -> Guard<'a, T, P> {
        Guard { value: value.get(), _held: held, _borrow: PhantomData }
    }
}

impl<T, P> Deref for Guard<'_, T, P> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held for as long as the guard lives.
        unsafe { &*self.value }
    }
}

impl<T, P> DerefMut for Guard<'_, T, P> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { &mut *self.value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_exactly_under_contention() {
        static LOCK: Lock<u64> = Lock::new(0);
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
}
