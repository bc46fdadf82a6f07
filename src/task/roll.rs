//! Who is in a group: the list under its lock.

use super::failure::GroupError;
use crate::green::handle::GreenThread;
use crate::green::links::Called;
use crate::green::record::{Record, RecordRef};
use crate::sync::line::Line;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

/// See the module's head.
pub(super) struct Roll {
    first: *const Place,
    last: *const Place,
    spawned: usize,
    /// How many were let in, and are yet to enter.
    pub(super) expected: usize,
    /// Those that were made elsewhere, by their ids.
    added: BTreeMap<u64, Added>,
    pub(super) failed: GroupError,
    pub(super) joiners: Line,
    /// How often it was killed.
    pub(super) epoch: u64,
    pub(super) closed: bool,
}

// SAFETY: places are reached under the lock around the list.
unsafe impl Send for Roll {}

/// One that was made elsewhere.
pub(super) struct Added {
    pub(super) thread: GreenThread,
    /// Tells when it has ended; absent while it is being added.
    pub(super) called: Option<Called>,
}

/// Where one that was spawned into a group stands; lies in its allocation.
pub(super) struct Place {
    /// Whose it is, while it is in the list.
    record: Cell<Option<NonNull<Record>>>,
    next: Cell<*const Place>,
    prev: Cell<*const Place>,
}

impl Place {
    pub(super) const fn new() -> Place {
        let (next, prev) = (Cell::new(ptr::null()), Cell::new(ptr::null()));
        Place { record: Cell::new(None), next, prev }
    }

    /// Whether it is in the list.
    pub(super) fn is_in(&self) -> bool {
        self.record.get().is_some()
    }
}

impl Roll {
    pub(super) const fn new() -> Roll {
        Roll {
            first: ptr::null(),
            last: ptr::null(),
            spawned: 0,
            expected: 0,
            added: BTreeMap::new(),
            failed: GroupError::none(),
            joiners: Line::new(),
            epoch: 0,
            closed: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.spawned + self.expected + self.added.len()
    }

    /// # Safety
    /// `place` is in no list, and `record` stays until it was struck.
    pub(super) unsafe fn enter(&mut self, place: &Place, record: &Record) {
        place.record.set(Some(record.whole()));
        let last = std::mem::replace(&mut self.last, place);
        place.prev.set(last);
        // SAFETY: those in the list stay until they were struck.
        match unsafe { last.as_ref() } {
            Some(last) => last.next.set(place),
            None => self.first = place,
        }
        self.spawned += 1;
    }

    /// Takes it out, if it is in; whether it was.
    ///
    /// # Safety
    /// `place` is in no other list.
    pub(super) unsafe fn strike(&mut self, place: &Place) -> bool {
        if place.record.take().is_none() {
            return false;
        }
        let (next, prev) = (place.next.replace(ptr::null()), place.prev.replace(ptr::null()));
        // SAFETY: those in the list stay until they were struck.
        match unsafe { prev.as_ref() } {
            Some(prev) => prev.next.set(next),
            None => self.first = next,
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            Some(next) => next.prev.set(prev),
            None => self.last = prev,
        }
        self.spawned -= 1;
        true
    }

    /// Appends all of them to `all`, which has room for them.
    pub(super) fn collect(&self, all: &mut Vec<GreenThread>) {
        let mut at = self.first;
        // SAFETY: those in the list stay until they were struck.
        while let Some(place) = unsafe { at.as_ref() } {
            if let Some(record) = place.record.get() {
                // SAFETY: in the list, so it is not over yet; not given up here.
                let borrowed = ManuallyDrop::new(unsafe { RecordRef::from_raw(record) });
                all.push(GreenThread((*borrowed).clone()));
            }
            at = place.next.get();
        }
        all.extend(self.added.values().map(|added| added.thread.clone()));
    }

    /// Whether one with this id was added.
    pub(super) fn has(&self, id: u64) -> bool {
        self.added.contains_key(&id)
    }

    /// Lets in one that is not.
    pub(super) fn add(&mut self, added: Added) {
        self.added.insert(added.thread.id(), added);
    }

    /// Remembers what tells the end of the one with this id; gives back what is not
    /// needed: if that is not in any more, or was added once more meanwhile.
    pub(super) fn note_called(&mut self, id: u64, called: Called) -> Option<Called> {
        match self.added.get_mut(&id) {
            Some(added) if added.called.is_none() => {
                added.called = Some(called);
                None
            }
            _ => Some(called),
        }
    }

    /// Takes out one that was added.
    pub(super) fn remove(&mut self, id: u64) -> Option<Added> {
        self.added.remove(&id)
    }
}
