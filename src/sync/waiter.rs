//! Those who wait in the table: green threads and OS threads, in line.

use crate::green::current;
use crate::green::park::{Wake, park};
use crate::green::record::RecordRef;
use crate::sys::clock::Nanos;
use crate::sys::parker::Parker;
use std::cell::Cell;
use std::ptr;

/// One thread's place. Lies on its stack.
pub(super) struct Waiter {
    /// Until it is woken.
    pub(super) thread: Cell<Option<Thread>>,
    pub(super) address: usize,
    pub(super) bits: u32,
    pub(super) next: Cell<*const Waiter>,
    prev: Cell<*const Waiter>,
}

/// Who waits.
pub(super) enum Thread {
    Green(RecordRef),
    /// Its token, beside the `Waiter`: it stays there until it has come.
    Os(*const Parker),
}

impl Thread {
    pub(super) fn unpark(self) {
        match self {
            Thread::Green(record) => record.unpark(),
            // SAFETY: as said above; it is unparked once.
            Thread::Os(parker) => unsafe { (*parker).unpark() },
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
            Sleeper::Green => Thread::Green(current::counted().expect("a green thread")),
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
            thread: Cell::new(Some(thread)),
            address,
            bits,
            next: Cell::new(ptr::null()),
            prev: Cell::new(ptr::null()),
        }
    }

    /// Under the lock.
    pub(super) fn is_woken(&self) -> bool {
        let thread = self.thread.take();
        let woken = thread.is_none();
        self.thread.set(thread);
        woken
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
