//! Naming a green thread so that `std::thread::current()` knows it.
//!
//! std names the threads that it makes, and no others. So std is asked to make
//! one: what it gives to `pthread_create`, to be run on the new thread, comes
//! to our shim, and from there back to the caller, who runs it on a green
//! thread with its own thread-locals. That is all std asks of a new thread.

use crate::green::current::Native;
use crate::sys::lock::Lock;
use crate::sys::real::Start;
use std::any::Any;
use std::cell::Cell;
use std::ffi::c_void;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

/// The `pthread_t` of a thread that was handed over: nobody's address.
pub(crate) const HANDED_OVER: libc::pthread_t = 1;

/// The stack that is asked for then, which nobody else asks for: what the
/// allocator might create meanwhile is not handed over.
const MARK: usize = 0x67_7265_656e;

/// Calls of `pthread_create` are known to come to the shim.
static READY: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Where the caller waits for what std wants to run.
    static WANTED: Cell<*const Cell<Option<Handed>>> = const { Cell::new(ptr::null()) };
}

/// What a new thread is to run.
#[derive(Clone, Copy)]
pub(crate) struct Handed(Start, *mut c_void);

/// The shim asks: whether the caller waits for what it was going to create,
/// with a stack of the size that `stack` finds out.
#[inline]
pub(crate) fn hand_over(
    start: Start,
    argument: *mut c_void,
    stack: impl FnOnce() -> usize,
) -> bool {
    // SAFETY: null, or the caller's cell, which `ask_std` keeps meanwhile.
    match unsafe { WANTED.get().as_ref() } {
        Some(wanted) if stack() == MARK => {
            wanted.set(Some(Handed(start, argument)));
            true
        }
        _ => false,
    }
}

/// Ends the wait, also if std panics.
struct Waiting;

impl Drop for Waiting {
    fn drop(&mut self) {
        WANTED.set(ptr::null());
    }
}

/// Lets std make a thread, and takes it over.
///
/// # Errors
/// As `std::thread::Builder::spawn`.
fn ask_std(
    builder: thread::Builder,
    f: impl FnOnce() + Send + 'static,
) -> io::Result<Option<Handed>> {
    let handed = Cell::new(None);
    WANTED.set(&handed);
    let waiting = Waiting;
    let made = builder.stack_size(MARK).spawn(f);
    drop(waiting);
    made.map(|detached| {
        drop(detached);
        handed.take()
    })
}

/// Finds out whether std's calls come to the shim: then named green threads
/// are named for std as well.
pub(crate) fn probe() -> bool {
    // Not reached, an OS thread has run nothing.
    let _native = Native::enter();
    let reached = matches!(ask_std(thread::Builder::new(), || ()), Ok(Some(_)));
    READY.store(reached, Relaxed);
    reached
}

/// Whether a green thread of this name can have it for std too.
pub(super) fn works_for(name: &str) -> bool {
    READY.load(Relaxed) && !name.contains('\0')
}

/// A closure on its way through std, and its result on the way back.
enum Trip<F, T> {
    There(F),
    Back(Result<T, Box<dyn Any + Send>>),
    Over,
}

/// What the green thread runs instead of the closure.
pub(super) struct Named<F, T> {
    handed: Handed,
    trip: Arc<Lock<Trip<F, T>>>,
}

// SAFETY: std hands over what another thread is to run; the rest is `Send`.
unsafe impl<F: Send, T: Send> Send for Named<F, T> {}

impl<F, T> Named<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// # Errors
    /// No memory for it.
    pub(super) fn new(f: F, name: &str) -> io::Result<Named<F, T>> {
        let trip = Arc::new(Lock::new(Trip::There(f)));
        let on_thread = trip.clone();
        let builder = thread::Builder::new().name(name.to_owned());
        let handed = ask_std(builder, move || {
            let f = std::mem::replace(&mut *on_thread.lock(), Trip::Over);
            if let Trip::There(f) = f {
                let result = catch_unwind(AssertUnwindSafe(f));
                *on_thread.lock() = Trip::Back(result);
            }
        })?;
        handed.map(|handed| Named { handed, trip }).ok_or(io::ErrorKind::Unsupported.into())
    }

    /// Runs the closure as std's thread. On the green thread, once.
    pub(super) fn run(self) -> T {
        let Handed(start, argument) = self.handed;
        start(argument);
        match std::mem::replace(&mut *self.trip.lock(), Trip::Over) {
            Trip::Back(Ok(result)) => result,
            Trip::Back(Err(payload)) => resume_unwind(payload),
            Trip::There(_) | Trip::Over => unreachable!("std runs what it was given"),
        }
    }
}

impl<F, T> Drop for Named<F, T> {
    /// Not run, the closure goes; what std allocated for it stays.
    fn drop(&mut self) {
        let trip = std::mem::replace(&mut *self.trip.lock(), Trip::Over);
        drop(trip);
    }
}
