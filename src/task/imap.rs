//! The lazy maps of a pool.

use super::ends::Ends;
use super::feed::{Fed, Feed};
use super::into::result;
use super::join::JoinHandle;
use crate::error::JoinError;
use std::collections::VecDeque;
use std::fmt;

/// What [`Pool::imap`](crate::Pool::imap) returns. Dropped early, it takes up no
/// more items; those that were begun go on.
pub struct IMap<I: Iterator, F, T> {
    feed: Feed<I, F>,
    begun: VecDeque<Begun<T>>,
}

enum Begun<T> {
    Spawned(JoinHandle<T>),
    Done(Result<T, JoinError>),
}

impl<I: Iterator, F, T> IMap<I, F, T> {
    pub(super) fn new(feed: Feed<I, F>) -> IMap<I, F, T> {
        IMap { feed, begun: VecDeque::new() }
    }
}

impl<I, F, T> Iterator for IMap<I, F, T>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = T;

    fn next(&mut self) -> Option<T> {
        while self.begun.len() < self.feed.ahead() {
            self.begun.push_back(match self.feed.take_up(self.begun.is_empty()) {
                Fed::Spawned(handle) => Begun::Spawned(handle),
                Fed::Here(result) => Begun::Done(result),
                Fed::Full | Fed::Over => break,
            });
        }
        // It stays there while this waits: a `timeout` may end that.
        if let Some(Begun::Spawned(handle)) = self.begun.front_mut() {
            handle.wait_for_end(None);
        }
        match self.begun.pop_front() {
            Some(Begun::Spawned(handle)) => Some(result(handle.join())),
            Some(Begun::Done(done)) => Some(result(done)),
            None => {
                self.feed.assert_complete();
                None
            }
        }
    }
}

/// What [`Pool::imap_unordered`](crate::Pool::imap_unordered) returns. Dropped
/// early, it takes up no more items; those that were begun go on.
pub struct IMapUnordered<I: Iterator, F, T> {
    feed: Feed<I, F>,
    begun: Ends<T>,
}

impl<I: Iterator, F, T> IMapUnordered<I, F, T> {
    pub(super) fn new(feed: Feed<I, F>) -> IMapUnordered<I, F, T> {
        IMapUnordered { feed, begun: Ends::with_capacity(0) }
    }
}

impl<I, F, T> Iterator for IMapUnordered<I, F, T>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = T;

    fn next(&mut self) -> Option<T> {
        while self.begun.left() < self.feed.ahead() {
            match self.feed.take_up(self.begun.left() == 0) {
                Fed::Spawned(handle) => self.begun.put(handle),
                Fed::Here(done) => return Some(result(done)),
                Fed::Full | Fed::Over => break,
            }
        }
        match self.begun.next_by(None) {
            Some((number, done)) => {
                self.begun.reuse(number);
                Some(result(done))
            }
            None => {
                self.feed.assert_complete();
                None
            }
        }
    }
}

impl<I: Iterator, F, T> fmt::Debug for IMap<I, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IMap").field("begun", &self.begun.len()).finish_non_exhaustive()
    }
}

impl<I: Iterator, F, T> fmt::Debug for IMapUnordered<I, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IMapUnordered").field("begun", &self.begun.left()).finish_non_exhaustive()
    }
}
