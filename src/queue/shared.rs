//! What the handles of one queue share, and who may reach it.

use super::order::Order;
use super::state::Core;
use crate::green::current;
use crate::green::park::Waiting;
use crate::green::why::{Kind, Why};
use crate::sync::line::Node;
use crate::sync::place::{self, Place};
use crate::sync::{Mutex, MutexGuard, Outcome};
use crate::sys::clock::Nanos;
use crate::sys::favour::{Favour, Guard};
use std::marker::PhantomData;

/// The most that a bound counts to.
const MOST: usize = usize::MAX / 2;

pub(super) struct Shared<T, B> {
    pub(super) core: Favour<Core<B>>,
    /// Locked before `core`, never after, by who takes the buffer away.
    door: Mutex<()>,
    pub(super) bound: Option<usize>,
    /// Items are handed over, never shared: `T` need not be `Sync`.
    _items: PhantomData<fn() -> T>,
}

/// The lock.
pub(super) type Inside<'a, B> = Guard<'a, Core<B>>;

/// The door, and then the lock: the buffer may be taken away.
pub(super) struct ByTheDoor<'a, B> {
    pub(super) core: Inside<'a, B>,
    pub(super) door: MutexGuard<'a, ()>,
}

impl<T, B: Order<T>> Shared<T, B> {
    pub(super) fn new(bound: Option<usize>) -> Shared<T, B> {
        let room = bound.unwrap_or(MOST).min(MOST);
        Shared {
            core: Favour::new(Core::new(room)),
            door: Mutex::new(()),
            bound,
            _items: PhantomData,
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> Inside<'_, B> {
        // SAFETY: a worker's number stands for its OS thread, and nobody suspends, or
        // locks again, while inside.
        unsafe { self.core.lock(current::worker()) }
    }

    /// Locks, with the buffer at home, if it is used under the lock at all.
    #[inline]
    pub(super) fn enter(&self) -> Inside<'_, B> {
        let mut core = self.lock();
        while B::IS_PLAIN && core.away {
            core = self.wait_outside(core);
        }
        core
    }

    #[cold]
    fn wait_outside<'a>(&'a self, core: Inside<'a, B>) -> Inside<'a, B> {
        drop(core);
        drop(self.door.lock());
        self.lock()
    }

    /// Locks, so that the buffer may be taken away. Not by who is inside.
    pub(super) fn enter_by_the_door(&self) -> ByTheDoor<'_, B> {
        let door = self.door.lock();
        ByTheDoor { core: self.lock(), door }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len
    }

    pub(super) fn is_full(&self) -> bool {
        self.bound.is_some_and(|bound| self.len() >= bound)
    }

    pub(super) fn task_done(&self) {
        let joined = self.lock().done(1);
        let joined = joined.expect("task_done was called more often than items were put");
        self.wake_joiners(joined);
    }

    /// Wakes those who waited up to then for everything to be done.
    pub(super) fn wake_joiners(&self, newest: u64) {
        loop {
            // SAFETY: in line, so not told yet.
            let wake = |who: Waiting| unsafe { who.wake() };
            let told = self.lock().joiners.grant(newest, wake);
            match told {
                Some(told) => told.finish(),
                None => return,
            }
        }
    }

    /// Waits until all is done; whether it was by `deadline`.
    pub(super) fn join(&self, deadline: Option<Nanos>) -> bool {
        if self.lock().unfinished == 0 {
            return true;
        }
        let node = place::node();
        let mut core = self.lock();
        if core.unfinished == 0 {
            return true;
        }
        // SAFETY: `wait` returns or unwinds when the node is out of line.
        unsafe { core.joiners.push(&node) };
        drop(core);
        place::wait(&Joining(self), &node, deadline) == Outcome::Granted
    }

    pub(super) fn shutdown(&self, immediate: bool) {
        let mut dropped = B::default();
        let mut at = self.enter_by_the_door();
        at.core.shut = true;
        let mut joined = None;
        if immediate {
            std::mem::swap(&mut dropped, &mut at.core.buffer);
            // Those who hold promises already find nothing.
            joined = at.core.empty(dropped.len());
        }
        drop(at);
        self.refuse_all();
        if let Some(newest) = joined {
            self.wake_joiners(newest);
        }
        // The items are dropped here, without the lock.
    }

    fn refuse_all(&self) {
        loop {
            let mut core = self.lock();
            let told = core.items.refuse().or_else(|| core.room.refuse());
            drop(core);
            match told {
                Some(told) => told.finish(),
                None => return,
            }
        }
    }
}

/// The line of those who wait until all is done.
struct Joining<'a, T, B>(&'a Shared<T, B>);

impl<T, B: Order<T>> Place for Joining<'_, T, B> {
    fn why(&self) -> Why {
        Why::at(Kind::Condition, self.0)
    }

    fn leave(&self, node: &Node) -> bool {
        // SAFETY: `wait` was given a node that is in this line.
        unsafe { self.0.lock().joiners.leave(node) }
    }

    /// It takes nothing from the others.
    fn pass_on(&self) {}
}
