//! What a green thread and its handle share.

use super::join_state::{Finished, JoinState};
use crate::error::JoinError;
use crate::green::ending::Ending;
use crate::green::record::Record;
use crate::green::{links, park};
use std::cell::UnsafeCell;

/// What a handle reaches.
#[repr(C)]
pub(crate) struct Packet<T> {
    pub(super) record: Record,
    pub(crate) join: JoinState,
    /// Written before `JoinState::finish`, then owned as its table says.
    pub(crate) result: UnsafeCell<Option<Result<T, JoinError>>>,
}

/// What became of a result.
pub(super) struct Stored {
    /// Nobody was there to take it.
    pub(super) detached: bool,
    /// Something of the user's was called: a waker, what it was linked to, a destructor.
    pub(super) called: bool,
}

impl<T> Packet<T> {
    /// Leaves the result to who joins, and tells him; or, detached, to the caller, who is
    /// told of the end by `ended`.
    ///
    /// # Safety
    /// Once, by the finisher.
    #[inline(always)] // else the result is put together elsewhere and copied
    pub(super) unsafe fn store(
        &self,
        how: Ending,
        result: Option<Result<T, JoinError>>,
        ended: impl FnOnce(),
    ) -> Stored {
        // SAFETY: the result is the finisher's until `finish`.
        unsafe { *self.result.get() = result };
        let mut waker = None;
        // SAFETY: once, by the caller's promise.
        let (found, linked) =
            unsafe { self.join.finish(how, ended, |joiner| joiner.tell(&mut waker)) };
        let called = waker.is_some() || linked;
        let detached = match found {
            Finished::Nobody => false,
            Finished::Woke(joiner) => {
                joiner.finish();
                waker.into_iter().for_each(park::wake_task);
                false
            }
            Finished::Detached => true,
        };
        if linked {
            links::fire(&self.record, how);
        }
        Stored { detached, called }
    }
}
