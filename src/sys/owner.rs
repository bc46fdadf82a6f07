//! Data that one OS thread owns, reached through a shared reference.

use std::cell::UnsafeCell;

/// A cell whose value only its owning OS thread touches, in short accesses
/// that do not nest. Unlike `RefCell` it costs nothing in release builds.
pub(crate) struct OwnerCell<T> {
    value: UnsafeCell<T>,
    #[cfg(debug_assertions)]
    busy: std::cell::Cell<bool>,
}

impl<T> OwnerCell<T> {
    pub(crate) const fn new(value: T) -> OwnerCell<T> {
        OwnerCell {
            value: UnsafeCell::new(value),
            #[cfg(debug_assertions)]
            busy: std::cell::Cell::new(false),
        }
    }

    /// Runs `f` on the value.
    ///
    /// # Safety
    /// The calling OS thread owns the value, and `f` neither reaches this cell
    /// again nor suspends the green thread that it runs on.
    #[inline]
    pub(crate) unsafe fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        #[cfg(debug_assertions)]
        assert!(!self.busy.replace(true), "OwnerCell used while in use");
        // SAFETY: one thread, no nesting: the caller's promise.
        let r = f(unsafe { &mut *self.value.get() });
        #[cfg(debug_assertions)]
        self.busy.set(false);
        r
    }
}
