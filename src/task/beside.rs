//! What lies beside a green thread, and takes part in its end: nothing, or a
//! place in a group or a scope.

use crate::error::JoinError;
use crate::green::record::Record;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What takes part in a green thread's end.
pub(crate) trait Beside: Send + 'static {
    /// Whether `Body::member_at` is to lead to it.
    const IS_MEMBER: bool;
    /// It has no result, and this is why. Before anybody is told.
    fn failed(&self, thread: &Record, why: &JoinError);
    /// It has ended, though nobody was told yet, and whoever looks waits for
    /// this. Once.
    fn ended(&self) {}
    /// Why it has no result, for which nobody will ask.
    fn unclaimed(&self, why: JoinError) {
        drop_quietly(why);
    }
    /// Nothing is touched any more that closure or result may have borrowed.
    fn over(&self, _: &Record) {}
}

impl Beside for () {
    const IS_MEMBER: bool = false;
    #[inline]
    fn failed(&self, _: &Record, _: &JoinError) {}
}

/// A panic in the destructor of what nobody wants has nobody to go to; the
/// hook has reported it.
pub(super) fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // The payload's own destructor might panic once more.
        std::mem::forget(payload);
    }
}
