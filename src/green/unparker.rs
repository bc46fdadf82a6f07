//! Who can be unparked: a green thread, or an OS thread that waits for one.

use super::current;
use super::record::RecordRef;
use crate::sys::clock::{self, Nanos};
use crate::sys::parker::Parker;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering::*};

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

/// An OS thread that has waited for so long says so.
const LONG: Nanos = 5_000_000;
static ON_LONG_WAIT: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Has `told` called by each OS thread that has waited for a while, and goes on
/// waiting for as long as it takes.
pub(crate) fn on_long_wait(told: fn()) {
    ON_LONG_WAIT.store(told as *mut (), Release);
}

fn park_with(parker: &Parker, deadline: Option<Nanos>) -> bool {
    if deadline.is_some() || parker.park(Some(clock::now() + LONG)) {
        return deadline.is_none() || parker.park(deadline);
    }
    let told = ON_LONG_WAIT.load(Acquire);
    if !told.is_null() {
        // SAFETY: stored by `on_long_wait` alone.
        unsafe { std::mem::transmute::<*mut (), fn()>(told)() };
    }
    parker.park(None)
}

/// `park` of an OS thread.
#[cold]
pub(super) fn park_os(deadline: Option<Nanos>) -> Wake {
    match OS_PARKER.try_with(|p| park_with(p, deadline)) {
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
            unsafe { crate::sys::real::nanosleep(&ms, std::ptr::null_mut()) };
            Wake::Notified
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
