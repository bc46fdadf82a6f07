//! The queues themselves: handles to what is shared.

use super::error::{GetError, PutError};
use super::order::Fifo;
use super::shared::Shared;
use super::waits::Room;
use crate::sync::select::{Arm, Chosen};
use crate::sync::waitable::{Spot, Waitable, Watch};
use crate::sys::clock;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

macro_rules! queue {
    ($(#[$doc:meta])* $Name:ident, $Buffer:ty $(, $Bound:ident)?) => {
        $(#[$doc])*
        pub struct $Name<T $(: $Bound)?>(Arc<Shared<T, $Buffer>>);

        impl<T $(: $Bound)?> $Name<T> {
            /// Empty, with room for any number of items.
            pub fn new() -> Self {
                $Name(Arc::new(Shared::new(None)))
            }

            /// Empty, with room for `n` items: never any if that is 0.
            pub fn bounded(n: usize) -> Self {
                $Name(Arc::new(Shared::new(Some(n))))
            }

            /// Waits for room, and puts `item` in.
            ///
            /// # Errors
            /// [`PutError::Shutdown`].
            pub fn put(&self, item: T) -> Result<(), PutError<T>> {
                self.0.put(item, None)
            }

            /// As `put`, at most for `timeout`.
            ///
            /// # Errors
            /// [`PutError::Timeout`], [`PutError::Shutdown`].
            pub fn put_timeout(&self, item: T, timeout: Duration) -> Result<(), PutError<T>> {
                self.0.put(item, Some(clock::after(timeout)))
            }

            /// As `put`, without waiting.
            ///
            /// # Errors
            /// [`PutError::Full`], [`PutError::Shutdown`].
            pub fn try_put(&self, item: T) -> Result<(), PutError<T>> {
                self.0.try_put(item)
            }

            /// Waits for an item, and takes it out.
            ///
            /// # Errors
            /// [`GetError::Shutdown`].
            pub fn get(&self) -> Result<T, GetError> {
                self.0.get(None)
            }

            /// As `get`, at most for `timeout`.
            ///
            /// # Errors
            /// [`GetError::Timeout`], [`GetError::Shutdown`].
            pub fn get_timeout(&self, timeout: Duration) -> Result<T, GetError> {
                self.0.get(Some(clock::after(timeout)))
            }

            /// As `get`, without waiting.
            ///
            /// # Errors
            /// [`GetError::Empty`], [`GetError::Shutdown`].
            pub fn try_get(&self) -> Result<T, GetError> {
                self.0.try_get()
            }

            /// Waits for an item, and shows what would be got next.
            ///
            /// # Errors
            /// [`GetError::Shutdown`].
            pub fn peek(&self) -> Result<T, GetError>
            where
                T: Clone,
            {
                self.0.peek(None)
            }

            /// As `peek`, at most for `timeout`.
            ///
            /// # Errors
            /// [`GetError::Timeout`], [`GetError::Shutdown`].
            ///
            /// ```
            /// use greenroom::queue::{GetError, Queue};
            /// use std::time::Duration;
            /// let queue = Queue::new();
            /// assert_eq!(queue.peek_timeout(Duration::ZERO), Err(GetError::Timeout));
            /// queue.put(1).unwrap();
            /// assert_eq!(queue.peek_timeout(Duration::ZERO), Ok(1));
            /// assert_eq!(queue.len(), 1);
            /// ```
            pub fn peek_timeout(&self, timeout: Duration) -> Result<T, GetError>
            where
                T: Clone,
            {
                self.0.peek(Some(clock::after(timeout)))
            }

            /// As `peek`, without waiting.
            ///
            /// # Errors
            /// [`GetError::Empty`], [`GetError::Shutdown`].
            pub fn try_peek(&self) -> Result<T, GetError>
            where
                T: Clone,
            {
                self.0.try_peek()
            }

            /// How many items are in it.
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Whether no item is in it.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether there is no room.
            pub fn is_full(&self) -> bool {
                self.0.is_full()
            }

            /// Says that the work on one item that was got is done.
            ///
            /// # Panics
            /// If it was called for every item that was put already.
            pub fn task_done(&self) {
                self.0.task_done()
            }

            /// Waits until `task_done` was called for every item that was put.
            pub fn join(&self) {
                self.0.join(None);
            }

            /// As `join`, at most for `timeout`; whether all is done.
            pub fn join_timeout(&self, timeout: Duration) -> bool {
                self.0.join(Some(clock::after(timeout)))
            }

            /// Nothing is put any more, and those who wait to put give up. What
            /// is in it can still be got, unless `immediate` drops it.
            pub fn shutdown(&self, immediate: bool) {
                self.0.shutdown(immediate)
            }

            #[doc(hidden)]
            pub fn __getting(&self) -> Arm<'_> {
                self.0.getting()
            }

            #[doc(hidden)]
            pub fn __got(&self, chosen: Chosen) -> Result<T, GetError> {
                self.0.got(chosen)
            }

            #[doc(hidden)]
            pub fn __putting(&self) -> Arm<'_> {
                self.0.putting()
            }

            #[doc(hidden)]
            pub fn __room(&self, chosen: Chosen) -> Room<'_> {
                self.0.room(chosen)
            }

            #[doc(hidden)]
            pub fn __put_in(&self, room: Room<'_>, item: T) -> Result<(), PutError<T>> {
                self.0.put_in(room, item)
            }
        }

        impl<T $(: $Bound)?> Watch for $Name<T> {
            fn is_ready(&self) -> bool {
                self.0.is_ready()
            }
            fn watch(&self, spot: &Spot) -> bool {
                self.0.watch(spot)
            }
            fn unwatch(&self, spot: &Spot) {
                self.0.unwatch(spot);
            }
        }

        /// Ready when there is an item, or it was shut down; waiting takes none.
        impl<T $(: $Bound)?> Waitable for $Name<T> {}

        impl<T $(: $Bound)?> Clone for $Name<T> {
            fn clone(&self) -> Self {
                $Name(self.0.clone())
            }
        }

        impl<T $(: $Bound)?> Default for $Name<T> {
            fn default() -> Self {
                $Name::new()
            }
        }

        impl<T $(: $Bound)?> fmt::Debug for $Name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Name)).field("len", &self.len()).finish_non_exhaustive()
            }
        }

        impl<T $(: $Bound)?> IntoIterator for $Name<T> {
            type Item = T;
            type IntoIter = IntoIter<$Name<T>>;
            fn into_iter(self) -> Self::IntoIter {
                IntoIter(self)
            }
        }

        impl<T $(: $Bound)?> Iterator for IntoIter<$Name<T>> {
            type Item = T;
            #[inline]
            fn next(&mut self) -> Option<T> {
                self.0.get().ok()
            }
        }
    };
}

/// Waits for each item; ends when the queue was shut down and is empty.
#[derive(Debug)]
pub struct IntoIter<Q>(Q);

queue!(
    /// First in, first out.
    ///
    /// ```
    /// let queue = greenroom::queue::Queue::bounded(2);
    /// let theirs = queue.clone();
    /// greenroom::spawn(move || {
    ///     (0..5).for_each(|n| theirs.put(n).unwrap());
    ///     theirs.shutdown(false);
    /// });
    /// assert_eq!(queue.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    /// ```
    Queue, Fifo<T>
);

queue!(
    /// Last in, first out.
    ///
    /// ```
    /// let stack = greenroom::queue::LifoQueue::new();
    /// stack.put(1).unwrap();
    /// stack.put(2).unwrap();
    /// assert_eq!(stack.get(), Ok(2));
    /// ```
    LifoQueue, Vec<T>
);

queue!(
    /// Smallest first.
    ///
    /// ```
    /// let queue = greenroom::queue::PriorityQueue::new();
    /// [3, 1, 2].into_iter().for_each(|n| queue.put(n).unwrap());
    /// assert_eq!(queue.peek(), Ok(1));
    /// assert_eq!(queue.get(), Ok(1));
    /// ```
    PriorityQueue, BinaryHeap<Reverse<T>>, Ord
);
