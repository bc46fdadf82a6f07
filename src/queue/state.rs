//! The state of one queue, all of it under one lock.
//!
//! | count | means | grows | shrinks |
//! |---|---|---|---|
//! | `items.free` | items in the buffer that nobody has been promised | an item is put and nobody waits; a promise is given back | an item is promised |
//! | `room.free` | places that nobody has been promised | an item leaves and nobody waits for room; a promise is given back | a place is promised |
//!
//! Whoever holds a promise finds an item, or a place, in the buffer. What is given
//! back or comes goes to the first in line, so while somebody stands there nothing
//! is free. One in line who brings a place of his own is given the item itself, if
//! none lies in the buffer: then that never lies there, unless it comes back.
//!
//! The users' code (`Ord`, `Clone`) and the allocator do not run under the lock.
//! What needs them takes the buffer `away`, under a parking mutex, the `door`;
//! others who need the buffer meanwhile wait at that door.

use crate::green::park::{Told, Waiting};
use crate::sync::line::{Line, Node};

/// One of the two things that are waited for.
pub(super) struct Side {
    pub(super) free: usize,
    pub(super) line: Line,
}

impl Side {
    pub(super) fn new(free: usize) -> Side {
        Side { free, line: Line::new() }
    }

    /// One promise more; what is left to do once the lock is free.
    #[inline]
    pub(super) fn give(&mut self) -> Told {
        if let Some(told) = self.grant() {
            return told;
        }
        self.free += 1;
        if self.line.is_watched() {
            self.line.tell_watchers();
        }
        Told::Nothing
    }

    /// Promises it to the first in line.
    #[inline]
    pub(super) fn grant(&mut self) -> Option<Told> {
        if self.line.is_empty() {
            return None;
        }
        // SAFETY: in line, so not told yet.
        self.line.grant(u64::MAX, |who: Waiting| unsafe { who.wake() })
    }

    /// Takes a promise, if one is free.
    #[inline]
    pub(super) fn take(&mut self) -> bool {
        let any = self.free > 0;
        self.free -= usize::from(any);
        any
    }

    /// Refuses the first in line.
    pub(super) fn refuse(&mut self) -> Option<Told> {
        // SAFETY: in line, so not told yet.
        let told = self.line.refuse(|who: Waiting| unsafe { who.wake() });
        if told.is_none() {
            self.line.tell_watchers();
        }
        told
    }

    /// Takes `node` out, unless it has its outcome; whether it did.
    ///
    /// # Safety
    /// It was put into this line.
    pub(super) unsafe fn leave(&mut self, node: &Node) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.line.leave(node) }
    }
}

/// See the module's head.
pub(super) struct Core<B> {
    pub(super) buffer: B,
    /// The buffer is elsewhere. Changed by who holds the door.
    pub(super) away: bool,
    /// How many are in the buffer, or were when it was taken away.
    pub(super) len: usize,
    pub(super) items: Side,
    pub(super) room: Side,
    /// Items above the bound, which came back: so much room is not to be given.
    pub(super) above: usize,
    /// Put, and not reported done.
    pub(super) unfinished: usize,
    pub(super) joiners: Line,
    /// See `look.rs`.
    pub(super) lookers: usize,
    pub(super) shut: bool,
    /// Shut down, and nothing is to be got any more.
    pub(super) emptied: bool,
}

impl<B: Default> Core<B> {
    pub(super) fn new(room: usize) -> Core<B> {
        Core {
            buffer: B::default(),
            away: false,
            len: 0,
            items: Side::new(0),
            room: Side::new(room),
            above: 0,
            unfinished: 0,
            joiners: Line::new(),
            lookers: 0,
            shut: false,
            emptied: false,
        }
    }

    /// Whether one who looks may be about to give a promise back.
    pub(super) fn may_come_back(&self) -> bool {
        self.lookers > 0 && self.len > 0
    }

    /// An item has left its place.
    #[inline]
    pub(super) fn give_room(&mut self) -> Told {
        if self.above > 0 {
            self.above -= 1;
            return Told::Nothing;
        }
        self.room.give()
    }

    /// As `give_room`, if nobody is told of it; whether that is so.
    #[inline]
    pub(super) fn keeps_room(&mut self) -> bool {
        let nobody = self.above == 0 && self.room.line.is_empty();
        self.room.free += usize::from(nobody);
        nobody
    }

    /// An item came back, to a place that it had left already.
    pub(super) fn retake_room(&mut self) {
        if !self.room.take() {
            self.above += 1;
        }
    }
}

impl<B> Core<B> {
    /// So many were reported done, or never will be. `None`: not so many were
    /// put. Else those who waited for that, if it is the last: up to which number.
    pub(super) fn done(&mut self, items: usize) -> Option<u64> {
        self.unfinished = self.unfinished.checked_sub(items)?;
        // Numbers begin with 1.
        Some(if self.unfinished == 0 { self.joiners.newest() } else { 0 })
    }

    /// Nothing is to be got any more; so many items have left.
    pub(super) fn empty(&mut self, items: usize) -> Option<u64> {
        self.emptied = true;
        self.len = 0;
        self.items.free = 0;
        self.done(items.min(self.unfinished))
    }
}
