//! What is runnable on one worker, in the order in which it became so.
//!
//! Started green threads stand in a plain queue, which only their worker uses. Fresh ones
//! stand in a deque that idle workers steal from (D. Chase and Y. Lev, "Dynamic
//! Circular Work-Stealing Deque", 2005, as crossbeam builds it), and leave a
//! mark in the plain queue, so that both together are first in, first out, but for
//! those that are let in before all others. A
//! mark whose fresh one was stolen is passed over.

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

/// The queue; only its worker touches it.
pub(crate) struct RunQueue<T> {
    order: VecDeque<Place<T>>,
    fresh: Deque<T>,
    /// `Place::Fresh` entries in `order`: at least as many as are in `fresh`.
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
    pub(crate) fn len(&self) -> usize {
        self.order.len()
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
        self.marks += 1;
        self.order.push_back(Place::Fresh);
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
                    self.marks -= 1;
                    if let Some(item) = self.fresh.pop() {
                        return Some(Next::Fresh(item));
                    }
                }
            }
        }
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
        self.mark_arrivals();
        arrived
    }

    /// Steals some of another worker's fresh ones; true if there were any.
    pub(crate) fn steal(&mut self, from: &Stealer<T>) -> bool {
        let arrived = until_settled(from.is_empty(), || from.steal_batch(&self.fresh));
        self.mark_arrivals();
        arrived
    }

    /// Gives each newly arrived fresh one its place in the order.
    fn mark_arrivals(&mut self) {
        let new = self.fresh.len().saturating_sub(self.marks);
        for _ in 0..new {
            self.order.push_back(Place::Fresh);
        }
        self.marks += new;
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
mod tests {
    use super::*;

    fn pops(q: &mut RunQueue<u32>) -> Vec<(u32, bool)> {
        std::iter::from_fn(|| q.pop())
            .map(|next| match next {
                Next::Started(v) => (v, false),
                Next::Fresh(v) => (v, true),
            })
            .collect()
    }

    #[test]
    fn fresh_and_started_share_one_order() {
        let mut q = RunQueue::new();
        q.push_started(1);
        q.push_fresh(2);
        q.push_started(3);
        q.push_fresh(4);
        assert_eq!(q.len(), 4);
        assert_eq!(pops(&mut q), [(1, false), (2, true), (3, false), (4, true)]);
        assert!(q.is_empty());
    }

    #[test]
    fn the_first_and_the_second_come_before_all_others() {
        let mut q = RunQueue::new();
        q.push_second(1);
        q.push_fresh(2);
        q.push_first(3);
        q.push_second(4);
        assert_eq!(pops(&mut q), [(3, false), (4, false), (1, false), (2, true)]);
        q.push_fresh(5);
        q.push_second(6);
        assert_eq!(pops(&mut q), [(5, true), (6, false)]);
    }

    #[test]
    fn only_fresh_ones_are_stolen_and_their_marks_do_no_harm() {
        let (mut a, mut b) = (RunQueue::new(), RunQueue::new());
        a.push_started(0);
        for v in 1..=4 {
            a.push_fresh(v);
        }
        assert!(b.steal(&a.stealer()));
        let (mine, stolen) = (pops(&mut a), pops(&mut b));
        assert_eq!(mine[0], (0, false));
        assert!(!stolen.is_empty() && stolen.iter().all(|(_, fresh)| *fresh));
        let mut all: Vec<_> = mine.into_iter().chain(stolen).map(|(v, _)| v).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4]);
        assert!(!b.steal(&a.stealer()));
    }

    #[test]
    fn injected_ones_are_all_found() {
        let injector = Injector::new();
        (0..100).for_each(|v| injector.push(v));
        let mut q = RunQueue::new();
        let mut seen = Vec::new();
        while q.take_injected(&injector) {
            seen.extend(pops(&mut q).into_iter().map(|(v, _)| v));
        }
        assert!(seen.into_iter().eq(0..100));
    }
}
