//! The mutex.

use super::line::Outcome;
use super::single::Single;
use crate::green::current;
use crate::green::why::Kind;
use crate::sys::clock::{self, Nanos};
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::offset_of;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// How far behind its permit a mutex has its holder's mark.
pub(crate) const HOLDER_AT: usize = offset_of!(Mutex<()>, holder) - offset_of!(Mutex<()>, permit);

/// A value that one thread at a time may use, green or not.
///
/// As `std::sync::Mutex`, but first come, first served; it has timed forms; and
/// a panic does not poison it. Locking it again while holding it waits for ever.
///
/// ```
/// use greenroom::sync::Mutex;
/// use std::sync::Arc;
/// let balance = Arc::new(Mutex::new(0));
/// let all = (0..100).map(|_| {
///     let balance = balance.clone();
///     greenroom::spawn(move || {
///         let mut balance = balance.lock();
///         let read = *balance;
///         greenroom::yield_now();
///         *balance = read + 1;
///     })
/// });
/// greenroom::joinall(all.collect::<Vec<_>>());
/// assert_eq!(*balance.lock(), 100);
/// ```
#[repr(C)] // for `HOLDER_AT`
pub struct Mutex<T: ?Sized> {
    permit: Single,
    /// The mark of who holds it, for those who ask why nobody else can; 0 before it
    /// is given up, so that one that stands there and has not run holds it still.
    holder: AtomicUsize,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one thread at a time, through the guard.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: it owns the value; nobody waits while it moves.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}

impl<T> Mutex<T> {
    /// Unlocked.
    pub const fn new(value: T) -> Mutex<T> {
        let permit = Single::new(Kind::Mutex);
        Mutex { permit, holder: AtomicUsize::new(0), value: UnsafeCell::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until it is this thread's.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.permit.acquire(None);
        self.guard()
    }

    /// `None` if another has it.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.permit.try_acquire().then(|| self.guard())
    }

    /// Waits at most for `timeout`; `None` if another still has it then.
    ///
    /// ```
    /// use std::time::Duration;
    /// let mutex = greenroom::sync::Mutex::new(1);
    /// let guard = mutex.lock();
    /// assert!(mutex.try_lock_for(Duration::from_millis(1)).is_none());
    /// ```
    pub fn try_lock_for(&self, timeout: Duration) -> Option<MutexGuard<'_, T>> {
        self.lock_by(Some(clock::after(timeout)))
    }

    pub(super) fn lock_by(&self, deadline: Option<Nanos>) -> Option<MutexGuard<'_, T>> {
        (self.permit.acquire(deadline) == Outcome::Granted).then(|| self.guard())
    }

    #[inline]
    fn guard(&self) -> MutexGuard<'_, T> {
        self.holder.store(current::mark(), Relaxed);
        MutexGuard { mutex: self, _thread: PhantomData }
    }

    /// Whether somebody has it.
    pub fn is_locked(&self) -> bool {
        self.permit.is_taken()
    }

    /// The value, without locking: nobody else can see it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Mutex<T> {
        Mutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Mutex");
        match self.try_lock() {
            Some(guard) => out.field("value", &&*guard).finish(),
            None => out.field("value", &format_args!("<locked>")).finish(),
        }
    }
}

/// Access to the value of a held [`Mutex`]; unlocks it when dropped.
#[must_use = "the mutex is unlocked at once if the guard is not kept"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// As std's: it stays on the thread that locked.
    _thread: PhantomData<*const ()>,
}

// SAFETY: shared, it gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    pub(super) fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the only permit.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and it is borrowed mutably.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.holder.store(0, Relaxed);
        self.mutex.permit.release();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
