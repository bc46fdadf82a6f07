//! The semaphore.

use super::line::Outcome;
use super::permits::{MOST, Permits};
use super::select::{Arm, Chosen};
use super::waitable::{Spot, Waitable, Watch};
use crate::sys::clock;
use std::fmt;
use std::time::Duration;

/// A number of permits that threads, green or not, take and give back; first
/// come, first served.
///
/// ```
/// use greenroom::sync::Semaphore;
/// let two = Semaphore::bounded(2);
/// let first = two.access();
/// two.acquire();
/// assert!(!two.try_acquire());
/// drop(first);
/// assert!(two.release());
/// assert!(!two.release(), "never more than two");
/// ```
pub struct Semaphore {
    permits: Permits,
}

impl Semaphore {
    /// With `permits` free ones; there may be more later.
    ///
    /// # Panics
    /// If there are more than `usize::MAX / 4 - 1`.
    pub const fn new(permits: usize) -> Semaphore {
        Semaphore { permits: Permits::new(permits, MOST) }
    }

    /// With `permits` free ones, and never more.
    ///
    /// # Panics
    /// If there are more than `usize::MAX / 4 - 1`.
    pub const fn bounded(permits: usize) -> Semaphore {
        Semaphore { permits: Permits::new(permits, permits) }
    }

    /// Waits for a permit and takes it.
    #[inline]
    pub fn acquire(&self) {
        self.permits.acquire(None);
    }

    /// Takes a permit if one is free; whether it did.
    #[inline]
    pub fn try_acquire(&self) -> bool {
        self.permits.try_acquire()
    }

    /// As `acquire`, at most for `timeout`; whether it got one.
    pub fn acquire_timeout(&self, timeout: Duration) -> bool {
        self.permits.acquire(Some(clock::after(timeout))) == Outcome::Granted
    }

    /// Waits for a permit, which goes back when the guard is dropped.
    pub fn access(&self) -> SemaphoreGuard<'_> {
        self.acquire();
        SemaphoreGuard(self)
    }

    /// Gives a permit to the one that waits longest, or else makes it free.
    /// False if there were as many as there may be: nothing has changed then.
    #[inline]
    pub fn release(&self) -> bool {
        self.permits.release()
    }

    #[doc(hidden)]
    pub fn __accessing(&self) -> Arm<'_> {
        Arm::at(&self.permits)
    }

    #[doc(hidden)]
    pub fn __accessed(&self, _: Chosen) -> SemaphoreGuard<'_> {
        SemaphoreGuard(self)
    }

    /// How many permits are free.
    pub fn available(&self) -> usize {
        self.permits.free()
    }
}

impl Watch for Semaphore {
    fn is_ready(&self) -> bool {
        self.permits.is_ready()
    }
    fn watch(&self, spot: &Spot) -> bool {
        self.permits.watch(spot)
    }
    fn unwatch(&self, spot: &Spot) {
        self.permits.unwatch(spot);
    }
}

/// Ready when a permit is free; waiting takes none.
impl Waitable for Semaphore {}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available", &self.available()).finish()
    }
}

/// A permit of a [`Semaphore`], given back when dropped.
#[must_use = "the permit goes back at once if the guard is not kept"]
#[derive(Debug)]
pub struct SemaphoreGuard<'a>(&'a Semaphore);

impl Drop for SemaphoreGuard<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}
