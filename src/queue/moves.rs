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
        if at.core.shut {
            return Err(PutError::Shutdown(item));
        }
        if self.bound.is_some() && !at.core.room.take() {
            return Err(PutError::Full(item));
        }
        self.store(at, item)
    }

    pub(super) fn put(&self, item: T, deadline: Option<Nanos>) -> Result<(), PutError<T>> {
        let mut at = self.enter();
        if at.core.shut {
            return Err(PutError::Shutdown(item));
        }
        if self.bound.is_some() && !at.core.room.take() {
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
        if at.core.shut {
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
        if !at.core.items.line.is_empty() {
            item = match Self::hand_over(&mut at.core, item) {
                Ok(told) => {
                    self.handed_over(at, told);
                    return Ok(());
                }
                Err(item) => item,
            };
        }
        if !B::IS_PLAIN || !at.core.buffer.has_room() {
            return self.store_away(at, item);
        }
        at.core.buffer.push(item);
        at.core.len += 1;
        at.core.unfinished += 1;
        let told = at.core.items.give();
        at.finish(told);
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
        at.core.unfinished += 1;
        let room = if self.bound.is_some() { at.core.give_room() } else { Told::Nothing };
        at.finish(told);
        room.finish();
    }

    #[cold]
    fn store_away(&self, at: Inside<'_, B>, item: T) -> Result<(), PutError<T>> {
        let held = self.bound.is_some().then(|| Held(self.putters()));
        let at = self.to_the_door(at);
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

    /// Returns what was handed over to one who did not want it any more.
    #[cold]
    pub(super) fn put_back(&self, item: T) {
        let mut at = self.enter();
        if at.core.emptied {
            let joined = at.core.done(1);
            drop(at);
            return self.wake_joiners(joined.unwrap_or(0));
        }
        let item = match Self::hand_over(&mut at.core, item) {
            Ok(told) => return at.finish(told),
            Err(item) => item,
        };
        let at = self.to_the_door(at);
        Away::take(self, at, For::Return).buffer.push_back_in(item);
    }

    pub(super) fn try_get(&self) -> Result<T, GetError> {
        loop {
            let mut at = self.enter();
            if at.core.items.take() {
                return self.take(at);
            }
            Self::nothing_left(at)?;
        }
    }

    pub(super) fn get(&self, deadline: Option<Nanos>) -> Result<T, GetError> {
        let mut me = None;
        loop {
            let mut at = self.enter();
            if at.core.items.take() {
                return self.take(at);
            }
            if at.core.shut {
                Self::nothing_left(at)?;
                continue;
            }
            let Some(who) = me.take().or_else(Waiting::green) else {
                // To say who an OS thread is may allocate.
                drop(at);
                me = Some(Waiting::current());
                continue;
            };
            if let Some(got) = self.wait_for_one(at, who, deadline) {
                return got;
            }
        }
    }

    /// `None`: refused.
    fn wait_for_one(
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
        unsafe { at.core.items.line.push(&node) };
        drop(at);
        let outcome = place::wait(&Getter { of: self, came: &came }, &node, deadline);
        match outcome {
            Outcome::Granted => Some(came.take().map_or_else(|| self.take_promised(), Ok)),
            Outcome::Refused => None,
            Outcome::TimedOut => Some(Err(GetError::Timeout)),
        }
    }

    /// For one who was promised nothing: why, unless one who looks is about to
    /// give a promise back.
    fn nothing_left(at: Inside<'_, B>) -> Result<(), GetError> {
        if at.core.lookers == 0 || at.core.len == 0 {
            return Err(if at.core.shut { GetError::Shutdown } else { GetError::Empty });
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
        let item = at.core.buffer.pop().ok_or(GetError::Shutdown)?;
        at.core.len -= 1;
        let told = if self.bound.is_some() { at.core.give_room() } else { Told::Nothing };
        at.finish(told);
        Ok(item)
    }

    fn take_away(&self, at: Inside<'_, B>) -> Result<T, GetError> {
        let held = Held(self);
        let at = self.to_the_door(at);
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
