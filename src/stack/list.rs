//! A last-in first-out list of free slots that knows how many of them lay idle: those at the
//! bottom that were never reached since the period began. Passive: no kernel, no locks.

use std::collections::{TryReserveError, VecDeque};
use std::num::NonZeroUsize;

/// Free slots, the most recently used on top.
#[derive(Debug)]
pub(super) struct IdleList {
    /// A deque, so that taking from the bottom of a million does not move the rest.
    slots: VecDeque<NonZeroUsize>,
    /// The lowest length since the period began: so many at the bottom were not touched.
    low: usize,
}

impl IdleList {
    pub(super) const fn new() -> Self {
        Self { slots: VecDeque::new(), low: 0 }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The slot used last.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<NonZeroUsize> {
        let slot = self.slots.pop_back()?;
        self.low = self.low.min(self.slots.len());
        Some(slot)
    }

    /// Puts a slot on top, or says that the list has to grow first.
    #[inline]
    pub(super) fn push(&mut self, slot: NonZeroUsize) -> Result<(), Full> {
        if self.slots.len() == self.slots.capacity() {
            return Err(Full);
        }
        self.slots.push_back(slot);
        Ok(())
    }

    /// How many slots the list holds without growing.
    pub(super) fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// Makes room for at least `slots` slots in all.
    pub(super) fn reserve(&mut self, slots: usize) -> Result<(), TryReserveError> {
        self.slots.try_reserve(slots.saturating_sub(self.slots.len()))
    }

    /// Moves up to `count` slots from the top of this list to the top of `to`, as far as
    /// there is room, keeping their order. Returns how many.
    pub(super) fn move_top(&mut self, count: usize, to: &mut Self) -> usize {
        let count = count.min(self.len()).min(to.slots.capacity() - to.len());
        let from = self.len() - count;
        to.slots.extend(self.slots.drain(from..));
        self.low = self.low.min(from);
        count
    }

    /// Moves up to `into.len()` slots from the bottom, the longest unused, to `into`.
    /// Returns how many.
    pub(super) fn take_bottom(&mut self, into: &mut [NonZeroUsize]) -> usize {
        let count = into.len().min(self.len());
        for (place, slot) in into.iter_mut().zip(self.slots.drain(..count)) {
            *place = slot;
        }
        // What left was idle first.
        self.low = self.low.saturating_sub(count);
        count
    }

    /// How many slots, at the bottom, were not touched since the period began.
    pub(super) fn idle(&self) -> usize {
        self.low
    }

    /// From here on everything in the list counts as idle until it is reached.
    pub(super) fn begin_period(&mut self) {
        self.low = self.len();
    }
}

/// The list is as long as its memory.
#[derive(Debug)]
pub(super) struct Full;

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    fn list(slots: impl IntoIterator<Item = usize>) -> IdleList {
        let mut list = IdleList::new();
        list.reserve(64).unwrap();
        slots.into_iter().for_each(|number| list.push(slot(number)).unwrap());
        list
    }

    fn contents(list: &IdleList) -> Vec<usize> {
        list.slots.iter().map(|slot| slot.get()).collect()
    }

    #[test]
    fn last_in_is_first_out() {
        let mut list = list(1..=3);
        assert_eq!([list.pop(), list.pop(), list.pop()], [3, 2, 1].map(|n| Some(slot(n))));
        assert_eq!(list.pop(), None);
    }

    #[test]
    fn a_full_list_says_so_and_takes_more_when_it_has_grown() {
        let mut list = IdleList::new();
        assert!(list.push(slot(1)).is_err());
        list.reserve(1).unwrap();
        for number in 1..=list.capacity() {
            list.push(slot(number)).unwrap();
        }
        assert!(list.push(slot(99)).is_err());
        assert!(list.reserve(usize::MAX).is_err());
        assert_eq!(list.len(), list.capacity());
    }

    #[test]
    fn idle_is_what_was_never_reached() {
        let mut list = list(1..=10);
        assert_eq!(list.idle(), 0, "new ones were just used");
        list.begin_period();
        assert_eq!(list.idle(), 10);
        for number in (7..=10).rev() {
            assert_eq!(list.pop(), Some(slot(number)));
        }
        assert_eq!(list.idle(), 6);
        (0..4).for_each(|number| list.push(slot(20 + number)).unwrap());
        assert_eq!(list.idle(), 6, "given back is not idle");
        list.begin_period();
        assert_eq!(list.idle(), 10);
    }

    #[test]
    fn the_bottom_leaves_first_and_lowers_the_idle_count() {
        let mut list = list(1..=6);
        list.begin_period();
        list.pop();
        let mut taken = [slot(99); 4];
        assert_eq!(list.take_bottom(&mut taken), 4);
        assert_eq!(taken, [1, 2, 3, 4].map(slot));
        assert_eq!((contents(&list), list.idle()), (vec![5], 1));
        assert_eq!(list.take_bottom(&mut taken), 1);
        assert_eq!(list.take_bottom(&mut taken), 0);
        assert_eq!(list.idle(), 0);
    }

    #[test]
    fn the_top_moves_in_order_and_counts_as_touched() {
        let (mut from, mut to) = (list(1..=5), list([9]));
        from.begin_period();
        assert_eq!(from.move_top(2, &mut to), 2);
        assert_eq!((contents(&from), from.idle()), (vec![1, 2, 3], 3));
        assert_eq!(contents(&to), [9, 4, 5]);
        assert_eq!(from.move_top(7, &mut IdleList::new()), 0, "no room there");
        assert_eq!(from.move_top(7, &mut to), 3);
        assert_eq!((from.len(), from.idle()), (0, 0));
    }
}
