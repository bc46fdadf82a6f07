//! Whom else to tell that a green thread has ended, besides its joiner: a table
//! beside the records, so that those of which nobody asks pay nothing.
//!
//! | link | by | under its bucket's lock |
//! |---|---|---|
//! | new → in the table | whoever wants to be told | yes, together with `JoinState::link`; if that says *ended*, back at once |
//! | in the table → told | the finisher, which found `LINKED` in its swap | taken out, and a waiter woken |
//! | in the table → gone | whoever wanted it | taken out |
//!
//! Both last moves find it in the table under the lock, so exactly one happens.
//! A finisher that came too early for `JoinState::link` is told of by its state;
//! a later one waits for the lock, and finds the link. What is the user's
//! (callbacks) leaves under the lock, and is called and dropped without it.

use super::ending::Ending;
use super::handle::GreenThread;
use super::park::{Told, Waiting};
use super::record::{Record, RecordRef};
use crate::sys::lock::{Guard, Lock};
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

/// What a finisher calls.
pub(crate) type Hook = Box<dyn FnOnce(&GreenThread, Ending) + Send>;

/// Whom to tell.
enum Whom {
    /// It waits, and its link stays until it has left.
    Waits(Waiting),
    /// Owned by the table.
    Called(Hook),
}

/// A place in the table.
pub(crate) struct Link {
    /// The record, as a number: it is not touched through this.
    key: usize,
    /// The rest is used under the bucket's lock. `None`: not in the table.
    whom: Cell<Option<Whom>>,
    next: Cell<*const Link>,
    prev: Cell<*const Link>,
}

// SAFETY: `key` is fixed, and the rest is used under the bucket's lock.
unsafe impl Send for Link {}
// SAFETY: as above.
unsafe impl Sync for Link {}

/// All links of some records, oldest first. The table owns one count of each
/// that is called.
struct Chain {
    first: *const Link,
    last: *const Link,
}

// SAFETY: reached under its bucket's lock.
unsafe impl Send for Chain {}

/// Enough that a chain is short; untouched ones cost nothing.
const BUCKETS: usize = 1 << 12;

static TABLE: [Lock<Chain>; BUCKETS] =
    [const { Lock::new(Chain { first: ptr::null(), last: ptr::null() }) }; BUCKETS];

/// Fibonacci hashing (Knuth, volume 3, 6.4).
fn bucket(key: usize) -> Guard<'static, Chain> {
    const GOLDEN: usize = 0x9e37_79b9_7f4a_7c15;
    let bits = BUCKETS.trailing_zeros();
    TABLE[(key >> 4).wrapping_mul(GOLDEN) >> (usize::BITS - bits)].lock()
}

fn key(record: &Record) -> usize {
    record.whole().as_ptr().addr()
}

impl Link {
    /// In no table yet.
    pub(crate) fn new(record: &Record) -> Link {
        let (next, prev) = (Cell::new(ptr::null()), Cell::new(ptr::null()));
        Link { key: key(record), whom: Cell::new(None), next, prev }
    }

    /// Has `who` told, unless `is_open` says that it has ended.
    ///
    /// # Safety
    /// In no table, and it stays where it is until `leave`, however it ends.
    pub(crate) unsafe fn enter(&self, who: Waiting, is_open: impl FnOnce() -> bool) -> bool {
        let mut chain = bucket(self.key);
        // SAFETY: by the caller's promise.
        unsafe { chain.push(self, Whom::Waits(who)) };
        is_open() || {
            // SAFETY: pushed above.
            drop(unsafe { chain.unlink(self) });
            false
        }
    }

    /// Leaves the table, if it is still there. After this no finisher touches
    /// it, nor whom it was to tell.
    pub(crate) fn leave(&self) -> bool {
        let mut chain = bucket(self.key);
        // SAFETY: only under the lock.
        let is_in = unsafe { (*self.whom.as_ptr()).is_some() };
        // SAFETY: it is in this chain.
        is_in && unsafe { chain.unlink(self) }.is_some()
    }
}

/// Has `hook` called, unless `is_open` says that it has ended: then it comes
/// back.
pub(crate) fn call(
    record: &Record,
    hook: Hook,
    is_open: impl FnOnce() -> bool,
) -> Result<Called, Hook> {
    let link = Arc::new(Link::new(record));
    let raw = Arc::into_raw(link.clone());
    let mut chain = bucket(link.key);
    // SAFETY: from `into_raw` just now; that count is the table's.
    unsafe { chain.push(raw, Whom::Called(hook)) };
    if is_open() {
        drop(chain);
        return Ok(Called(link));
    }
    // SAFETY: pushed above.
    let whom = unsafe { chain.unlink(&link) };
    drop(chain);
    // SAFETY: out of the table, which gives its count back.
    drop(unsafe { Arc::from_raw(raw) });
    match whom {
        Some(Whom::Called(hook)) => Err(hook),
        _ => unreachable!("it was pushed above"),
    }
}

/// A hook that will be called.
pub(crate) struct Called(Arc<Link>);

impl Called {
    /// Takes it back; `None`: it was called, or is about to be.
    pub(crate) fn cancel(&self) -> Option<Hook> {
        let mut chain = bucket(self.0.key);
        // SAFETY: only under the lock.
        if unsafe { (*self.0.whom.as_ptr()).is_none() } {
            return None;
        }
        // SAFETY: it is in this chain.
        let whom = unsafe { chain.unlink(&self.0) };
        drop(chain);
        // SAFETY: out of the table, which gives its count back.
        drop(unsafe { Arc::from_raw(Arc::as_ptr(&self.0)) });
        match whom {
            Some(Whom::Called(hook)) => Some(hook),
            _ => None,
        }
    }
}

/// Tells all that `record` has ended, in the order in which they asked. By the
/// finisher, after its joining state says so.
#[cold]
pub(crate) fn fire(record: &Record, how: Ending) {
    // SAFETY: whoever calls this holds a reference; forgotten again below.
    let thread =
        std::mem::ManuallyDrop::new(GreenThread(unsafe { RecordRef::from_raw(record.whole()) }));
    while let Some(after) = take_one(key(record)) {
        match after {
            After::Finish(told) => told.finish(),
            After::Call(hook, link) => {
                drop(link);
                hook(&thread, how);
            }
        }
    }
}

/// What is left to do without the lock.
enum After {
    Finish(Told),
    Call(Hook, Arc<Link>),
}

fn take_one(key: usize) -> Option<After> {
    let mut chain = bucket(key);
    let mut at = chain.first;
    // SAFETY: those in a chain stay until they have left.
    while let Some(link) = unsafe { at.as_ref() } {
        if link.key == key {
            // SAFETY: in this chain.
            return match unsafe { chain.unlink(link) }? {
                // SAFETY: it was in the table, so it was not told.
                Whom::Waits(who) => Some(After::Finish(unsafe { who.wake() })),
                // SAFETY: the table's count.
                Whom::Called(hook) => Some(After::Call(hook, unsafe { Arc::from_raw(at) })),
            };
        }
        at = link.next.get();
    }
    None
}

impl Chain {
    /// # Safety
    /// `at` is in no chain, and stays until it is unlinked; if it is owned by
    /// the table, it comes from `Arc::into_raw`.
    unsafe fn push(&mut self, at: *const Link, whom: Whom) {
        // SAFETY: by the caller's promise.
        let link = unsafe { &*at };
        link.whom.set(Some(whom));
        link.next.set(ptr::null());
        link.prev.set(self.last);
        // SAFETY: those in a chain stay until they have left.
        match unsafe { self.last.as_ref() } {
            Some(last) => last.next.set(at),
            None => self.first = at,
        }
        self.last = at;
    }

    /// # Safety
    /// `link` is in this chain.
    unsafe fn unlink(&mut self, link: &Link) -> Option<Whom> {
        let (next, prev) = (link.next.get(), link.prev.get());
        // SAFETY: neighbours stay as it does.
        match unsafe { prev.as_ref() } {
            Some(prev) => prev.next.set(next),
            None => self.first = next,
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            Some(next) => next.prev.set(prev),
            None => self.last = prev,
        }
        link.whom.take()
    }
}

#[cfg(all(test, not(loom)))]
#[path = "links_tests.rs"]
pub(crate) mod tests;
