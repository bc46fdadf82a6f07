//! The waist: everything that blocks does so through `park` and `unpark`.
//!
//! *Try; if it would block, register an [`Unparker`]; park; try again.* A wake
//! may be about something that no longer matters, so each caller loops on its
//! own condition. What happened before `unpark` is visible after the `park`
//! that it ends.

use super::current;
use super::record::{Record, RecordRef, Suspend, Woken};
use crate::sys::clock::{self, Nanos};
use crate::sys::lock::Lock;
use crate::sys::parker::Parker;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::Waker;

/// Why a park ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wake {
    /// Somebody unparked it.
    Notified,
    /// The deadline passed.
    TimedOut,
}

thread_local! {
    /// The token of this OS thread when it waits for green threads.
    static OS_PARKER: Arc<Parker> = Arc::new(Parker::new());
}

/// Waits until this thread, green or not, is unparked, at most until
/// `deadline`. May return early.
#[inline]
pub(crate) fn park(deadline: Option<Nanos>) -> Wake {
    let Some(record) = current::get() else {
        return park_os(deadline);
    };
    if record.state.take_notice() {
        return Wake::Notified;
    }
    record.own.timed_out.set(false);
    // SAFETY: `record` is the current one.
    unsafe { record.suspend(Suspend::Park(deadline)) };
    if record.own.timed_out.get() { Wake::TimedOut } else { Wake::Notified }
}

#[cold]
fn park_os(deadline: Option<Nanos>) -> Wake {
    match OS_PARKER.try_with(|p| p.park(deadline)) {
        Ok(true) => Wake::Notified,
        Ok(false) => Wake::TimedOut,
        // A thread whose thread-locals are gone has no token to wait for: it
        // looks at its condition again every millisecond.
        Err(_) => {
            if deadline.is_some_and(|d| clock::now() >= d) {
                return Wake::TimedOut;
            }
            let ms = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
            // SAFETY: a valid duration, no remainder asked for.
            unsafe { crate::sys::real::nanosleep(&ms, ptr::null_mut()) };
            Wake::Notified
        }
    }
}

/// Lets the other runnable green threads of this worker run first; on a plain
/// OS thread, offers the core.
#[inline]
pub(crate) fn give_way() {
    match current::get() {
        // SAFETY: the current one.
        Some(record) => unsafe { record.suspend(Suspend::Yield) },
        None => {
            // SAFETY: takes no arguments.
            unsafe { crate::sys::real::sched_yield() };
        }
    }
}

/// Ends the park of one thread, green or not.
pub(crate) enum Unparker {
    Green(RecordRef),
    Os(Arc<Parker>),
}

impl Unparker {
    /// For the calling thread.
    pub(crate) fn current() -> Unparker {
        match current::counted() {
            Some(record) => Unparker::Green(record),
            None => Unparker::Os(
                OS_PARKER.try_with(Arc::clone).unwrap_or_else(|_| Arc::new(Parker::new())),
            ),
        }
    }

    pub(crate) fn unpark(&self) {
        match self {
            Unparker::Green(record) => record.unpark(),
            Unparker::Os(parker) => parker.unpark(),
        }
    }
}

/// The thread, green or not, that waits until it is told in a place of its own:
/// as it cannot end before, a green one is not counted.
pub(crate) enum Waiting {
    Green(NonNull<Record>),
    Os(Arc<Parker>),
    /// One that waits for several things, of which this is one.
    Slot(NonNull<Slot>),
    /// Instead of a thread, a task; its future, which stays likewise, keeps how
    /// to wake it.
    Task(NonNull<Cell<Option<Waker>>>),
}

// SAFETY: records may be woken from any thread.
unsafe impl Send for Waiting {}

impl Waiting {
    /// The calling thread.
    #[inline]
    pub(crate) fn current() -> Waiting {
        match current::get() {
            Some(record) => Waiting::Green(record.whole()),
            None => match Unparker::current() {
                Unparker::Os(parker) => Waiting::Os(parker),
                Unparker::Green(_) => unreachable!("it is no green thread"),
            },
        }
    }

    /// Wakes it, but for what may be done once it has been told.
    ///
    /// # Safety
    /// It has not been told yet.
    #[inline]
    pub(crate) unsafe fn wake(self) -> Told {
        match self {
            Waiting::Green(record) => {
                // SAFETY: it waits to be told, so it is alive.
                let record = unsafe { record.as_ref() };
                record.wake().map_or(Told::Nothing, Told::Green)
            }
            Waiting::Os(parker) => Told::Os(parker),
            // SAFETY: slots stay until they are told or have left.
            Waiting::Slot(slot) => unsafe { slot.as_ref() }.tell(),
            Waiting::Task(waker) => {
                // SAFETY: as above, and only who tells it looks there meanwhile.
                let waker = unsafe { waker.as_ref() }.take();
                waker.map_or(Told::Nothing, Told::Task)
            }
        }
    }
}

/// What has come, for one that waits for several things, in that order.
pub(crate) struct Ready(pub(super) Lock<Come>);

/// See `Ready`; under its lock.
pub(crate) struct Come {
    first: *const Slot,
    last: *const Slot,
    /// Who waits, while nothing has come.
    pub(super) waiter: Option<Waiting>,
}

// SAFETY: slots are reached under the lock, or by who has them to himself.
unsafe impl Send for Come {}

impl Ready {
    pub(crate) const fn new() -> Ready {
        Ready(Lock::new(Come { first: ptr::null(), last: ptr::null(), waiter: None }))
    }
}

impl Come {
    /// The number of what came first.
    pub(super) fn take(&mut self) -> Option<usize> {
        // SAFETY: those that have come stay until whoever waits is done.
        let slot = unsafe { self.first.as_ref() }?;
        self.first = slot.next.get();
        Some(slot.number)
    }
}

/// One of the things that somebody waits for: told once at most, until it was
/// taken out.
pub(crate) struct Slot {
    ready: *const Ready,
    number: usize,
    next: Cell<*const Slot>,
}

impl Slot {
    /// The `number`th thing that comes to `ready`, which outlives it.
    pub(crate) fn new(ready: &Ready, number: usize) -> Slot {
        Slot { ready, number, next: Cell::new(ptr::null()) }
    }

    /// It has come.
    pub(crate) fn tell(&self) -> Told {
        // SAFETY: by the promise of `new`.
        let mut come = unsafe { (*self.ready).0.lock() };
        self.next.set(ptr::null());
        match come.first.is_null() {
            true => come.first = self,
            // SAFETY: as in `take`, and this one is the last.
            false => unsafe { (*come.last).next.set(self) },
        }
        come.last = self;
        // SAFETY: it leaves under this lock, so it has not been told.
        come.waiter.take().map_or(Told::Nothing, |waiter| unsafe { waiter.wake() })
    }
}

/// What is left to do for one that was told.
pub(crate) enum Told {
    Green(Woken),
    Os(Arc<Parker>),
    Task(Waker),
    Nothing,
}

impl Told {
    #[inline]
    pub(crate) fn finish(self) {
        match self {
            Told::Green(woken) => woken.queue(),
            Told::Os(parker) => parker.unpark(),
            Told::Task(waker) => wake_task(waker),
            Told::Nothing => {}
        }
    }
}

/// Wakers are the users' code, and whoever tells has other things to do.
#[cold]
fn wake_task(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        std::mem::forget(payload); // the hook has reported it
    }
}
