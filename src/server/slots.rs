//! The list of the handlers that have begun. Nothing here allocates or drops:
//! it is used under a lock.

use crate::calls::call::Socket;
use crate::green::handle::GreenThread;
use std::mem;

/// Places, which are used again.
#[derive(Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// The first free slot + 1; 0: none.
    free: usize,
}

pub(super) enum Slot {
    /// The next free slot + 1; 0: none.
    Free(usize),
    Taken(Handler),
}

/// What it takes to end a handler.
pub(super) struct Handler {
    pub(super) thread: GreenThread,
    pub(super) socket: Option<Socket>,
    /// It waits in `stop`.
    pub(super) stops: bool,
    /// It has called `stop`.
    pub(super) has_stopped: bool,
}

impl Slots {
    /// How many places there are, free ones included.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Stands `handler` there, or gives it back if there is no room.
    pub(super) fn put(&mut self, handler: Handler) -> Result<usize, Handler> {
        if let Some(at) = self.free.checked_sub(1) {
            if let Slot::Free(next) = mem::replace(&mut self.slots[at], Slot::Taken(handler)) {
                self.free = next;
            }
            return Ok(at);
        }
        if self.slots.len() == self.slots.capacity() {
            return Err(handler);
        }
        self.slots.push(Slot::Taken(handler));
        Ok(self.slots.len() - 1)
    }

    /// Moves all into `bigger`, if it is, and gives back what is to be dropped.
    pub(super) fn enlarge(&mut self, mut bigger: Vec<Slot>) -> Vec<Slot> {
        if self.slots.capacity() < bigger.capacity() {
            bigger.append(&mut self.slots);
            mem::swap(&mut self.slots, &mut bigger);
        }
        bigger
    }

    /// What stands at `at` leaves it.
    pub(super) fn take(&mut self, at: usize) -> Slot {
        let next = mem::replace(&mut self.free, at + 1);
        mem::replace(&mut self.slots[at], Slot::Free(next))
    }

    /// The handler at `at`, if there is one.
    pub(super) fn get(&self, at: usize) -> Option<&Handler> {
        match self.slots.get(at) {
            Some(Slot::Taken(handler)) => Some(handler),
            _ => None,
        }
    }

    /// Marks the handler `me` as one that stops the server, if it is a handler
    /// and not marked yet.
    pub(super) fn mark(&mut self, me: &GreenThread) -> Option<usize> {
        let is_me = |slot: &Slot| matches!(slot, Slot::Taken(h) if h.thread == *me && !h.stops);
        let at = self.slots.iter().position(is_me)?;
        self.set_stops(at, true);
        Some(at)
    }

    pub(super) fn set_stops(&mut self, at: usize, stops: bool) {
        if let Some(Slot::Taken(handler)) = self.slots.get_mut(at) {
            handler.stops = stops;
            handler.has_stopped = true;
        }
    }
}
