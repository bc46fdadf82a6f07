//! Members of a group that were made elsewhere.
//!
//! | such a member | by | under the list's lock |
//! |---|---|---|
//! | out → in, without what tells its end | whoever adds it | yes |
//! | in → in, with that | likewise, once `links` has the hook | yes; if it is out by then, the hook is cancelled |
//! | in → out | its end, by the hook; `discard`; or whoever adds it and finds that it has ended | yes |
//!
//! The hook holds the group, which goes no earlier than what it waits for.

use super::failure::Failure;
use super::finish::join_state;
use super::member::Members;
use super::roll::Added;
use crate::green::ending::Ending;
use crate::green::handle::GreenThread;
use crate::green::links;
use std::sync::Arc;

impl Members {
    /// Lets in one that was made elsewhere, until it ends.
    pub(super) fn add(self: &Arc<Members>, thread: &GreenThread) {
        let added = Added { thread: thread.clone(), called: None };
        // If it is in, the other handle is dropped without the lock.
        let refused = self.change(|list| match self.lists(list, &thread.0) {
            true => Some(added),
            false => {
                list.add(added);
                None
            }
        });
        if refused.is_some() {
            return;
        }
        let of = self.clone();
        let hook = move |thread: &GreenThread, how| of.added_ended(thread, how);
        let join = join_state(&thread.0);
        match links::call(&thread.0, Box::new(hook), || join.link()) {
            Ok(called) => {
                let called = self.change(|list| list.note_called(thread.id(), called));
                // It was discarded meanwhile, or has ended.
                drop(called.map(|called| called.cancel()));
            }
            Err(_) => drop(self.discard(thread)),
        }
    }

    fn added_ended(&self, thread: &GreenThread, how: Ending) {
        let failure = Failure::of_ending(&thread.0, how);
        let added = self.change(|list| {
            let added = list.remove(thread.id());
            if let (Some(failure), true) = (failure, added.is_some()) {
                list.failed.add(failure);
            }
            added
        });
        self.tell_if_nobody();
        drop(added);
    }

    /// Takes one out that goes on; whether it was in.
    pub(super) fn discard(&self, thread: &GreenThread) -> bool {
        let place = self.place_of(&thread.0);
        let (added, spawned) = self.change(|list| {
            // SAFETY: in no other list.
            let spawned = place.is_some_and(|place| unsafe { list.strike(place) });
            (list.remove(thread.id()), spawned)
        });
        self.tell_if_nobody();
        let was_in = added.is_some() || spawned;
        drop(added.and_then(|added| added.called?.cancel()));
        was_in
    }
}
