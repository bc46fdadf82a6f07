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
    /// Puts in what was got, so that it is got next, if the order allows.
    fn push_back_in(&mut self, item: T) {
        self.push(item);
    }
    fn pop(&mut self) -> Option<T>;
    fn peek(&self) -> Option<&T>;
    fn len(&self) -> usize;
    /// Whether a push need not allocate.
    fn has_room(&self) -> bool;
}

/// First in, first out.
impl<T> Order<T> for VecDeque<T> {
    const IS_PLAIN: bool = true;
    const HANDS_OVER: bool = true;
    #[inline]
    fn push(&mut self, item: T) {
        self.push_back(item);
    }
    fn push_back_in(&mut self, item: T) {
        self.push_front(item);
    }
    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.pop_front()
    }
    fn peek(&self) -> Option<&T> {
        self.front()
    }
    #[inline]
    fn len(&self) -> usize {
        VecDeque::len(self)
    }
    #[inline]
    fn has_room(&self) -> bool {
        VecDeque::len(self) < self.capacity()
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
