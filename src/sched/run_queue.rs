//! What is runnable on one worker, in the order in which it became so.
//!
//! Started green threads stand in a plain queue, which only their worker uses. Fresh ones
//! stand in a deque that idle workers steal from (D. Chase and Y. Lev, "Dynamic
//! Circular Work-Stealing Deque", 2005, as crossbeam builds it), and leave a
//! mark in the plain queue, so that both together are first in, first out, but for
//! those that are let in before all others. A
//! mark whose fresh one was stolen is passed over.
//!
//! Of very many fresh ones only some have a mark, the others have to wait for one: to
//! start one takes long, and who has started would wait for all of them each time that it
//! gives way. There are as many marks as started ones, or more, so that these do not keep
//! new ones out either.

use crossbeam_deque::{Injector, Steal, Stealer, Worker as Deque};
use std::collections::VecDeque;

/// A place in the order.
enum Place<T> {
    Started(T),
    /// The oldest fresh one still there.
    Fresh,
}

/// What the queue hands out.
pub(crate) enum Next<T> {
    /// To be resumed.
    Started(T),
    /// To be given a stack first.
    Fresh(T),
}

/// So many fresh ones have a place in any case.
const PLACES: usize = 256;

/// The queue; only its worker touches it.
pub(crate) struct RunQueue<T> {
    order: VecDeque<Place<T>>,
    fresh: Deque<T>,
    /// `Place::Fresh` entries in `order`: at least as many as are in `fresh`, or as are
    /// `PLACES`.
    marks: usize,
}

impl<T> RunQueue<T> {
    pub(crate) fn new() -> RunQueue<T> {
        RunQueue { order: VecDeque::with_capacity(256), fresh: Deque::new_fifo(), marks: 0 }
    }

    /// The end that others steal from.
    pub(crate) fn stealer(&self) -> Stealer<T> {
        self.fresh.stealer()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many, stolen ones' marks included.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let without_place = if self.is_crowded() { self.without_place() } else { 0 };
        self.order.len() + without_place
    }

    /// Whether there may be fresh ones without a place.
    #[inline]
    fn is_crowded(&self) -> bool {
        self.marks >= PLACES
    }

    /// How many have a place.
    #[inline]
    pub(crate) fn placed(&self) -> usize {
        self.order.len()
    }

    /// How many fresh ones wait for a place.
    #[cold]
    fn without_place(&self) -> usize {
        self.fresh.len().saturating_sub(self.marks)
    }

    /// Whether `push_started` need not allocate.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.order.len() < self.order.capacity()
    }

    #[inline]
    pub(crate) fn push_started(&mut self, item: T) {
        self.order.push_back(Place::Started(item));
    }

    /// It comes before all others.
    pub(crate) fn push_first(&mut self, item: T) {
        self.order.push_front(Place::Started(item));
    }

    /// Only the first comes before it.
    pub(crate) fn push_second(&mut self, item: T) {
        let first = self.order.pop_front();
        self.order.push_front(Place::Started(item));
        first.into_iter().for_each(|first| self.order.push_front(first));
    }

    #[inline]
    pub(crate) fn push_fresh(&mut self, item: T) {
        self.fresh.push(item);
        if self.has_places() {
            self.mark();
        }
    }

    /// Whether another fresh one may have a place.
    #[inline]
    fn has_places(&self) -> bool {
        self.marks < PLACES || self.marks < self.order.len() - self.marks
    }

    #[inline]
    fn mark(&mut self) {
        self.marks += 1;
        self.order.push_back(Place::Fresh);
    }

    /// Gives up to `most` fresh ones a place, if they have none, and there is one.
    fn place(&mut self, most: usize) {
        for _ in 0..most.min(self.without_place()) {
            if !self.has_places() {
                return;
            }
            self.mark();
        }
    }

    /// Whether a fresh one comes first, or was stolen: to pop it may free memory.
    #[inline]
    pub(crate) fn begins_fresh(&self) -> bool {
        matches!(self.order.front(), Some(Place::Fresh))
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Next<T>> {
        loop {
            match self.order.pop_front()? {
                Place::Started(item) => return Some(Next::Started(item)),
                Place::Fresh => {
                    if let Some(item) = self.pop_fresh() {
                        return Some(Next::Fresh(item));
                    }
                }
            }
        }
    }

    /// Whose mark was popped; `None`: it was stolen.
    #[inline(never)] // or `pop` grows too large for its callers
    fn pop_fresh(&mut self) -> Option<T> {
        let crowded = self.is_crowded();
        self.marks -= 1;
        let item = self.fresh.pop();
        if crowded {
            // In its stead; and one more, if there have come to be more started ones.
            self.place(2);
        }
        item
    }

    /// The one that is `nth` in the order, if it was started.
    #[inline]
    pub(crate) fn peek(&self, nth: usize) -> Option<&T> {
        match self.order.get(nth) {
            Some(Place::Started(item)) => Some(item),
            _ => None,
        }
    }

    /// Takes a batch of what OS threads spawned; true if there was any.
    pub(crate) fn take_injected(&mut self, from: &Injector<T>) -> bool {
        let arrived = until_settled(from.is_empty(), || from.steal_batch(&self.fresh));
        if arrived {
            self.place(usize::MAX);
        }
        arrived
    }

    /// Steals some of another worker's fresh ones; true if there were any.
    pub(crate) fn steal(&mut self, from: &Stealer<T>) -> bool {
        let arrived = until_settled(from.is_empty(), || from.steal_batch(&self.fresh));
        if arrived {
            self.place(usize::MAX);
        }
        arrived
    }
}

/// Repeats a steal that lost a race; true if it took something.
fn until_settled(empty: bool, mut steal: impl FnMut() -> Steal<()>) -> bool {
    if empty {
        return false;
    }
    loop {
        match steal() {
            Steal::Success(()) => return true,
            Steal::Empty => return false,
            Steal::Retry => {}
        }
    }
}

#[cfg(all(test, not(loom)))]
#[path = "run_queue_tests.rs"]
mod tests;
