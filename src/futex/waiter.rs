//! Those who wait in the table: green threads and OS threads, in line.

use crate::green::current;
use crate::green::park::{Wake, park};
use crate::green::record::{Record, Woken};
use crate::sys::clock::Nanos;
use crate::sys::parker::Parker;
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::*};

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waited {
    Woken,
    /// It was not blocked, or not any more.
    Free,
    TimedOut,
    /// It was not ready to wait after all.
    Left,
}

/// One thread's place. Lies on its stack.
pub(super) struct Waiter {
    thread: Thread,
    pub(super) address: usize,
    pub(super) bits: u32,
    /// Written under the lock, as the waker's last touch of this and of the
    /// thread, unless `Waiter::wake` gave it something to do.
    woken: AtomicBool,
    pub(super) next: Cell<*const Waiter>,
    prev: Cell<*const Waiter>,
}

impl Waiter {
    /// The green thread that waits, if it is one.
    pub(super) fn green(&self) -> Option<*const Record> {
        match self.thread {
            Thread::Green(record) => Some(record),
            Thread::Os(_) => None,
        }
    }
}

/// Who waits. Alive for as long as the `Waiter` is in line.
#[derive(Clone, Copy)]
pub(super) enum Thread {
    Green(*const Record),
    /// Its token, beside the `Waiter`: it stays there until it has come.
    Os(*const Parker),
}

/// What is left to do for one that was woken, without the lock.
pub(super) enum Rest {
    Green(Woken),
    Os(*const Parker),
    Nothing,
}

impl Rest {
    #[inline]
    pub(super) fn finish(self) {
        match self {
            Rest::Green(woken) => woken.queue(),
            // SAFETY: it stays until its token has come; unparked once.
            Rest::Os(parker) => unsafe { (*parker).unpark() },
            Rest::Nothing => {}
        }
    }
}

/// How the calling thread waits.
pub(crate) enum Sleeper {
    /// It parks; its worker goes on.
    Green,
    /// It blocks in the kernel.
    Os(Parker),
}

impl Sleeper {
    pub(super) fn thread(&self) -> Thread {
        match self {
            Sleeper::Green => Thread::Green(current::get().expect("a green thread")),
            Sleeper::Os(parker) => Thread::Os(parker),
        }
    }

    pub(super) fn sleep(&self, deadline: Option<Nanos>) -> Wake {
        match self {
            Sleeper::Green => park(deadline),
            Sleeper::Os(parker) if parker.park(deadline) => Wake::Notified,
            Sleeper::Os(_) => Wake::TimedOut,
        }
    }
}

/// Waiters of one shard, in the order in which they came.
pub(super) struct Line {
    pub(super) first: *const Waiter,
    last: *const Waiter,
}

// SAFETY: the waiters are reached under the shard's lock.
unsafe impl Send for Line {}

impl Waiter {
    pub(super) fn new(thread: Thread, address: usize, bits: u32) -> Waiter {
        Waiter {
            thread,
            address,
            bits,
            woken: AtomicBool::new(false),
            next: Cell::new(ptr::null()),
            prev: Cell::new(ptr::null()),
        }
    }

    /// Under the lock, once it has left the line.
    #[inline]
    pub(super) fn wake(&self) -> Rest {
        let rest = match self.thread {
            // SAFETY: alive until `woken` is set. From then on it may go, but
            // for one that parks still, whose reference is ours.
            Thread::Green(record) => unsafe { (*record).wake() }.map_or(Rest::Nothing, Rest::Green),
            Thread::Os(parker) => Rest::Os(parker),
        };
        // Release pairs with `is_woken`: nothing of this is used any more.
        self.woken.store(true, Release);
        rest
    }

    /// Without the lock, false may be out of date.
    #[inline]
    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Acquire)
    }
}

impl Line {
    pub(super) const fn new() -> Line {
        Line { first: ptr::null(), last: ptr::null() }
    }

    /// # Safety
    /// `waiter` stays where it is until it is removed.
    pub(super) unsafe fn push(&mut self, waiter: &Waiter) {
        let last = std::mem::replace(&mut self.last, waiter);
        waiter.prev.set(last);
        // SAFETY: those in line are alive.
        match unsafe { last.as_ref() } {
            Some(last) => last.next.set(waiter),
            None => self.first = waiter,
        }
    }

    /// # Safety
    /// `waiter` is in this line.
    pub(super) unsafe fn remove(&mut self, waiter: &Waiter) {
        let (next, prev) = (waiter.next.get(), waiter.prev.get());
        // SAFETY: neighbours in line are alive.
        match unsafe { prev.as_ref() } {
            Some(prev) => prev.next.set(next),
            None => self.first = next,
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            Some(next) => next.prev.set(prev),
            None => self.last = prev,
        }
    }
}
