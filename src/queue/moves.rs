//! Putting and getting.

use super::away::{Away, For};
use super::error::{GetError, PutError};
use super::order::Order;
use super::shared::{Inside, Shared};
use super::state::Core;
use super::waits::{Getter, Held, Room};
use crate::green::park::{Told, Waiting, give_way};
use crate::sync::Outcome;
use crate::sync::line::Node;
use crate::sync::place;
use crate::sync::select::Chosen;
use crate::sys::clock::Nanos;
use std::cell::Cell;
use std::ptr;

impl<T, B: Order<T>> Shared<T, B> {
    pub(super) fn try_put(&self, item: T) -> Result<(), PutError<T>> {
        let mut at = self.enter();
        if at.shut {
            return Err(PutError::Shutdown(item));
        }
        if self.bound.is_some() && !at.room.take() {
            return Err(PutError::Full(item));
        }
        self.store(at, item)
    }

    pub(super) fn put(&self, item: T, deadline: Option<Nanos>) -> Result<(), PutError<T>> {
        let mut at = self.enter();
        if at.shut {
            return Err(PutError::Shutdown(item));
        }
        if self.bound.is_some() && !at.room.take() {
            drop(at);
            return self.put_later(item, deadline);
        }
        self.store(at, item)
    }

    #[cold]
    fn put_later(&self, item: T, deadline: Option<Nanos>) -> Result<(), PutError<T>> {
        match Self::acquire(self.putters(), deadline) {
            Outcome::Granted => self.put_promised(item, Some(Held(self.putters()))),
            Outcome::Refused => Err(PutError::Shutdown(item)),
            Outcome::TimedOut => Err(PutError::Timeout(item)),
        }
    }

    pub(super) fn put_in(&self, room: Room<'_>, item: T) -> Result<(), PutError<T>> {
        if room.granted {
            self.put_promised(item, room.room)
        } else {
            Err(PutError::Shutdown(item))
        }
    }

    /// Puts, where room was promised: `held`, if there is a bound.
    fn put_promised(&self, item: T, held: Option<Held<'_>>) -> Result<(), PutError<T>> {
        let at = self.enter();
        if at.shut {
            drop(at);
            return Err(PutError::Shutdown(item));
        }
        if let Some(held) = held {
            held.used();
        }
        self.store(at, item)
    }

    /// Puts, using a promise of room.
    #[inline]
    fn store(&self, mut at: Inside<'_, B>, mut item: T) -> Result<(), PutError<T>> {
        // What lies there is older, even if it was promised: that may come back.
        if at.len == 0 && !at.items.line.is_empty() {
            item = match Self::hand_over(&mut at, item) {
                Ok(told) => {
                    self.handed_over(at, told);
                    return Ok(());
                }
                Err(item) => item,
            };
        }
        if !B::IS_PLAIN || !at.buffer.has_room() {
            return self.store_away(at, item);
        }
        at.buffer.push(item);
        at.len += 1;
        at.unfinished += 1;
        let told = at.items.give();
        finish(at, told);
        Ok(())
    }

    /// Gives `item` to the first in line, if that has brought a place for it.
    #[inline]
    fn hand_over(core: &mut Core<B>, item: T) -> Result<Told, T> {
        let place = core.items.line.first_place().filter(|_| B::HANDS_OVER);
        let Some(place) = place else { return Err(item) };
        // SAFETY: of a `Getter` of this queue, which stays until it is told, and
        // looks there no sooner.
        unsafe { place.cast::<Cell<Option<T>>>().as_ref() }.set(Some(item));
        // It waits for nothing else, so it is there to be told.
        Ok(core.items.grant().unwrap_or(Told::Nothing))
    }

    /// What was put has left already, and its room is free again.
    #[inline]
    fn handed_over(&self, mut at: Inside<'_, B>, told: Told) {
        at.unfinished += 1;
        if self.bound.is_none() || at.keeps_room() {
            return finish(at, told);
        }
        let room = at.give_room();
        drop(at);
        told.finish();
        room.finish();
    }

    #[cold]
    fn store_away(&self, at: Inside<'_, B>, item: T) -> Result<(), PutError<T>> {
        drop(at);
        let held = self.bound.is_some().then(|| Held(self.putters()));
        let at = self.enter_by_the_door();
        if at.core.shut {
            drop(at);
            return Err(PutError::Shutdown(item));
        }
        if let Some(held) = held {
            held.used();
        }
        let mut away = Away::take(self, at, For::Put);
        away.buffer.push(item);
        Ok(())
    }

    /// Returns what was handed over to the `number`th in line, who does not want it
    /// any more.
    #[cold]
    pub(super) fn put_back(&self, item: T, number: u64) {
        let mut at = self.enter_by_the_door();
        if at.core.emptied {
            let joined = at.core.done(1);
            drop(at);
            return self.wake_joiners(joined.unwrap_or(0));
        }
        // To its place, also if somebody is in line: he may not want it either.
        Away::take(self, at, For::Return).buffer.push_back_in(item, number);
    }

    pub(super) fn try_get(&self) -> Result<T, GetError> {
        loop {
            let mut at = self.enter();
            if at.items.take() {
                return self.take(at);
            }
            Self::nothing_left(at)?;
        }
    }

    /// All that lies between a getter and the switch is inlined: see `wait_one`.
    #[inline(always)]
    pub(super) fn get(&self, deadline: Option<Nanos>) -> Result<T, GetError> {
        let mut at = self.enter();
        if at.items.take() { self.take(at) } else { self.wait_for_item(at, deadline) }
    }

    #[inline(always)]
    fn wait_for_item<'a>(
        &'a self,
        mut at: Inside<'a, B>,
        deadline: Option<Nanos>,
    ) -> Result<T, GetError> {
        let mut me = None;
        loop {
            if at.shut {
                Self::nothing_left(at)?;
            } else if let Some(who) = Waiting::green().or_else(|| me.take()) {
                if let Some(got) = self.stand_in_line(at, who, deadline) {
                    return got;
                }
            } else {
                // To say who an OS thread is may allocate.
                drop(at);
                me = Some(Waiting::current());
            }
            at = self.enter();
            if at.items.take() {
                return self.take(at);
            }
        }
    }

    /// `None`: refused.
    #[inline(always)]
    fn stand_in_line(
        &self,
        mut at: Inside<'_, B>,
        who: Waiting,
        deadline: Option<Nanos>,
    ) -> Option<Result<T, GetError>> {
        let came = Cell::new(None);
        let mut node = Node::new(who);
        if B::HANDS_OVER {
            node = node.with_place(ptr::from_ref(&came).cast_mut().cast());
        }
        // SAFETY: `wait` returns or unwinds when the node is out of line.
        unsafe { at.items.line.push(&node) };
        drop(at);
        let getter = Getter { of: self, came: &came, number: node.number() };
        let outcome = place::wait(&getter, &node, deadline);
        match outcome {
            Outcome::Granted => Some(came.take().map_or_else(|| self.take_promised(), Ok)),
            Outcome::Refused => None,
            Outcome::TimedOut => Some(Err(GetError::Timeout)),
        }
    }

    /// For one who was promised nothing: why, unless one who looks is about to
    /// give a promise back.
    #[cold]
    fn nothing_left(at: Inside<'_, B>) -> Result<(), GetError> {
        if !at.may_come_back() {
            return Err(if at.shut { GetError::Shutdown } else { GetError::Empty });
        }
        drop(at);
        give_way();
        Ok(())
    }

    pub(super) fn got(&self, chosen: Chosen) -> Result<T, GetError> {
        match chosen.0 {
            Outcome::Granted => self.take_promised(),
            // One who looks may be about to give a promise back.
            Outcome::Refused | Outcome::TimedOut => self.get(None),
        }
    }

    #[cold]
    fn take_promised(&self) -> Result<T, GetError> {
        let held = Held(self);
        let at = self.enter();
        held.used();
        self.take(at)
    }

    /// Gets, using a promise; after an immediate shutdown it is worth nothing.
    #[inline]
    fn take(&self, mut at: Inside<'_, B>) -> Result<T, GetError> {
        if !B::IS_PLAIN {
            return self.take_away(at);
        }
        let item = at.buffer.pop().ok_or(GetError::Shutdown)?;
        at.len -= 1;
        let told = if self.bound.is_some() { at.give_room() } else { Told::Nothing };
        finish(at, told);
        Ok(item)
    }

    fn take_away(&self, at: Inside<'_, B>) -> Result<T, GetError> {
        drop(at);
        let held = Held(self);
        let at = self.enter_by_the_door();
        held.used();
        if at.core.len == 0 {
            return Err(GetError::Shutdown);
        }
        let mut away = Away::take(self, at, For::Get);
        let item = away.buffer.pop();
        away.well = true;
        drop(away);
        item.ok_or(GetError::Shutdown)
    }
}

/// Unlocks, and wakes who was told.
#[inline]
fn finish<B>(at: Inside<'_, B>, told: Told) {
    drop(at);
    told.finish();
}
