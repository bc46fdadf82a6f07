//! Running a record without a worker and a stack, for tests and Miri.

use super::{Home, Record};

impl Record {
    /// As `start` and the first resumption.
    ///
    /// # Safety
    /// As `start`.
    pub(crate) unsafe fn run_here(&self) {
        // SAFETY: by the caller's promise.
        unsafe { (self.body.run)(self.whole()) }
    }

    /// Sets where `unpark` queues it.
    pub(crate) fn live_at(&self, home: &'static dyn Home) {
        self.home.set(Some(home));
    }
}
