//! The waist: everything that blocks does so through `park` and `unpark`.
//!
//! *Try; if it would block, register an [`Unparker`]; park; try again.* A wake
//! may be about something that no longer matters, so each caller loops on its
//! own condition. What happened before `unpark` is visible after the `park`
//! that it ends.

use super::choice::Choice;
use super::current;
use super::record::{Record, Suspend, Woken};
#[cfg(feature = "tracing")]
use super::spans::suspend;
#[cfg(not(feature = "tracing"))]
use super::suspend::suspend;
use super::unparker::park_os;
pub(crate) use super::unparker::{Unparker, Wake};
use crate::sys::clock::Nanos;
use crate::sys::lock::Lock;
use crate::sys::parker::Parker;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::Waker;

/// Waits until this thread, green or not, is unparked, at most until
/// `deadline`. May return early.
#[inline(always)] // see `sched::wait::wait_one`
pub(crate) fn park(deadline: Option<Nanos>) -> Wake {
    let Some(record) = current::get() else {
        return park_os(deadline);
    };
    if record.state.take_notice() {
        return Wake::Notified;
    }
    record.own.timed_out.set(false);
    // SAFETY: `record` is the current one.
    unsafe { suspend(record, Suspend::park(deadline)) };
    if record.own.timed_out.get() { Wake::TimedOut } else { Wake::Notified }
}

/// Lets the other runnable green threads of this worker run first; on a plain
/// OS thread, offers the core.
#[inline]
pub(crate) fn give_way() {
    match current::get() {
        // SAFETY: the current one.
        Some(record) => unsafe { suspend(record, Suspend::YIELD) },
        None => {
            // SAFETY: takes no arguments.
            unsafe { crate::sys::real::sched_yield() };
        }
    }
}

/// Lets the first of those that are runnable on this worker run, and goes on after it. On
/// green threads.
#[inline(always)] // see `sched::wait::wait_one`
pub(crate) fn stand_back(me: &Record) {
    // SAFETY: the current one.
    unsafe { suspend(me, Suspend::NEXT) }
}

/// The thread, green or not, that waits until it is told in a place of its own:
/// as it cannot end before, a green one is not counted.
pub(crate) enum Waiting {
    Green(NonNull<Record>),
    Os(Arc<Parker>),
    /// Instead of a thread, a task; its future, which stays likewise, keeps how
    /// to wake it.
    Task(NonNull<Cell<Option<Waker>>>),
    /// A thread that takes the first of several things, of which this is one.
    Part(NonNull<Part>),
    /// One that waits for several things, of which this is one.
    Slot(NonNull<Slot>),
}

/// One of several things that a thread waits for. It stays until the thread has
/// left all those places.
pub(crate) struct Part {
    choice: NonNull<Choice>,
    number: u32,
    /// Green or an OS thread.
    who: Cell<Option<Waiting>>,
}

impl Part {
    /// Of the calling thread.
    pub(crate) fn new(choice: &Choice, number: u32) -> Part {
        let who = Cell::new(Some(Waiting::current()));
        Part { choice: NonNull::from(choice), number, who }
    }

    /// # Safety
    /// Once, by who has claimed it.
    #[cold]
    unsafe fn wake(&self) -> Told {
        match self.who.take() {
            // SAFETY: it waits to be told.
            Some(who) => unsafe { who.wake() },
            None => unreachable!("it is told once"),
        }
    }
}

// SAFETY: records may be woken from any thread.
unsafe impl Send for Waiting {}

impl Waiting {
    /// The calling thread.
    #[inline]
    pub(crate) fn current() -> Waiting {
        match current::get() {
            Some(record) => Waiting::Green(record.whole()),
            None => Waiting::on_os(),
        }
    }

    #[cold]
    fn on_os() -> Waiting {
        match Unparker::current() {
            Unparker::Os(parker) => Waiting::Os(parker),
            Unparker::Green(_) => unreachable!("it is no green thread"),
        }
    }

    /// The calling thread, if it is green.
    #[inline]
    pub(crate) fn green() -> Option<Waiting> {
        current::get().map(|record| Waiting::Green(record.whole()))
    }

    /// Whether it takes what it is going to be told of: one at several places may
    /// have decided otherwise.
    ///
    /// # Safety
    /// It has not been told yet.
    #[inline]
    pub(crate) unsafe fn claim(&self) -> bool {
        match self {
            // SAFETY: it stays until it has left this place, and so does its choice.
            Waiting::Part(part) => unsafe {
                part.as_ref().choice.as_ref().claim(part.as_ref().number)
            },
            _ => true,
        }
    }

    /// As `claim` and `wake`, and for one that may be a task: `task` is then to
    /// be woken as well.
    ///
    /// # Safety
    /// It has not been told yet.
    #[inline]
    pub(crate) unsafe fn tell(self, task: &mut Option<Waker>) -> Told {
        // SAFETY: the caller's promise.
        unsafe { if let Waiting::Green(_) = self { self.wake() } else { self.tell_rarely(task) } }
    }

    /// # Safety
    /// As `tell`.
    #[cold]
    unsafe fn tell_rarely(self, task: &mut Option<Waker>) -> Told {
        // SAFETY: the caller's promise; and only who tells it looks there meanwhile.
        unsafe {
            match self {
                Waiting::Task(waker) => {
                    *task = waker.as_ref().take();
                    Told::Nothing
                }
                other if other.claim() => other.wake(),
                _ => Told::Nothing,
            }
        }
    }

    /// Wakes it, but for what may be done once it has been told. It is no task.
    ///
    /// # Safety
    /// It has not been told yet, and was claimed.
    #[inline]
    pub(crate) unsafe fn wake(self) -> Told {
        let Waiting::Green(record) = self else {
            // SAFETY: the caller's promise.
            return unsafe { self.wake_other() };
        };
        // SAFETY: it waits to be told, so it is alive.
        let record = unsafe { record.as_ref() };
        record.wake().map_or(Told::Nothing, Told::Green)
    }

    /// # Safety
    /// As `wake`.
    #[cold]
    unsafe fn wake_other(self) -> Told {
        match self {
            Waiting::Green(_) => unreachable!("green ones are woken above"),
            Waiting::Os(parker) => Told::Os(parker),
            // SAFETY: it waits to be told, so it is alive; claimed, it is told once.
            Waiting::Part(part) => unsafe { part.as_ref().wake() },
            Waiting::Task(_) => unreachable!("tasks stand in no line"),
            // SAFETY: slots stay until they are told or have left.
            Waiting::Slot(slot) => unsafe { slot.as_ref() }.tell(),
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
    Nothing,
}

impl Told {
    #[inline(always)]
    pub(crate) fn finish(self) {
        match self {
            Told::Green(woken) => woken.queue(),
            other => other.finish_other(),
        }
    }

    fn finish_other(self) {
        if let Told::Os(parker) = self {
            parker.unpark();
        }
    }
}

/// Wakers are the users' code, and whoever tells has other things to do.
#[cold]
pub(crate) fn wake_task(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        std::mem::forget(payload); // the hook has reported it
    }
}
