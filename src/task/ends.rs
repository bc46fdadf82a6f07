//! Handles whose results are wanted as they come.
//!
//! Each waits in its own joining state, as `join` does, only that a slot stands
//! there for the caller.

use super::join::JoinHandle;
use crate::error::JoinError;
use crate::green::park::{Ready, Slot, Waiting};
use crate::sys::clock::Nanos;
use std::ptr::NonNull;
use std::rc::Rc;

/// See the module's head.
pub(super) struct Ends<T> {
    /// Those that have not been given out.
    handles: Vec<Option<JoinHandle<T>>>,
    // Told where they are, so they stay there; not in boxes, which would claim
    // to have them alone. Only those of handles that are here may be told.
    slots: Vec<Rc<Slot>>,
    ready: Rc<Ready>,
    /// Numbers that may be used again.
    free: Vec<usize>,
    left: usize,
}

// SAFETY: slots are told from anywhere, under their lock; the counts are never
// used.
unsafe impl<T> Send for Ends<T> {}

impl<T> Ends<T> {
    /// Without any; there is room for `n`.
    pub(super) fn with_capacity(n: usize) -> Ends<T> {
        let (handles, slots) = (Vec::with_capacity(n), Vec::with_capacity(n));
        Ends { handles, slots, ready: Rc::new(Ready::new()), free: Vec::new(), left: 0 }
    }

    /// How many are here.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Adds one, under the next number, or one that is free again.
    pub(super) fn put(&mut self, handle: JoinHandle<T>) {
        let number = self.free.pop().unwrap_or_else(|| {
            let number = self.slots.len();
            self.slots.push(Rc::new(Slot::new(&self.ready, number)));
            self.handles.push(None);
            number
        });
        let slot = &*self.slots[number];
        // SAFETY: this has the handle, and the slot stays until it has left.
        if !unsafe { handle.watch(Waiting::Slot(NonNull::from(slot))) } {
            slot.tell().finish();
        }
        self.handles[number] = Some(handle);
        self.left += 1;
    }

    /// Waits for the next end, at most until `deadline`; at once, if none is
    /// left.
    pub(super) fn next_by(
        &mut self,
        deadline: Option<Nanos>,
    ) -> Option<(usize, Result<T, JoinError>)> {
        if self.left == 0 {
            return None;
        }
        let number = match self.only_itself() {
            // It would wait for ever, as `join` would.
            Some(itself) => self.ready.wait(Some(0)).unwrap_or(itself),
            None => self.ready.wait(deadline)?,
        };
        let handle = self.handles[number].take()?;
        self.left -= 1;
        // SAFETY: `put` watched it.
        unsafe { handle.unwatch() };
        Some((number, handle.join()))
    }

    /// The number of the caller, if nothing else is left. It has come already, unless
    /// it was another thread that put it here.
    fn only_itself(&self) -> Option<usize> {
        let is_current =
            |it: &Option<JoinHandle<T>>| it.as_ref().is_some_and(JoinHandle::is_current);
        if self.left > 1 { None } else { self.handles.iter().position(is_current) }
    }

    /// The number of one that was given out may be used again.
    pub(super) fn reuse(&mut self, number: usize) {
        self.free.push(number);
    }

    /// All that are left, by their numbers.
    pub(super) fn take_all(&mut self) -> Vec<Option<JoinHandle<T>>> {
        self.leave();
        self.left = 0;
        std::mem::take(&mut self.handles)
    }

    /// Takes the slots out of the handles that are left.
    fn leave(&mut self) {
        for handle in self.handles.iter().flatten() {
            // SAFETY: `put` watched it; once, as the handles go after this.
            unsafe { handle.unwatch() };
        }
    }
}

impl<T> Drop for Ends<T> {
    fn drop(&mut self) {
        self.leave();
    }
}
