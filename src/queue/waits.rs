//! Waiting for an item, and for room: the lines, as whoever waits, chooses or
//! watches sees them.

use super::order::Order;
use super::shared::Shared;
use crate::green::kill::uncancellable;
use crate::green::why::{Kind, Why};
use crate::sync::Outcome;
use crate::sync::line::Node;
use crate::sync::place::{self, Place, Source};
use crate::sync::select::{Arm, Chosen};
use crate::sync::waitable::{Spot, Watch};
use crate::sys::clock::Nanos;
use std::cell::Cell;
use std::ptr;

/// A promise that is given back unless it was used. Not to be dropped under the
/// lock.
pub(super) struct Held<'a>(pub(super) &'a (dyn Source + 'a));

impl std::fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

impl Held<'_> {
    #[inline]
    pub(super) fn used(self) {
        std::mem::forget(self);
    }
}

/// A place for what is not there yet; free again if it does not come.
#[derive(Debug)]
pub struct Room<'a> {
    pub(super) granted: bool,
    pub(super) room: Option<Held<'a>>,
}

/// Items: what getters wait for.
impl<T, B: Order<T>> Place for Shared<T, B> {
    fn why(&self) -> Why {
        Why::at(Kind::Item, self)
    }

    fn leave(&self, node: &Node) -> bool {
        // SAFETY: the caller's node is in this line.
        unsafe { self.lock().items.leave(node) }
    }

    fn pass_on(&self) {
        let told = self.lock().items.give();
        told.finish();
    }
}

impl<T, B: Order<T>> Source for Shared<T, B> {
    fn try_now(&self) -> Option<Outcome> {
        let mut core = self.lock();
        let refused = core.shut.then_some(Outcome::Refused);
        if core.items.take() { Some(Outcome::Granted) } else { refused }
    }

    fn may_come_back(&self) -> bool {
        self.lock().may_come_back()
    }

    /// # Safety
    /// As `Source` says.
    unsafe fn enter(&self, node: &Node) -> Option<Outcome> {
        let mut core = self.lock();
        if core.items.take() {
            return Some(Outcome::Granted);
        }
        if core.shut {
            return Some(Outcome::Refused);
        }
        // SAFETY: the caller's promise.
        unsafe { core.items.line.push(node) };
        None
    }
}

impl<T, B: Order<T>> Watch for Shared<T, B> {
    fn is_ready(&self) -> bool {
        let core = self.lock();
        core.items.free > 0 || core.shut
    }

    fn watch(&self, spot: &Spot) -> bool {
        let node = spot.node();
        let mut core = self.lock();
        let ready = core.items.free > 0 || core.shut;
        if !ready {
            // SAFETY: spots stay until they were taken out by `unwatch`.
            unsafe { core.items.line.push_watcher(node) };
        }
        !ready
    }

    fn unwatch(&self, spot: &Spot) {
        self.leave(spot.node());
    }
}

/// Room: what putters wait for. The same thing, seen from there.
#[repr(transparent)]
pub(super) struct Putters<T, B>(Shared<T, B>);

impl<T, B: Order<T>> Place for Putters<T, B> {
    fn why(&self) -> Why {
        Why::at(Kind::Room, &self.0)
    }

    fn leave(&self, node: &Node) -> bool {
        // SAFETY: the caller's node is in this line.
        unsafe { self.0.lock().room.leave(node) }
    }

    fn pass_on(&self) {
        let told = self.0.lock().give_room();
        told.finish();
    }
}

impl<T, B: Order<T>> Source for Putters<T, B> {
    fn try_now(&self) -> Option<Outcome> {
        let mut core = self.0.lock();
        let refused = core.shut.then_some(Outcome::Refused);
        if core.room.take() { Some(Outcome::Granted) } else { refused }
    }

    /// # Safety
    /// As `Source` says.
    unsafe fn enter(&self, node: &Node) -> Option<Outcome> {
        let mut core = self.0.lock();
        if core.room.take() {
            return Some(Outcome::Granted);
        }
        if core.shut {
            return Some(Outcome::Refused);
        }
        // SAFETY: the caller's promise.
        unsafe { core.room.line.push(node) };
        None
    }
}

/// One who waits for an item, and has a place for it.
pub(super) struct Getter<'a, T, B> {
    pub(super) of: &'a Shared<T, B>,
    pub(super) came: &'a Cell<Option<T>>,
    /// Its place among all who have ever waited for an item.
    pub(super) number: u64,
}

impl<T, B: Order<T>> Place for Getter<'_, T, B> {
    fn why(&self) -> Why {
        Why::at(Kind::Item, self.of)
    }

    fn leave(&self, node: &Node) -> bool {
        self.of.leave(node)
    }

    fn pass_on(&self) {
        match self.came.take() {
            Some(item) => uncancellable(|| self.of.put_back(item, self.number)),
            None => self.of.pass_on(),
        }
    }
}

impl<T, B: Order<T>> Shared<T, B> {
    pub(super) fn putters(&self) -> &Putters<T, B> {
        // SAFETY: transparent.
        unsafe { &*ptr::from_ref(self).cast::<Putters<T, B>>() }
    }

    /// Waits for the promise of something.
    pub(super) fn acquire(source: &impl Source, deadline: Option<Nanos>) -> Outcome {
        let node = place::node();
        // SAFETY: `wait` returns or unwinds when the node is out of line.
        match unsafe { source.enter(&node) } {
            Some(outcome) => outcome,
            None => place::wait(source, &node, deadline),
        }
    }

    pub(super) fn putting(&self) -> Arm<'_> {
        // Where there is always room, a put is due at once.
        if self.bound.is_some() { Arm::at(self.putters()) } else { Arm::by(0) }
    }

    pub(super) fn getting(&self) -> Arm<'_> {
        Arm::at(self)
    }

    /// What may be put, once there is room.
    pub(super) fn room(&self, chosen: Chosen) -> Room<'_> {
        let granted = chosen.0 == Outcome::Granted;
        let room = (granted && self.bound.is_some()).then(|| Held(self.putters()));
        Room { granted, room }
    }
}
