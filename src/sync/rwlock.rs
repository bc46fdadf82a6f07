//! The readers-writer lock.
//!
//! Two rules make it first come, first served: everybody passes the gate, and
//! a writer keeps it until the readers before it have left. So readers that
//! come after a writer wait behind it. `readers` counts those inside, and the
//! one that leaves last frees `empty`, which the first had taken.

use super::line::Outcome;
use super::mutex::{Mutex, MutexGuard};
use super::permits::Permits;
use crate::sys::clock::{self, Nanos};
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// A value that many threads, green or not, may read at a time, or one may
/// write. First come, first served: readers do not overtake a writer that
/// waits, so one that reads already must not read again beside it.
///
/// ```
/// let lock = greenroom::sync::RwLock::new(1);
/// {
///     let (a, b) = (lock.read(), lock.read());
///     assert_eq!(*a + *b, 2);
///     assert!(lock.try_write().is_none());
/// }
/// *lock.write() = 5;
/// assert_eq!(lock.into_inner(), 5);
/// ```
pub struct RwLock<T: ?Sized> {
    gate: Mutex<()>,
    readers: Mutex<usize>,
    empty: Permits,
    value: UnsafeCell<T>,
}

// SAFETY: readers share the value, a writer has it alone.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}
// SAFETY: it owns the value; nobody waits while it moves.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}

impl<T> RwLock<T> {
    /// Unlocked.
    pub const fn new(value: T) -> RwLock<T> {
        RwLock {
            gate: Mutex::new(()),
            readers: Mutex::new(0),
            empty: Permits::new(1, 1),
            value: UnsafeCell::new(value),
        }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until no writer has it or waits before this one.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        loop {
            if let Some(guard) = self.enter(self.gate.lock()) {
                return guard;
            }
        }
    }

    /// `None` if a writer has it or waits.
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        self.enter(self.gate.try_lock()?)
    }

    /// As `read`, at most for `timeout`.
    pub fn try_read_for(&self, timeout: Duration) -> Option<RwLockReadGuard<'_, T>> {
        self.enter(self.gate.try_lock_for(timeout)?)
    }

    /// Behind the gate no writer is inside: it keeps the gate.
    fn enter(&self, _gate: MutexGuard<'_, ()>) -> Option<RwLockReadGuard<'_, T>> {
        let mut readers = self.readers.lock();
        if *readers == 0 && !self.empty.try_acquire() {
            return None;
        }
        *readers += 1;
        Some(RwLockReadGuard { lock: self, _thread: PhantomData })
    }

    /// Waits until nobody else has it.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        let gate = self.gate.lock();
        self.empty.acquire(None);
        RwLockWriteGuard { lock: self, _gate: gate }
    }

    /// `None` if another has it or waits.
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        let gate = self.gate.try_lock()?;
        self.empty.try_acquire().then(|| RwLockWriteGuard { lock: self, _gate: gate })
    }

    /// As `write`, at most for `timeout`.
    pub fn try_write_for(&self, timeout: Duration) -> Option<RwLockWriteGuard<'_, T>> {
        let deadline: Nanos = clock::after(timeout);
        let gate = self.gate.lock_by(Some(deadline))?;
        let alone = self.empty.acquire(Some(deadline)) == Outcome::Granted;
        alone.then(|| RwLockWriteGuard { lock: self, _gate: gate })
    }

    /// The value, without locking: nobody else can see it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> RwLock<T> {
        RwLock::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> RwLock<T> {
        RwLock::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RwLock");
        match self.try_read() {
            Some(guard) => out.field("value", &&*guard).finish(),
            None => out.field("value", &format_args!("<locked>")).finish(),
        }
    }
}

/// Shared access to the value of an [`RwLock`].
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    _thread: PhantomData<*const ()>,
}

// SAFETY: it gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: a reader is inside, so no writer is.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        let mut readers = self.lock.readers.lock();
        *readers -= 1;
        if *readers == 0 {
            self.lock.empty.release();
        }
    }
}

/// The only access to the value of an [`RwLock`].
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    /// Released after `empty`.
    _gate: MutexGuard<'a, ()>,
}

// SAFETY: shared, it gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the writer is alone inside.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.empty.release();
    }
}
