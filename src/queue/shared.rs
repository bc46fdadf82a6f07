//! What the handles of one queue share.
//!
//! `items` counts what may be got and `room` what may be put, both first come,
//! first served; whoever holds a permit finds an item, or room, in `content`.
//! An item's permit is released while `content` is locked, so under that lock
//! there are as many items as permits, free and taken. `content` is a parking
//! mutex: the users' `Ord` runs under it. It is locked by no one who waits for a
//! permit.

use super::error::{GetError, PutError};
use super::order::Order;
use crate::green::park::give_way;
use crate::sync::permits::{MOST, Permits};
use crate::sync::select::{Arm, Chosen};
use crate::sync::{Condvar, Mutex, MutexGuard, Outcome};
use crate::sys::clock::Nanos;
use std::marker::PhantomData;

pub(super) struct Shared<T, B> {
    pub(super) items: Permits,
    room: Permits,
    pub(super) content: Mutex<Content<B>>,
    all_done: Condvar,
    bound: Option<usize>,
    /// Items are handed over, never shared: `T` need not be `Sync`.
    _items: PhantomData<fn() -> T>,
}

pub(super) struct Content<B> {
    pub(super) buffer: B,
    /// Put, and not reported done.
    unfinished: usize,
    /// See `look.rs`.
    pub(super) lookers: usize,
    pub(super) shut: bool,
}

/// A permit that goes back unless it was used.
pub(super) struct Held<'a>(pub(super) &'a Permits);

impl std::fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Held<'_> {
    pub(super) fn used(self) {
        std::mem::forget(self);
    }
}

impl<T, B: Order<T>> Shared<T, B> {
    pub(super) fn new(bound: Option<usize>) -> Shared<T, B> {
        let room = bound.unwrap_or(MOST).min(MOST);
        let content = Content { buffer: B::default(), unfinished: 0, lookers: 0, shut: false };
        Shared {
            items: Permits::new(0, MOST),
            room: Permits::new(room, room),
            content: Mutex::new(content),
            all_done: Condvar::new(),
            bound,
            _items: PhantomData,
        }
    }

    pub(super) fn items(&self) -> &Permits {
        &self.items
    }

    pub(super) fn try_put(&self, item: T) -> Result<(), PutError<T>> {
        if self.bound.is_some() && !self.room.try_acquire() {
            let shut = self.content.lock().shut;
            return Err(if shut { PutError::Shutdown(item) } else { PutError::Full(item) });
        }
        self.store(item)
    }

    pub(super) fn putting(&self) -> Arm<'_> {
        // Where there is always room, a put is due at once.
        if self.bound.is_some() { Arm::at(&self.room) } else { Arm::by(0) }
    }

    pub(super) fn getting(&self) -> Arm<'_> {
        Arm::at(&self.items)
    }

    pub(super) fn got(&self, chosen: Chosen) -> Result<T, GetError> {
        match chosen.0 {
            Outcome::Granted => self.take(),
            // One who looks may be about to give an item's permit back.
            Outcome::Refused | Outcome::TimedOut => self.get(None),
        }
    }

    /// What may be put, once there is room.
    pub(super) fn room(&self, chosen: Chosen) -> Room<'_> {
        let granted = chosen.0 == Outcome::Granted;
        let room = (granted && self.bound.is_some()).then(|| Held(&self.room));
        Room { granted, room }
    }

    pub(super) fn put_in(&self, room: Room<'_>, item: T) -> Result<(), PutError<T>> {
        if room.granted { self.store_in(item, room.room) } else { Err(PutError::Shutdown(item)) }
    }

    pub(super) fn put(&self, item: T, deadline: Option<Nanos>) -> Result<(), PutError<T>> {
        if self.bound.is_some() {
            match self.room.acquire(deadline) {
                Outcome::Granted => {}
                Outcome::Refused => return Err(PutError::Shutdown(item)),
                Outcome::TimedOut => return Err(PutError::Timeout(item)),
            }
        }
        self.store(item)
    }

    /// Puts, with a permit for the room.
    fn store(&self, item: T) -> Result<(), PutError<T>> {
        self.store_in(item, self.bound.is_some().then(|| Held(&self.room)))
    }

    fn store_in(&self, item: T, room: Option<Held<'_>>) -> Result<(), PutError<T>> {
        let mut content = self.content.lock();
        if content.shut {
            return Err(PutError::Shutdown(item));
        }
        let before = content.buffer.len();
        let (content, items) = (&mut content, &self.items);
        let pushing = Pushing { before, content, items, room, _items: PhantomData };
        pushing.content.buffer.push(item);
        Ok(())
    }

    pub(super) fn try_get(&self) -> Result<T, GetError> {
        loop {
            if self.items.try_acquire() {
                return self.take();
            }
            self.nothing_left()?;
        }
    }

    pub(super) fn get(&self, deadline: Option<Nanos>) -> Result<T, GetError> {
        loop {
            match self.items.acquire(deadline) {
                Outcome::Granted => return self.take(),
                Outcome::Refused => self.nothing_left()?,
                Outcome::TimedOut => return Err(GetError::Timeout),
            }
        }
    }

    /// For one who was given no permit: why, unless one who looks is about to
    /// give one back.
    fn nothing_left(&self) -> Result<(), GetError> {
        {
            let content = self.content.lock();
            if self.items.free() > 0 {
                return Ok(());
            }
            if content.lookers == 0 || content.buffer.len() == 0 {
                return Err(if content.shut { GetError::Shutdown } else { GetError::Empty });
            }
        }
        give_way();
        Ok(())
    }

    /// Gets, with a permit for an item; there is none left after an immediate
    /// shutdown.
    fn take(&self) -> Result<T, GetError> {
        let held = Held(&self.items);
        let mut content = self.content.lock();
        held.used();
        let before = content.buffer.len();
        let popping = Popping { before, of: self, content: &mut content };
        let item = popping.content.buffer.pop();
        std::mem::forget(popping);
        drop(content);
        let item = item.ok_or(GetError::Shutdown)?;
        self.give_room();
        Ok(item)
    }

    fn give_room(&self) {
        if self.bound.is_some() {
            self.room.release();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.content.lock().buffer.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bound.is_some_and(|bound| self.len() >= bound)
    }

    pub(super) fn task_done(&self) {
        let mut content = self.content.lock();
        let left = content.unfinished.checked_sub(1);
        content.unfinished = left.expect("task_done was called more often than items were put");
        if content.unfinished == 0 {
            self.all_done.notify_all();
        }
    }

    /// So many will not be reported done.
    fn done(&self, content: &mut Content<B>, items: usize) {
        content.unfinished = content.unfinished.saturating_sub(items);
        if content.unfinished == 0 {
            self.all_done.notify_all();
        }
    }

    fn busy(content: &mut Content<B>) -> bool {
        content.unfinished > 0
    }

    pub(super) fn join(&self) {
        drop(self.all_done.wait_while(self.content.lock(), Self::busy));
    }

    pub(super) fn join_timeout(&self, d: std::time::Duration) -> bool {
        let waited = self.all_done.wait_timeout_while(self.content.lock(), d, Self::busy);
        !waited.1.timed_out()
    }

    pub(super) fn shutdown(&self, immediate: bool) {
        let mut dropped = B::default();
        let mut content = self.content.lock();
        content.shut = true;
        if immediate {
            std::mem::swap(&mut dropped, &mut content.buffer);
            // Those whose permits are taken already find nothing.
            while self.items.try_acquire() {}
            self.done(&mut content, dropped.len());
        }
        self.items.close();
        self.room.close();
        // The items are dropped after this, without the lock.
        drop(content);
    }
}

/// A place for what is not there yet; free again if it does not come.
#[derive(Debug)]
pub struct Room<'a> {
    granted: bool,
    room: Option<Held<'a>>,
}

/// A push that may panic in the user's `Ord`: what is in the buffer then counts.
struct Pushing<'a, 'b, T, B: Order<T>> {
    before: usize,
    content: &'a mut MutexGuard<'b, Content<B>>,
    items: &'a Permits,
    room: Option<Held<'a>>,
    _items: PhantomData<fn() -> T>,
}

impl<T, B: Order<T>> Drop for Pushing<'_, '_, T, B> {
    fn drop(&mut self) {
        if self.content.buffer.len() > self.before {
            self.content.unfinished += 1;
            self.items.release();
            if let Some(room) = self.room.take() {
                room.used();
            }
        }
    }
}

/// A pop that may panic in the user's `Ord`: what it dropped then is gone, its
/// room is free, and nobody will report it done.
struct Popping<'a, 'b, T, B: Order<T>> {
    before: usize,
    of: &'a Shared<T, B>,
    content: &'a mut MutexGuard<'b, Content<B>>,
}

impl<T, B: Order<T>> Drop for Popping<'_, '_, T, B> {
    fn drop(&mut self) {
        if self.content.buffer.len() == self.before {
            self.of.items.release();
            return;
        }
        self.of.done(self.content, 1);
        self.of.give_room();
    }
}
