//! Waiting for several things, of whatever sorts, and for the first of them.
//!
//! Each thing is given a spot, in which whatever it keeps of its waiters lies:
//! a node of a line, or a link. What the waiter then waits for is its `Ready`,
//! to which the things come in the order in which they became ready. All spots
//! are left again before it returns, or unwinds.
//!
//! Who waits so only *watches*: it is told that there is something, and takes
//! nothing, or a permit would go round among those who watch for ever. One that
//! selects (`select.rs`) is given what it has chosen.

use super::line::{Line, Node};
use crate::green::current;
use crate::green::links::Link;
use crate::green::park::{Ready, Slot, Waiting};
use crate::green::record::Record;
use crate::sys::clock::{self, Nanos};
use std::cell::OnceCell;
use std::ptr::NonNull;
use std::time::Duration;

/// What [`wait_any`] and [`wait_all`] can wait for, in any mixture: green
/// threads and their handles, events, results, semaphores, queues and
/// [children](crate::process::Child).
///
/// It can be implemented only here. What else there is to wait for is waited for
/// by a green thread that waits for it alone.
pub trait Waitable: Watch {}

/// How it is done.
#[doc(hidden)]
pub trait Watch {
    /// Whether it is ready now.
    fn is_ready(&self) -> bool;
    /// Has `spot` told when it is ready; false if it is now.
    fn watch(&self, spot: &Spot) -> bool;
    /// `spot`, which `watch` took, is not told any more, nor being told.
    fn unwatch(&self, spot: &Spot);
}

impl Line {
    /// Tells all who watch. Under the lock, for there is no room elsewhere for what is
    /// left to do.
    #[cold]
    pub(crate) fn tell_watchers(&mut self) {
        // It may allocate, and an allocator may call what is patched.
        let _inside = current::Inside::enter();
        // SAFETY: it watches, so it was not told yet.
        while let Some(told) = self.tell(|who| unsafe { who.wake() }) {
            told.finish();
        }
    }
}

/// Where one that waits for several things waits for one of them.
#[doc(hidden)]
pub struct Spot {
    slot: Slot,
    node: OnceCell<Node>,
    link: OnceCell<Link>,
}

impl Spot {
    fn new(ready: &Ready, number: usize) -> Spot {
        Spot { slot: Slot::new(ready, number), node: OnceCell::new(), link: OnceCell::new() }
    }

    pub(crate) fn waiting(&self) -> Waiting {
        Waiting::Slot(NonNull::from(&self.slot))
    }

    /// For one that waits in a line.
    pub(crate) fn node(&self) -> &Node {
        self.node.get_or_init(|| Node::new(self.waiting()))
    }

    /// For one that waits for the end of a green thread.
    pub(crate) fn link(&self, record: &Record) -> &Link {
        self.link.get_or_init(|| Link::new(record))
    }
}

/// Waits for the first of `things` to be ready: its number. If several are,
/// the first in the list.
///
/// Nothing is taken: what another thread takes before the caller does is gone,
/// so a queue is asked by `try_get`.
///
/// # Panics
/// If `things` is empty, which could never return.
///
/// ```
/// use greenroom::{queue::Queue, sync::Event, wait_any};
/// let (items, stop) = (Queue::new(), Event::new());
/// let worker = greenroom::spawn(|| greenroom::park());
/// items.put("an item").unwrap();
/// assert_eq!(wait_any(&[&worker, &items, &stop]), 1);
/// assert_eq!(items.try_get(), Ok("an item"));
/// worker.thread().unpark();
/// assert_eq!(wait_any(&[&worker, &items, &stop]), 0);
/// ```
pub fn wait_any(things: &[&dyn Waitable]) -> usize {
    assert!(!things.is_empty(), "waiting for the first of nothing");
    first(things, None).expect("there is no deadline")
}

/// As [`wait_any`], at most for `timeout`; `None`: none was ready in time.
///
/// ```
/// use std::time::Duration;
/// let (one, other) = (greenroom::sync::Event::new(), greenroom::sync::Event::new());
/// let soon = Duration::from_millis(1);
/// assert_eq!(greenroom::wait_any_timeout(&[&one, &other], soon), None);
/// ```
pub fn wait_any_timeout(things: &[&dyn Waitable], timeout: Duration) -> Option<usize> {
    first(things, Some(clock::after(timeout)))
}

pub(crate) fn first(things: &[&dyn Waitable], deadline: Option<Nanos>) -> Option<usize> {
    if let Some(ready) = things.iter().position(|thing| thing.is_ready()) {
        return Some(ready);
    }
    let ready = Ready::new();
    let mut watching = Watching::new(things, &ready);
    for number in 0..things.len() {
        if !watching.watch(number) {
            return Some(number);
        }
    }
    // Who tells many may not have come to this one in time.
    ready.wait(deadline).or_else(|| things.iter().position(|thing| thing.is_ready()))
}

/// Waits until each of `things` has been ready during the wait, also if it is
/// not any more.
///
/// ```
/// use greenroom::{sync::AsyncResult, wait_all};
/// let result = AsyncResult::new();
/// let green = greenroom::spawn(|| ());
/// result.set(7).unwrap();
/// wait_all(&[&green, &result]);
/// assert!(green.is_finished());
/// ```
pub fn wait_all(things: &[&dyn Waitable]) {
    all(things, None);
}

/// As [`wait_all`], at most for `timeout`; whether all were ready.
///
/// ```
/// use std::time::Duration;
/// let event = greenroom::sync::Event::new();
/// assert!(!greenroom::wait_all_timeout(&[&event], Duration::from_millis(1)));
/// event.set();
/// assert!(greenroom::wait_all_timeout(&[&event], Duration::ZERO));
/// ```
pub fn wait_all_timeout(things: &[&dyn Waitable], timeout: Duration) -> bool {
    all(things, Some(clock::after(timeout)))
}

fn all(things: &[&dyn Waitable], deadline: Option<Nanos>) -> bool {
    let ready = Ready::new();
    let mut watching = Watching::new(things, &ready);
    let mut missing: Vec<_> = (0..things.len()).map(|number| watching.watch(number)).collect();
    for _ in 0..missing.iter().filter(|misses| **misses).count() {
        match ready.wait(deadline) {
            Some(number) => missing[number] = false,
            // As in `first`.
            None => return things.iter().zip(missing).all(|(thing, m)| !m || thing.is_ready()),
        }
    }
    true
}

/// The spots that are watched; leaves them all when dropped.
struct Watching<'a> {
    things: &'a [&'a dyn Waitable],
    spots: Box<[Spot]>,
    watched: Vec<usize>,
}

impl<'a> Watching<'a> {
    fn new(things: &'a [&'a dyn Waitable], ready: &'a Ready) -> Watching<'a> {
        let spots = (0..things.len()).map(|number| Spot::new(ready, number)).collect();
        Watching { things, spots, watched: Vec::with_capacity(things.len()) }
    }

    /// False if it is ready now.
    fn watch(&mut self, number: usize) -> bool {
        let watched = self.things[number].watch(&self.spots[number]);
        if watched {
            self.watched.push(number);
        }
        watched
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        for number in self.watched.drain(..) {
            self.things[number].unwatch(&self.spots[number]);
        }
    }
}
