//! How a green thread leaves its stack to its worker.

use super::current;
use super::record::{Record, Suspend};
use crate::sys::errno::Errno;
use crate::sys::switch::switch;

/// See `spans.rs`.
///
/// # Safety
/// As `Record::suspend`.
#[cfg(not(feature = "tracing"))]
#[inline(always)]
pub(super) unsafe fn suspend(record: &Record, why: Suspend) {
    // SAFETY: the caller's promise.
    unsafe { record.suspend(why) };
}

impl Record {
    /// Switches to its worker until it runs again. `errno` is kept: the worker
    /// and the other green threads use the same one.
    ///
    /// # Safety
    /// Called on this very green thread.
    #[inline(always)]
    pub(crate) unsafe fn suspend(&self, why: Suspend) {
        self.own.frame.set(&raw const why);
        if self.own.block.get().is_some() {
            let hidden = current::hide();
            // SAFETY: the caller's promise.
            unsafe { self.switch(why) }; // its errno is its own
            hidden.show(self);
        } else {
            let errno = Errno::last();
            // SAFETY: as above.
            unsafe { self.switch(why) };
            errno.set();
        }
        self.own.budget.refill();
    }

    /// # Safety
    /// As `suspend`.
    #[inline(always)]
    unsafe fn switch(&self, why: Suspend) {
        // SAFETY: who resumed it waits for it; what unwinds ends on this stack.
        let (worker, _) = unsafe { switch(self.own.worker.get(), why.word()) };
        self.own.worker.set(worker);
    }
}
