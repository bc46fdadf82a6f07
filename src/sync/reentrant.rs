//! The mutex that its owner may lock again.

use super::line::Outcome;
use super::single::Single;
use crate::green::current;
use crate::green::why::Kind;
use crate::sys::clock::{self, Nanos};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::offset_of;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A number that no other thread has or had: a green one's own, made even, or
/// an odd one for a plain OS thread.
fn me() -> u64 {
    if let Some(green) = current::get() {
        return green.id() * 2;
    }
    thread_local!(static MINE: Cell<u64> = const { Cell::new(0) });
    static NEXT: AtomicU64 = AtomicU64::new(1);
    MINE.with(|mine| {
        if mine.get() == 0 {
            mine.set(NEXT.fetch_add(2, Relaxed));
        }
        mine.get()
    })
}

const NOBODY: u64 = 0;

/// Whose number that is, if anybody's: a green thread's, or an OS thread's.
pub(crate) fn who(number: u64) -> Option<Option<u64>> {
    (number != NOBODY).then(|| number.is_multiple_of(2).then_some(number / 2))
}

/// How far behind its permit a mutex has its owner's number.
pub(crate) const OWNER_AT: usize =
    offset_of!(ReentrantMutex<()>, owner) - offset_of!(ReentrantMutex<()>, permit);

/// As [`Mutex`](super::Mutex), but the thread that holds it, green or not, may
/// lock it again, and gives it up with its last guard. So a guard shows its
/// value to be read only; put a `Cell` or `RefCell` inside to change it.
///
/// ```
/// use greenroom::sync::ReentrantMutex;
/// use std::cell::Cell;
/// let count = ReentrantMutex::new(Cell::new(0));
/// let outer = count.lock();
/// let inner = count.lock(); // no deadlock
/// inner.set(inner.get() + 1);
/// assert_eq!(outer.get(), 1);
/// ```
#[repr(C)] // for `OWNER_AT`
pub struct ReentrantMutex<T: ?Sized> {
    permit: Single,
    /// Written by whoever holds the permit. Relaxed: a thread that reads its own
    /// number there wrote it itself.
    owner: AtomicU64,
    /// How many guards there are. The owner's.
    depth: Cell<usize>,
    value: T,
}

// SAFETY: value and depth are reached by one thread at a time, the owner.
unsafe impl<T: ?Sized + Send> Sync for ReentrantMutex<T> {}
// SAFETY: it owns the value; nobody waits while it moves.
unsafe impl<T: ?Sized + Send> Send for ReentrantMutex<T> {}

impl<T> ReentrantMutex<T> {
    /// Unlocked.
    pub const fn new(value: T) -> ReentrantMutex<T> {
        let (owner, depth) = (AtomicU64::new(NOBODY), Cell::new(0));
        ReentrantMutex { permit: Single::new(Kind::Reentrant), owner, depth, value }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: ?Sized> ReentrantMutex<T> {
    /// Waits until it is this thread's, unless it is already.
    ///
    /// # Panics
    /// If there are `usize::MAX` guards.
    pub fn lock(&self) -> ReentrantMutexGuard<'_, T> {
        self.lock_by(None).expect("without a deadline it waits")
    }

    /// `None` if another thread has it.
    ///
    /// # Panics
    /// As `lock`.
    pub fn try_lock(&self) -> Option<ReentrantMutexGuard<'_, T>> {
        let me = me();
        (self.is_mine(me) || self.permit.try_acquire()).then(|| self.guard(me))
    }

    /// Waits at most for `timeout`; `None` if another thread still has it then.
    ///
    /// # Panics
    /// As `lock`.
    pub fn try_lock_for(&self, timeout: Duration) -> Option<ReentrantMutexGuard<'_, T>> {
        self.lock_by(Some(clock::after(timeout)))
    }

    fn lock_by(&self, deadline: Option<Nanos>) -> Option<ReentrantMutexGuard<'_, T>> {
        let me = me();
        let mine = self.is_mine(me) || self.permit.acquire(deadline) == Outcome::Granted;
        mine.then(|| self.guard(me))
    }

    fn is_mine(&self, me: u64) -> bool {
        self.owner.load(Relaxed) == me
    }

    /// The permit is this thread's.
    fn guard(&self, me: u64) -> ReentrantMutexGuard<'_, T> {
        self.owner.store(me, Relaxed);
        self.depth.set(self.depth.get().checked_add(1).expect("as many guards as there may be"));
        ReentrantMutexGuard { mutex: self, _thread: PhantomData }
    }

    /// The value, without locking: nobody else can see it.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Default> Default for ReentrantMutex<T> {
    fn default() -> ReentrantMutex<T> {
        ReentrantMutex::new(T::default())
    }
}

impl<T> From<T> for ReentrantMutex<T> {
    fn from(value: T) -> ReentrantMutex<T> {
        ReentrantMutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ReentrantMutex");
        match self.try_lock() {
            Some(guard) => out.field("value", &&*guard).finish(),
            None => out.field("value", &format_args!("<locked>")).finish(),
        }
    }
}

/// One hold on a [`ReentrantMutex`]; given up when dropped.
#[must_use = "the mutex is unlocked at once if the guard is not kept"]
pub struct ReentrantMutexGuard<'a, T: ?Sized> {
    mutex: &'a ReentrantMutex<T>,
    /// It stays on the thread that locked.
    _thread: PhantomData<*const ()>,
}

impl<T: ?Sized> Deref for ReentrantMutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.mutex.value
    }
}

impl<T: ?Sized> Drop for ReentrantMutexGuard<'_, T> {
    fn drop(&mut self) {
        let left = self.mutex.depth.get() - 1;
        self.mutex.depth.set(left);
        if left == 0 {
            self.mutex.owner.store(NOBODY, Relaxed);
            self.mutex.permit.release();
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
