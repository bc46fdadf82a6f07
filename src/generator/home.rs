//! Whose a suspended stack is: that of one thread, green or not.
//!
//! What lies on it may refer to that thread: to its thread-locals, to its place
//! in the runtime. The types already keep it on its OS thread, and with
//! thread-locals of their own on its green thread. What they cannot see is that
//! the green threads of one worker, which share its thread-locals, hand one to
//! another through a thread-local. So each is compared by number.

use crate::green::current;
use crate::green::record::Record;

/// One thread, among those that a stack can come to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Home(u64);

impl Home {
    /// Nobody's yet.
    pub(super) const NONE: Home = Home(u64::MAX);

    /// The calling thread. All OS threads are one: none comes to another.
    #[inline]
    pub(super) fn here() -> Home {
        // Green threads are numbered from 1.
        Home(current::get().map_or(0, Record::id))
    }
}
