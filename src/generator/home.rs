//! Whose a suspended stack is: that of one thread, green or not.
//!
//! What lies on it may refer to that thread: to its thread-locals, to its place
//! in the runtime. The types already keep it on its OS thread, and with
//! thread-locals of their own on its green thread. What they cannot see is that
//! the green threads of one worker, which share its thread-locals, hand one to
//! another through a thread-local. So each is compared by number. Nor do they
//! see when a thread-local, or a green-local value, goes that somebody on that
//! stack is using, while the stack is kept in another: so nothing runs there once
//! they begin to go.

use crate::green::storage;
use crate::green::{current, id};
use crate::sys::thread_end;

/// One thread, among those that a stack can come to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Home(u64);

impl Home {
    /// Nobody's yet.
    pub(super) const NONE: Home = Home(u64::MAX);
    /// The calling thread, if its thread-locals or green-local values go.
    const ENDING: Home = Home(u64::MAX - 1);
    /// A thread whose thread-locals went when it was settled on: nobody is it.
    const PAST: Home = Home(u64::MAX - 2);

    /// The calling thread. All OS threads are one: what is one's comes to no other.
    #[inline]
    pub(super) fn here() -> Home {
        if thread_end::is_ending() {
            return Home::ENDING;
        }
        // Green threads are numbered from 1.
        match current::get() {
            None => Home(id::os()),
            Some(record) if storage::is_ending(record) => Home::ENDING,
            Some(record) => Home(record.id()),
        }
    }

    /// The calling thread, to which a stack is to belong from now on.
    pub(super) fn settle() -> Home {
        let home = Home::here();
        if home == Home::ENDING { Home::PAST } else { home }
    }

    /// Why nothing may run any more on a suspended stack that belongs to this
    /// one, if so.
    pub(super) fn forbids(self) -> Option<&'static str> {
        let here = Home::here();
        if self == here {
            None
        } else if here == Home::ENDING {
            Some("at the end of its thread")
        } else {
            Some("by another green thread than its own")
        }
    }
}
