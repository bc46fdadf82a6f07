//! What happens once: code, and the writing of a value.

use super::mutex::Mutex;
use std::cell::UnsafeCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::*};

/// Runs code once, whoever comes first; the others wait for its end. If it
/// panics, the next one that comes or waits runs its own.
///
/// ```
/// let once = greenroom::sync::Once::new();
/// let mut n = 0;
/// once.call_once(|| n += 1);
/// once.call_once(|| unreachable!());
/// assert!(once.is_completed() && n == 1);
/// ```
pub struct Once {
    done: AtomicBool,
    running: Mutex<()>,
}

impl Once {
    /// Not run yet.
    pub const fn new() -> Once {
        Once { done: AtomicBool::new(false), running: Mutex::new(()) }
    }

    /// Runs `f`, unless one such call has returned already. `f` must not come
    /// here itself: it would wait for ever.
    pub fn call_once(&self, f: impl FnOnce()) {
        if self.is_completed() {
            return;
        }
        let _running = self.running.lock();
        if !self.is_completed() {
            f();
            // Release: what `f` did is visible to those who find it done.
            self.done.store(true, Release);
        }
    }

    /// Whether a call has returned.
    #[inline]
    pub fn is_completed(&self) -> bool {
        self.done.load(Acquire)
    }
}

impl Default for Once {
    fn default() -> Once {
        Once::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("completed", &self.is_completed()).finish()
    }
}

/// A value that is written once.
///
/// ```
/// static CELL: greenroom::sync::OnceLock<u8> = greenroom::sync::OnceLock::new();
/// assert_eq!(CELL.get(), None);
/// assert_eq!(*CELL.get_or_init(|| 7), 7);
/// assert_eq!(CELL.set(8), Err(8));
/// ```
pub struct OnceLock<T> {
    once: Once,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: written once, before `once` is completed, and shared after.
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// Empty.
    pub const fn new() -> OnceLock<T> {
        OnceLock { once: Once::new(), value: UnsafeCell::new(None) }
    }

    /// The value, if it is there.
    pub fn get(&self) -> Option<&T> {
        // SAFETY: completed, so nobody writes any more.
        self.once.is_completed().then(|| unsafe { &*self.value.get() }.as_ref()).flatten()
    }

    /// Writes `value`; gives it back if there is one already.
    ///
    /// # Errors
    /// The value that was not written.
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.get_or_init(|| value.take().expect("called once"));
        value.map_or(Ok(()), Err)
    }

    /// The value; if there is none yet, what `f` makes, which others wait for.
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        // SAFETY: inside `call_once` this is the only access.
        self.once.call_once(|| unsafe { *self.value.get() = Some(f()) });
        self.get().expect("it is completed")
    }

    /// The value, which nobody else can see.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// The value, if it was written.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> OnceLock<T> {
        OnceLock::new()
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> OnceLock<T> {
        let lock = OnceLock::new();
        _ = lock.set(value);
        lock
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceLock").field(&self.get()).finish()
    }
}
