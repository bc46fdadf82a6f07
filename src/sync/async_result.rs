//! A value that comes later.

use super::event::Event;
use super::once::OnceLock;
use super::select::Arm;
use super::waitable::{Spot, Waitable, Watch};
use std::fmt;
use std::time::Duration;

/// A value that one thread sets and others, green or not, wait for.
///
/// ```
/// let result = std::sync::Arc::new(greenroom::sync::AsyncResult::new());
/// let theirs = result.clone();
/// greenroom::spawn(move || theirs.set("done").unwrap());
/// assert_eq!(*result.wait(), "done");
/// ```
pub struct AsyncResult<T> {
    value: OnceLock<T>,
    there: Event,
}

impl<T> AsyncResult<T> {
    /// Without a value.
    pub const fn new() -> AsyncResult<T> {
        AsyncResult { value: OnceLock::new(), there: Event::new() }
    }

    /// Sets the value and wakes those who wait.
    ///
    /// # Errors
    /// Gives `value` back if there is one already.
    pub fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        self.there.set();
        Ok(())
    }

    /// Waits for the value.
    pub fn wait(&self) -> &T {
        self.there.wait();
        self.value.get().expect("set before the event")
    }

    /// As `wait`, at most for `timeout`.
    pub fn wait_timeout(&self, timeout: Duration) -> Option<&T> {
        self.there.wait_timeout(timeout);
        self.value.get()
    }

    /// The value, if it is there.
    pub fn try_get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Waits for the value, and copies it.
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        self.wait().clone()
    }

    /// Whether the value is there.
    pub fn is_ready(&self) -> bool {
        self.value.get().is_some()
    }

    #[doc(hidden)]
    pub fn __waiting(&self) -> Arm<'_> {
        self.there.__waiting()
    }

    #[doc(hidden)]
    pub fn __waited(&self) -> &T {
        self.wait()
    }

    /// The value, if it was set.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

impl<T> Watch for AsyncResult<T> {
    fn is_ready(&self) -> bool {
        self.there.is_ready()
    }
    fn watch(&self, spot: &Spot) -> bool {
        self.there.watch(spot)
    }
    fn unwatch(&self, spot: &Spot) {
        self.there.unwatch(spot);
    }
}

/// Ready when the value is there.
impl<T> Waitable for AsyncResult<T> {}

impl<T> Default for AsyncResult<T> {
    fn default() -> AsyncResult<T> {
        AsyncResult::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for AsyncResult<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncResult").field(&self.try_get()).finish()
    }
}
