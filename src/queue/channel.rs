//! A queue without room: each item passes from hand to hand.
//!
//! A getter says that it wants one (`wanted`) and waits for its delivery
//! (`handed`); a putter takes such a wish and delivers. So there are as many
//! wishes and items under way as getters. One that gives up takes a wish back;
//! if none is left, a putter has taken its, and is about to deliver.

use super::error::{GetError, PutError};
use crate::green::kill::uncancellable;
use crate::green::park::give_way;
use crate::green::why::Kind;
use crate::sync::permits::{MOST, Permits};
use crate::sync::{Mutex, Outcome};
use crate::sys::clock::{self, Nanos};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

/// How long one that gives up waits for its item before it looks for a wish
/// again.
const SOON: Duration = Duration::from_millis(1);

/// A rendezvous: `put` returns when a getter takes the item, and `get` when a
/// putter brings one; both serve in the order in which the others came.
///
/// ```
/// let channel = greenroom::queue::Channel::new();
/// let theirs = channel.clone();
/// let producer = greenroom::spawn(move || {
///     (0..3).for_each(|n| theirs.put(n).unwrap());
///     theirs.shutdown(false);
/// });
/// assert_eq!(channel.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
/// producer.join().unwrap();
/// ```
pub struct Channel<T>(Arc<Shared<T>>);

struct Shared<T> {
    wanted: Permits,
    handed: Permits,
    /// Delivered, and not yet taken by those who wait for them.
    passing: Mutex<VecDeque<T>>,
    shut: AtomicBool,
}

impl<T> Channel<T> {
    /// With nobody at either end.
    pub fn new() -> Channel<T> {
        Channel(Arc::new(Shared {
            wanted: Permits::new(0, MOST).of(Kind::Room),
            handed: Permits::new(0, MOST).of(Kind::Item),
            passing: Mutex::new(VecDeque::new()),
            shut: AtomicBool::new(false),
        }))
    }

    /// Waits for a getter, and gives it `item`.
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

    /// As `put`, if a getter waits already.
    ///
    /// # Errors
    /// [`PutError::Full`], [`PutError::Shutdown`].
    pub fn try_put(&self, item: T) -> Result<(), PutError<T>> {
        if self.0.wanted.try_acquire() {
            self.0.deliver(item);
            return Ok(());
        }
        Err(if self.0.shut.load(SeqCst) { PutError::Shutdown(item) } else { PutError::Full(item) })
    }

    /// Waits for a putter, and takes its item.
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

    /// As `get`, if a putter waits already. It may take that one a moment to
    /// deliver, which is waited for.
    ///
    /// # Errors
    /// [`GetError::Empty`], [`GetError::Shutdown`].
    pub fn try_get(&self) -> Result<T, GetError> {
        match self.0.get(Some(0)) {
            Err(GetError::Timeout) => Err(GetError::Empty),
            other => other,
        }
    }

    /// Those who wait at either end give up, and nothing passes any more. There
    /// is nothing inside that `immediate` could drop: it is the queues' word.
    pub fn shutdown(&self, immediate: bool) {
        let _ = immediate;
        self.0.shut.store(true, SeqCst);
        self.0.wanted.close();
        self.0.handed.close();
    }
}

impl<T> Shared<T> {
    fn put(&self, item: T, deadline: Option<Nanos>) -> Result<(), PutError<T>> {
        match self.wanted.acquire(deadline) {
            Outcome::Granted => {
                self.deliver(item);
                Ok(())
            }
            Outcome::Refused => Err(PutError::Shutdown(item)),
            Outcome::TimedOut => Err(PutError::Timeout(item)),
        }
    }

    fn deliver(&self, item: T) {
        uncancellable(|| self.passing.lock()).push_back(item);
        self.handed.release();
    }

    fn get(&self, deadline: Option<Nanos>) -> Result<T, GetError> {
        if self.shut.load(SeqCst) {
            return Err(GetError::Shutdown);
        }
        self.wanted.release();
        let wish = Wish(self);
        let handed = self.handed.acquire(deadline);
        std::mem::forget(wish);
        let why = match handed {
            Outcome::Granted => return Ok(self.take()),
            Outcome::Refused => GetError::Shutdown,
            Outcome::TimedOut => GetError::Timeout,
        };
        self.withdraw().ok_or(why)
    }

    /// Takes a wish back; if a putter has it already, its item comes.
    fn withdraw(&self) -> Option<T> {
        while !self.wanted.try_acquire() {
            // One that came later may get that item; then its wish is left here.
            let soon = Some(clock::after(SOON));
            if uncancellable(|| self.handed.acquire(soon)) == Outcome::Granted {
                return Some(self.take());
            }
            give_way(); // closed, the permits let nobody wait
        }
        None
    }

    fn take(&self) -> T {
        let mut passing = uncancellable(|| self.passing.lock());
        passing.pop_front().expect("delivered before it was handed")
    }
}

/// Of one that waits. If its wait unwinds, what was delivered to it goes too.
struct Wish<'a, T>(&'a Shared<T>);

impl<T> Drop for Wish<'_, T> {
    fn drop(&mut self) {
        drop(self.0.withdraw());
    }
}

impl<T> Clone for Channel<T> {
    fn clone(&self) -> Channel<T> {
        Channel(self.0.clone())
    }
}

impl<T> Default for Channel<T> {
    fn default() -> Channel<T> {
        Channel::new()
    }
}

impl<T> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("shut", &self.0.shut).finish_non_exhaustive()
    }
}

/// Waits for each item; ends when the channel was shut down.
#[derive(Debug)]
pub struct ChannelIter<T>(Channel<T>);

impl<T> IntoIterator for Channel<T> {
    type Item = T;
    type IntoIter = ChannelIter<T>;
    fn into_iter(self) -> ChannelIter<T> {
        ChannelIter(self)
    }
}

impl<T> Iterator for ChannelIter<T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.0.get().ok()
    }
}
