//! The line in which all who wait for a primitive stand.
//!
//! A node lies on its waiter's stack. Line and nodes are reached under the
//! primitive's lock, but for `outcome`:
//!
//! | outcome | means | left by |
//! |---|---|---|
//! | `WAITING` | in line | granter (by `TELLING` to `GRANTED` or `REFUSED`), or the waiter, who leaves the line |
//! | `TELLING` | out of line; its waiter is being woken | granter |
//! | `GRANTED` | out of line, and has what it waited for | nobody |
//! | `REFUSED` | out of line, and will not get it | nobody |
//! | `PASSED` | out of line: it has decided for something else that it waits for | nobody |
//!
//! All moves are made under the lock, so exactly one of them happens. The
//! store of the outcome is the granter's last touch of the node (Release), and
//! the waiter may go as soon as it sees it (Acquire), without the lock.
//!
//! So the waiter is notified before it has its outcome, and if it was about to
//! park, it may use up the notice before. By `TELLING`, which comes before the
//! notice, it knows, and asks for the lock instead of parking again.

use crate::green::park::Waiting;
use crate::sys::atomic::AtomicU32;
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::*;

const WAITING: u32 = 0;
const GRANTED: u32 = 1;
const REFUSED: u32 = 2;
const PASSED: u32 = 3;
const TELLING: u32 = 4;

/// One that stands in line.
pub(crate) trait Candidate {
    /// Whether it takes what it is offered.
    ///
    /// # Safety
    /// It is in line.
    unsafe fn claim(&self) -> bool {
        true
    }
}

impl Candidate for Waiting {
    /// # Safety
    /// As `Candidate` says.
    #[inline]
    unsafe fn claim(&self) -> bool {
        // SAFETY: in line, it was not told yet.
        unsafe { Waiting::claim(self) }
    }
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It has what it waited for.
    Granted,
    /// It will not get it: closed.
    Refused,
    /// It gave up at its deadline, and left no trace.
    TimedOut,
}

/// One waiter's place.
pub(crate) struct Node<W = Waiting> {
    who: Cell<Option<W>>,
    outcome: AtomicU32,
    number: Cell<u64>,
    /// Where what is granted may be left, of the type that its line's primitive
    /// knows; null: nowhere.
    place: Cell<*mut ()>,
    next: Cell<*const Node<W>>,
    prev: Cell<*const Node<W>>,
}

impl<W> Node<W> {
    pub(crate) fn new(who: W) -> Node<W> {
        Node {
            who: Cell::new(Some(who)),
            outcome: AtomicU32::new(WAITING),
            number: Cell::new(0),
            place: Cell::new(ptr::null_mut()),
            next: Cell::new(ptr::null()),
            prev: Cell::new(ptr::null()),
        }
    }

    /// What is granted may be left there, by who grants it.
    pub(crate) fn with_place(self, place: *mut ()) -> Node<W> {
        self.place.set(place);
        self
    }

    /// Who waits: for a place that is no line.
    pub(crate) fn take_who(&self) -> Option<W> {
        self.who.take()
    }

    /// Its place among all who have ever stood in its line; 0 before.
    pub(crate) fn number(&self) -> u64 {
        self.number.get()
    }

    /// `None`: still in line, or so it seems without the lock.
    #[inline]
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        match self.outcome.load(Acquire) {
            WAITING | TELLING => None,
            GRANTED => Some(Outcome::Granted),
            _ => Some(Outcome::Refused),
        }
    }

    /// After a notice: whether the outcome is yet to come, and will not be
    /// announced once more. It is there when the line's lock is free.
    #[inline]
    pub(crate) fn is_being_told(&self) -> bool {
        // The notice has been acquired.
        self.outcome.load(Relaxed) == TELLING
    }
}

/// Waiters in the order in which they came; beside them watchers, who only want
/// to know, and whose nodes have number 0.
pub(crate) struct Line<W = Waiting> {
    first: *const Node<W>,
    last: *const Node<W>,
    watchers: *const Node<W>,
    /// How many have ever stood here.
    count: u64,
}

// SAFETY: the nodes are reached under the lock around the line.
unsafe impl<W: Send> Send for Line<W> {}

impl<W> Line<W> {
    pub(crate) const fn new() -> Line<W> {
        Line { first: ptr::null(), last: ptr::null(), watchers: ptr::null(), count: 0 }
    }
}

impl<W: Candidate> Line<W> {
    /// Whether nobody waits; somebody may watch.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Whether somebody watches.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        !self.watchers.is_null()
    }

    /// # Safety
    /// As `push`.
    pub(crate) unsafe fn push_watcher(&mut self, node: &Node<W>) {
        node.next.set(self.watchers);
        // SAFETY: those who watch are alive.
        if let Some(next) = unsafe { self.watchers.as_ref() } {
            next.prev.set(node);
        }
        self.watchers = node;
    }

    /// Tells one that watches, and leaves it.
    pub(super) fn tell<R>(&mut self, wake: impl FnOnce(W) -> R) -> Option<R> {
        // SAFETY: those who watch are alive, and here.
        let node = unsafe { self.watchers.as_ref() }?;
        // SAFETY: here.
        unsafe { self.unlink(node) };
        Self::tell_one(node, GRANTED, wake)
    }

    /// The number of the one that came last; whoever comes later has a higher.
    pub(crate) fn newest(&self) -> u64 {
        self.count
    }

    /// What the first in line was made with.
    pub(crate) fn first(&self) -> Option<&W> {
        // SAFETY: those in line are alive, and `who` is only taken from them by
        // one who has the line mutably.
        unsafe { self.first.as_ref().and_then(|node| (*node.who.as_ptr()).as_ref()) }
    }

    /// Where what is granted to the first in line may be left.
    #[inline]
    pub(crate) fn first_place(&self) -> Option<NonNull<()>> {
        // SAFETY: those in line are alive.
        unsafe { self.first.as_ref() }.and_then(|node| NonNull::new(node.place.get()))
    }

    /// # Safety
    /// `node` was in no line, and stays where it is until it has an outcome or
    /// has left.
    #[inline]
    pub(crate) unsafe fn push(&mut self, node: &Node<W>) {
        self.count += 1;
        node.number.set(self.count);
        let last = std::mem::replace(&mut self.last, node);
        node.prev.set(last);
        // SAFETY: those in line are alive.
        match unsafe { last.as_ref() } {
            Some(last) => last.next.set(node),
            None => self.first = node,
        }
    }

    /// Takes `node` out, unless it has its outcome; whether it did.
    ///
    /// # Safety
    /// `node` was pushed to this line.
    pub(crate) unsafe fn leave(&mut self, node: &Node<W>) -> bool {
        let waits = node.outcome().is_none();
        if waits {
            // SAFETY: without an outcome it is in line.
            unsafe { self.unlink(node) };
        }
        waits
    }

    /// Grants the first, if its number is not above `newest`.
    #[inline]
    pub(crate) fn grant<R>(&mut self, newest: u64, wake: impl FnOnce(W) -> R) -> Option<R> {
        self.settle(newest, GRANTED, wake)
    }

    /// Refuses the first.
    pub(crate) fn refuse<R>(&mut self, wake: impl FnOnce(W) -> R) -> Option<R> {
        self.settle(u64::MAX, REFUSED, wake)
    }

    #[inline]
    fn settle<R>(&mut self, newest: u64, as_: u32, wake: impl FnOnce(W) -> R) -> Option<R> {
        loop {
            // SAFETY: those in line are alive.
            let node = unsafe { self.first.as_ref() }.filter(|n| n.number.get() <= newest)?;
            // SAFETY: it is in line, under whose lock this is; and `who` is only
            // taken by one who has the line mutably.
            let claims = unsafe { (*node.who.as_ptr()).as_ref().is_none_or(|who| who.claim()) };
            self.unlink_first(node);
            if claims {
                return Self::tell_one(node, as_, wake);
            }
            // The last touch: see above.
            node.outcome.store(PASSED, Release);
        }
    }

    /// The first leaves.
    #[inline]
    fn unlink_first(&mut self, node: &Node<W>) {
        let next = node.next.get();
        self.first = next;
        // SAFETY: those in line are alive.
        match unsafe { next.as_ref() } {
            Some(next) => next.prev.set(ptr::null()),
            None => self.last = ptr::null(),
        }
    }

    /// `node` is out of line.
    #[inline]
    fn tell_one<R>(node: &Node<W>, as_: u32, wake: impl FnOnce(W) -> R) -> Option<R> {
        // Released by the notice.
        node.outcome.store(TELLING, Relaxed);
        let told = node.who.take().map(wake);
        // The last touch: see above.
        node.outcome.store(as_, Release);
        told
    }

    /// # Safety
    /// `node` is in this line.
    unsafe fn unlink(&mut self, node: &Node<W>) {
        let (next, prev) = (node.next.get(), node.prev.get());
        // SAFETY: neighbours in line are alive.
        match unsafe { prev.as_ref() } {
            Some(prev) => prev.next.set(next),
            None if node.number.get() == 0 => self.watchers = next,
            None => self.first = next,
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            Some(next) => next.prev.set(prev),
            None if node.number.get() == 0 => {}
            None => self.last = prev,
        }
    }
}

#[cfg(all(test, loom))]
#[path = "line_loom.rs"]
mod loom_tests;
