//! The readers-writer lock.

use super::turns::{Turn, Turns};
use crate::sys::clock;
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
    turns: Turns,
    value: UnsafeCell<T>,
}

// SAFETY: readers share the value, a writer has it alone.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}
// SAFETY: it owns the value; nobody waits while it moves.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}

impl<T> RwLock<T> {
    /// Unlocked.
    pub const fn new(value: T) -> RwLock<T> {
        RwLock { turns: Turns::new(), value: UnsafeCell::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until no writer has it or waits before this one.
    #[inline]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.turns.enter(Turn::Read, None);
        self.reads()
    }

    /// `None` if a writer has it or waits.
    #[inline]
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        self.turns.try_enter(Turn::Read).then(|| self.reads())
    }

    /// As `read`, at most for `timeout`.
    pub fn try_read_for(&self, timeout: Duration) -> Option<RwLockReadGuard<'_, T>> {
        self.turns.enter(Turn::Read, Some(clock::after(timeout))).then(|| self.reads())
    }

    /// Waits until nobody else has it.
    #[inline]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.turns.enter(Turn::Write, None);
        self.writes()
    }

    /// `None` if another has it or waits.
    #[inline]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        self.turns.try_enter(Turn::Write).then(|| self.writes())
    }

    /// As `write`, at most for `timeout`.
    pub fn try_write_for(&self, timeout: Duration) -> Option<RwLockWriteGuard<'_, T>> {
        self.turns.enter(Turn::Write, Some(clock::after(timeout))).then(|| self.writes())
    }

    fn reads(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard { lock: self, _thread: PhantomData }
    }

    fn writes(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard { lock: self, _thread: PhantomData }
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
        self.lock.turns.leave(Turn::Read);
    }
}

/// The only access to the value of an [`RwLock`].
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    /// As std's: it stays on the thread that locked.
    _thread: PhantomData<*const ()>,
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
        self.lock.turns.leave(Turn::Write);
    }
}
