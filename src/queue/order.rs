//! In which order items leave.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A container of items.
pub(super) trait Order<T>: Default {
    /// Pushing and popping runs none of the users' code, if there is room.
    const IS_PLAIN: bool;
    /// One who waits may be given what is put itself: what is put first would be
    /// what he gets, even if he came for it later.
    const HANDS_OVER: bool;
    fn push(&mut self, item: T);
    /// Puts in what the `number`th in line was given, and did not want: before what
    /// was put later, if the order goes by that.
    fn push_back_in(&mut self, item: T, number: u64) {
        let _ = number;
        self.push(item);
    }
    fn pop(&mut self) -> Option<T>;
    fn peek(&self) -> Option<&T>;
    fn len(&self) -> usize;
    /// Whether a push need not allocate.
    fn has_room(&self) -> bool;
}

/// First in, first out.
pub(super) struct Fifo<T> {
    items: VecDeque<T>,
    /// The numbers of those who gave back the first items; the first's is last.
    returned: Vec<u64>,
}

impl<T> Default for Fifo<T> {
    fn default() -> Fifo<T> {
        Fifo { items: VecDeque::new(), returned: Vec::new() }
    }
}

impl<T> Order<T> for Fifo<T> {
    const IS_PLAIN: bool = true;
    const HANDS_OVER: bool = true;
    #[inline]
    fn push(&mut self, item: T) {
        self.items.push_back(item);
    }
    /// Items are handed over to those in line in the order in which these stand
    /// there, and only while there are no others: so all others came later.
    fn push_back_in(&mut self, item: T, number: u64) {
        let later = self.returned.partition_point(|other| *other > number);
        self.returned.reserve(1);
        self.items.insert(self.returned.len() - later, item);
        self.returned.insert(later, number);
    }
    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.returned.pop();
        self.items.pop_front()
    }
    fn peek(&self) -> Option<&T> {
        self.items.front()
    }
    #[inline]
    fn len(&self) -> usize {
        self.items.len()
    }
    #[inline]
    fn has_room(&self) -> bool {
        self.items.len() < self.items.capacity()
    }
}

/// Last in, first out.
impl<T> Order<T> for Vec<T> {
    const IS_PLAIN: bool = true;
    const HANDS_OVER: bool = false;
    #[inline]
    fn push(&mut self, item: T) {
        Vec::push(self, item);
    }
    #[inline]
    fn pop(&mut self) -> Option<T> {
        Vec::pop(self)
    }
    fn peek(&self) -> Option<&T> {
        self.last()
    }
    #[inline]
    fn len(&self) -> usize {
        Vec::len(self)
    }
    #[inline]
    fn has_room(&self) -> bool {
        Vec::len(self) < self.capacity()
    }
}

/// Smallest first.
impl<T: Ord> Order<T> for BinaryHeap<Reverse<T>> {
    const IS_PLAIN: bool = false;
    const HANDS_OVER: bool = false;
    fn push(&mut self, item: T) {
        BinaryHeap::push(self, Reverse(item));
    }
    fn pop(&mut self) -> Option<T> {
        BinaryHeap::pop(self).map(|item| item.0)
    }
    fn peek(&self) -> Option<&T> {
        BinaryHeap::peek(self).map(|item| &item.0)
    }
    fn len(&self) -> usize {
        BinaryHeap::len(self)
    }
    fn has_room(&self) -> bool {
        BinaryHeap::len(self) < self.capacity()
    }
}
