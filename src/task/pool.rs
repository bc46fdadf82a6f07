//! Pools: groups of a limited size.

use super::failure::GroupError;
use super::feed::{Fed, Feed};
use super::imap::{IMap, IMapUnordered};
use super::into::{Entry, result, spawn_into, try_spawn_into};
use super::join::JoinHandle;
use super::member::{Leave, Member, Members};
use crate::error::PoolFull;
use crate::sync::Outcome;
use crate::sync::permits::{MOST, Permits};
use crate::sync::waitable::first;
use crate::sys::clock::{self, Nanos};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// At most so many green threads at once. Clones are the same pool.
///
/// Each has one of the pool's places from when it is spawned until it has ended.
/// Who comes when none is free waits, first come, first served: a member that
/// spawns into its own pool might wait for itself, but [`apply`](Pool::apply)
/// and the maps do not. Dropping a pool does nothing to its members.
///
/// ```
/// let pool = greenroom::Pool::new(4);
/// let answer = pool.spawn(|| 6 * 7);
/// assert_eq!(pool.map(0..10, |n| n * n)[3], 9);
/// pool.join().unwrap();
/// assert_eq!((pool.free_count(), answer.join().unwrap()), (4, 42));
/// ```
#[derive(Clone)]
pub struct Pool(Arc<Members>);

impl Pool {
    /// Of at most `size` green threads.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn new(size: usize) -> Pool {
        assert!(size > 0, "a pool needs at least one place");
        let size = size.min(MOST);
        Pool(Members::new(Some(Permits::new(size, size))))
    }

    fn places(&self) -> &Permits {
        self.0.places.as_ref().expect("a pool has places")
    }

    /// As [`spawn`](crate::spawn), once there is a place. In a closed pool it
    /// never starts, and its joiner is told.
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let by = Location::caller();
        let holds = self.places().try_acquire()
            || !self.0.is_closed() && self.places().acquire(None) == Outcome::Granted;
        spawn_into(&self.0, Entry { holds, leave: Leave::Open, by }, f)
    }

    /// As `spawn`, if there is a place now.
    ///
    /// # Errors
    /// There is none, or the pool is closed: `f` comes back in the error.
    #[track_caller]
    pub fn try_spawn<F, T>(&self, f: F) -> Result<JoinHandle<T>, PoolFull<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if self.0.is_closed() || !self.places().try_acquire() {
            return Err(PoolFull(f));
        }
        try_spawn_into(&self.0, Location::caller(), f).map_err(PoolFull)
    }

    /// Runs `f` in the pool, and waits for its result; in a member of this pool,
    /// runs it there.
    ///
    /// # Panics
    /// If `f` panics, with its payload; if it is killed, or the pool closed.
    ///
    /// ```
    /// let pool = greenroom::Pool::new(1);
    /// let inner = pool.clone();
    /// assert_eq!(pool.apply(move || inner.apply(|| 7)), 7);
    /// ```
    #[track_caller]
    pub fn apply<F, T>(&self, f: F) -> T
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if self.0.has_current() { f() } else { result(self.spawn(f).join()) }
    }

    /// Runs `f` in the pool, and then, in the same green thread, `callback` with
    /// its result. Does not wait: without a place it stands in line by itself,
    /// and is a member meanwhile.
    ///
    /// ```
    /// let pool = greenroom::Pool::new(1);
    /// let (tell, told) = std::sync::mpsc::channel();
    /// for n in 0..3 {
    ///     let tell = tell.clone();
    ///     pool.apply_async(move || n * n, move |square| tell.send(square).unwrap());
    /// }
    /// pool.close();
    /// pool.join().unwrap();
    /// assert_eq!(told.try_iter().sum::<i32>(), 5);
    /// ```
    #[track_caller]
    pub fn apply_async<F, T, C>(&self, f: F, callback: C) -> JoinHandle<()>
    where
        F: FnOnce() -> T + Send + 'static,
        C: FnOnce(T) + Send + 'static,
    {
        let by = Location::caller();
        let holds = self.places().try_acquire();
        let job = move || {
            if !holds {
                Member::take_place();
            }
            callback(f());
        };
        spawn_into(&self.0, Entry { holds, leave: Leave::Open, by }, job)
    }

    /// Runs `f` on each item, as many at once as there are places, and waits for
    /// all; the results are in the order of the items. In a member of this pool,
    /// items for which there is no place are done there.
    ///
    /// # Panics
    /// If `f` panics, with the payload of the first in order, once all others
    /// have ended; if the pool is killed meanwhile, or closed.
    #[track_caller]
    pub fn map<I, F, T>(&self, items: I, f: F) -> Vec<T>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        let mut feed = Feed::new(&self.0, items.into_iter(), f, Location::caller());
        let mut begun = Vec::new();
        loop {
            match feed.take_up(true) {
                Fed::Spawned(handle) => begun.push(Ok(handle)),
                Fed::Here(done) => begun.push(Err(done)),
                Fed::Full => unreachable!("it waits for a place"),
                Fed::Over => break,
            }
        }
        let ended = begun.into_iter().map(|one| one.map_or_else(|done| done, JoinHandle::join));
        let ended: Vec<_> = ended.collect();
        let results = ended.into_iter().map(result).collect();
        feed.assert_complete();
        results
    }

    /// As `map`, but lazily: gives one result after the other, in the order of
    /// the items. It begins with items only when it is asked for a result, and
    /// then with as many as there are free places; so it holds at most as many
    /// results as the pool has places.
    ///
    /// # Panics
    /// When asked for a result: if `f` panicked, with its payload, after which
    /// it goes on with the next; if the pool was killed meanwhile. At once, if
    /// it is closed.
    ///
    /// ```
    /// let pool = greenroom::Pool::new(2);
    /// let squares = pool.imap(0.., |n: u64| n * n);
    /// assert_eq!(squares.take(4).collect::<Vec<_>>(), [0, 1, 4, 9]);
    /// ```
    #[track_caller]
    pub fn imap<I, F, T>(&self, items: I, f: F) -> IMap<I::IntoIter, F, T>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        IMap::new(Feed::new(&self.0, items.into_iter(), f, Location::caller()))
    }

    /// As `imap`, but gives the results in the order in which they come.
    ///
    /// # Panics
    /// As `imap`.
    ///
    /// ```
    /// let pool = greenroom::Pool::new(8);
    /// let mut squares: Vec<_> = pool.imap_unordered(0..5, |n| n * n).collect();
    /// squares.sort();
    /// assert_eq!(squares, [0, 1, 4, 9, 16]);
    /// ```
    #[track_caller]
    pub fn imap_unordered<I, F, T>(&self, items: I, f: F) -> IMapUnordered<I::IntoIter, F, T>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        IMapUnordered::new(Feed::new(&self.0, items.into_iter(), f, Location::caller()))
    }

    /// Waits until all members have ended, also those that come meanwhile.
    ///
    /// # Errors
    /// Members panicked, or could not start, since the last call, whether or not
    /// somebody joined them. Those that were killed do not count as failed.
    ///
    /// # Panics
    /// If the caller is a member: it would wait for itself.
    ///
    /// ```
    /// let pool = greenroom::Pool::new(2);
    /// (0..5).for_each(|n| drop(pool.spawn(move || assert!(n % 2 == 0, "{n} is odd"))));
    /// assert_eq!(pool.join().unwrap_err().count(), 2);
    /// assert!(pool.join().is_ok());
    /// ```
    pub fn join(&self) -> Result<(), GroupError> {
        self.0.assert_not_in();
        self.0.wait(None);
        self.0.failures()
    }

    /// As `join`, at most for `timeout`; `None`: not all have ended.
    pub fn join_timeout(&self, timeout: Duration) -> Option<Result<(), GroupError>> {
        self.0.wait(Some(clock::after(timeout))).then(|| self.0.failures())
    }

    /// Kills all members, also those that stand in line, and waits until they
    /// have ended; see [`GreenThread::kill`](crate::GreenThread::kill). Maps
    /// take up no more items, and panic. A member that does so ends as well.
    /// The pool can be used again.
    pub fn kill(&self) {
        self.0.kill();
    }

    /// Lets in no more; members go on, and maps that have begun. With `join`
    /// after it, the pool comes to its end in good order.
    pub fn close(&self) {
        self.0.close();
    }

    /// Waits until there is a place, and nobody who waits to spawn has it; another
    /// may take it then.
    pub fn wait_available(&self) {
        self.available_by(None);
    }

    /// As `wait_available`, at most for `timeout`; whether there was one.
    pub fn wait_available_timeout(&self, timeout: Duration) -> bool {
        self.available_by(Some(clock::after(timeout)))
    }

    fn available_by(&self, deadline: Option<Nanos>) -> bool {
        // Takes none meanwhile: others would find too few.
        first(&[self.places()], deadline).is_some()
    }

    /// How many places are free.
    pub fn free_count(&self) -> usize {
        self.places().free()
    }

    /// How many places there are.
    pub fn size(&self) -> usize {
        self.places().most()
    }

    /// How many members there are; those that stand in line count.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, free) = (self.size(), self.free_count());
        f.debug_struct("Pool").field("size", &size).field("free", &free).finish_non_exhaustive()
    }
}
