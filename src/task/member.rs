//! The members of a group or a pool.
//!
//! One that is spawned into it carries its place in the list beside itself, so
//! membership allocates nothing. The list and all places are reached under the
//! list's lock:
//!
//! | member is | from | until |
//! |---|---|---|
//! | in the list | `enter`, before it is queued to run | its end, after its joiner was told; or `discard` |
//! | holding one of a pool's places | before `enter`, or, if it was queued, before its closure | its end, under the same lock as it leaves |
//!
//! So a pool never has more members that run than places, and who finds the
//! list empty finds all places free.
//!
//! A kill raises `epoch` as it collects its victims. A map enters its members
//! with the epoch in which it began: each is a victim, or is not let in.
//!
//! Who is `expected` was let in already, and is counted in the list until he enters:
//! so whoever closes the pool and then finds it empty knows that nobody comes.

use super::beside::Beside;
use super::failure::{Failure, GroupError};
use super::killing::wait_for_end;
use super::roll::{Place, Roll};
use crate::error::JoinError;
use crate::green::cancel;
use crate::green::current::{self, Inside};
use crate::green::handle::GreenThread;
use crate::green::park::Waiting;
use crate::green::record::Record;
use crate::green::why::{Kind, Why};
use crate::sync::Outcome;
use crate::sync::line::Node;
use crate::sync::permits::Permits;
use crate::sync::place;
use crate::sys::clock::Nanos;
use crate::sys::favour::{Favour, Guard};
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

/// What handles to one group share.
pub(super) struct Members {
    list: Favour<Roll>,
    /// A pool's; taken by its members.
    pub(super) places: Option<Permits>,
}

/// The place of one that was spawned into a group: lies beside it.
pub(super) struct Member {
    of: Arc<Members>,
    /// Used under the lock.
    place: Place,
    /// Has one of the pool's places. Its own, but for its creator before.
    holds: Cell<bool>,
}

// SAFETY: as its comments say.
unsafe impl Send for Member {}

impl Beside for Member {
    const IS_MEMBER: bool = true;

    #[cold]
    fn failed(&self, thread: &Record, why: &JoinError) {
        if let Some(failure) = Failure::of(thread, why) {
            self.of.change(|list| {
                if self.place.is_in() {
                    list.failed.add(failure);
                }
            });
        }
    }

    #[inline]
    fn ended(&self) {
        let mut list = self.of.list();
        // SAFETY: in no other list.
        unsafe { list.strike(&self.place) };
        if self.holds.get()
            && let Some(places) = &self.of.places
        {
            places.release();
        }
        self.of.tell_if_empty(list);
    }
}

impl Member {
    pub(super) fn new(of: Arc<Members>, holds: bool) -> Member {
        Member { of, place: Place::new(), holds: Cell::new(holds) }
    }

    /// Its place, if it was spawned into a group.
    fn of_record(record: &Record) -> Option<&Member> {
        let at = record.body.member_at?;
        // SAFETY: there lies one, for as long as the record.
        Some(unsafe { record.whole().byte_add(at).cast().as_ref() })
    }

    /// On a member that has no place yet: waits for one.
    pub(super) fn take_place() {
        let Some(me) = current::get().and_then(Member::of_record) else { return };
        if let Some(places) = &me.of.places {
            me.holds.set(places.acquire(None) == Outcome::Granted);
        }
    }
}

/// By what leave a member comes in.
#[derive(Clone, Copy)]
pub(super) enum Leave {
    /// Unless it is closed.
    Open,
    /// Unless it was killed after this: a map that has begun goes on.
    Epoch(u64),
    /// Anyhow: by `Members::expect`, once.
    Expected,
}

/// Why a member was not let in.
pub(super) enum Barred {
    /// The group is closed.
    Closed,
    /// It was killed since the map began.
    Killed,
}

impl Members {
    pub(super) fn new(places: Option<Permits>) -> Arc<Members> {
        Arc::new(Members { list: Favour::new(Roll::new()), places })
    }

    #[inline]
    fn list(&self) -> Guard<'_, Roll> {
        // SAFETY: a worker's number stands for its OS thread, and nobody suspends, or
        // locks again, while it is locked.
        unsafe { self.list.lock(current::worker()) }
    }

    /// Lets in a fresh one that was made with a place here.
    pub(super) fn enter(&self, thread: &Record, leave: Leave) -> Result<(), Barred> {
        let Some(member) = Member::of_record(thread) else { return Ok(()) };
        let mut list = self.list();
        match leave {
            Leave::Open if list.closed => return Err(Barred::Closed),
            Leave::Epoch(epoch) if epoch != list.epoch => return Err(Barred::Killed),
            Leave::Expected => list.expected -= 1,
            _ => {}
        }
        // SAFETY: it lies with its record, and is struck before that ends.
        unsafe { list.enter(&member.place, thread) };
        Ok(())
    }

    /// Whether the caller is one that was spawned into this.
    pub(super) fn has_current(&self) -> bool {
        let member = current::get().and_then(Member::of_record);
        member.is_some_and(|member| ptr::eq(&*member.of, self))
    }

    /// Lets in one that is yet to be made, and enters at once; false if it is closed.
    pub(super) fn expect(&self) -> bool {
        let mut list = self.list();
        let open = !list.closed;
        list.expected += usize::from(open);
        open
    }

    /// # Panics
    /// If the caller is in, so that waiting for all would never end.
    pub(super) fn assert_not_in(&self) {
        let is_in = current::get().is_some_and(|me| self.lists(&self.list(), me));
        assert!(!is_in, "a member cannot join its own group: it would wait for itself");
    }

    /// The place of `thread`, if it was spawned into this; used under the lock.
    pub(super) fn place_of<'a>(&self, thread: &'a Record) -> Option<&'a Place> {
        let member = Member::of_record(thread).filter(|member| ptr::eq(&*member.of, self));
        member.map(|member| &member.place)
    }

    pub(super) fn lists(&self, list: &Roll, thread: &Record) -> bool {
        list.has(thread.id()) || self.place_of(thread).is_some_and(Place::is_in)
    }

    pub(super) fn len(&self) -> usize {
        self.list().len()
    }

    pub(super) fn epoch(&self) -> u64 {
        self.list().epoch
    }

    pub(super) fn close(&self) {
        self.list().closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.list().closed
    }

    /// Waits until nobody is in; false once `deadline` has passed.
    pub(super) fn wait(&self, deadline: Option<Nanos>) -> bool {
        let node = Node::new(Waiting::current());
        {
            let mut list = self.list();
            if list.len() == 0 {
                return true;
            }
            // SAFETY: `wait` returns or unwinds when it is out of line.
            unsafe { list.joiners.push(&node) };
        }
        place::wait(self, &node, deadline) == Outcome::Granted
    }

    /// What failed since the last call.
    pub(super) fn failures(&self) -> Result<(), GroupError> {
        let failed = std::mem::replace(&mut self.list().failed, GroupError::none());
        if failed.count() == 0 { Ok(()) } else { Err(failed) }
    }

    /// Kills all who are in, and waits for their ends.
    pub(super) fn kill(&self) {
        let victims = self.victims();
        victims.iter().for_each(GreenThread::request_kill);
        let me = current::get();
        let others = victims.iter().filter(|one| !me.is_some_and(|me| ptr::eq(me, &*one.0)));
        others.for_each(wait_for_end);
        cancel::check();
    }

    fn victims(&self) -> Vec<GreenThread> {
        let mut victims = Vec::new();
        loop {
            {
                let mut list = self.list();
                if victims.capacity() >= list.len() {
                    list.epoch += 1;
                    list.collect(&mut victims);
                    return victims;
                }
            }
            // Without the lock.
            victims.reserve(self.len() + 8);
        }
    }

    /// For what may allocate or free under the lock: an allocator that came back to
    /// the patch might park there.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Roll) -> R) -> R {
        let _inside = Inside::enter();
        change(&mut self.list())
    }

    /// Tells those who join if nobody is in any more.
    pub(super) fn tell_if_nobody(&self) {
        self.tell_if_empty(self.list());
    }

    #[inline]
    fn tell_if_empty(&self, list: Guard<'_, Roll>) {
        if list.len() == 0 && !list.joiners.is_empty() {
            let newest = list.joiners.newest();
            drop(list);
            self.tell(newest);
        }
    }

    #[cold]
    fn tell(&self, newest: u64) {
        loop {
            // SAFETY: in line, so not told yet.
            let told = self.list().joiners.grant(newest, |who| unsafe { who.wake() });
            match told {
                Some(told) => told.finish(),
                None => return,
            }
        }
    }
}

impl place::Place for Members {
    fn why(&self) -> Why {
        Why::at(Kind::Group, self)
    }

    fn leave(&self, node: &Node) -> bool {
        // SAFETY: `wait` was given a node that is in this line.
        unsafe { self.list().joiners.leave(node) }
    }

    fn pass_on(&self) {} // all were told
}

#[cfg(all(test, not(loom)))]
#[path = "member_tests.rs"]
mod tests;
