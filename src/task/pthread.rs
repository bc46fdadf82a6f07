//! A green thread that `pthread_create` made: its control block.
//!
//! ```text
//! ┌────────┬──────┬───────────┬──────────────────────────┐
//! │ Record │ Face │ JoinState │ start, value, stack, ... │  Pthread
//! └────────┴──────┴───────────┴──────────────────────────┘
//! ```
//! Its `pthread_t` is its thread pointer, as glibc's are, so `pthread_self` and
//! `pthread_equal` need no help. That lies on the slot of its stack; so the
//! stack is not used again before the thread is joined, or detached and ended,
//! and meanwhile the registry knows the handle.
//!
//! One reference is the registry's: the right to join, in `Task` the handle's.

use super::join_state::{Finished, JoinState};
use super::join_wait::wait_for;
use super::registry::{self, Entry};
use super::room::{self, ByOrigin};
use crate::green::current::{self, Inside};
use crate::green::ending::Ending;
use crate::green::face::{Face, cut};
use crate::green::record::{Birth, Body, Record, RecordRef};
use crate::green::storage::{Inherited, within_span};
use crate::green::{links, locals, report, start, warn};
use crate::sched::{self, numbers, stacks};
use crate::stack::{GreenStack, SizeClass};
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use crate::sys::platform;
use crate::sys::real::{Start, call};
use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::io;
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering::*};

/// See the module's head.
#[repr(C)]
pub(crate) struct Pthread {
    record: Record,
    face: Face,
    join: JoinState,
    /// Who has the right to join.
    claim: AtomicU32,
    entry: Entry,
    start: Start,
    argument: *mut c_void,
    /// Written before `JoinState::finish`, like the stack.
    value: Cell<*mut c_void>,
    stack: UnsafeCell<Option<GreenStack>>,
}

// Of the right to join: nobody has used it; somebody joins; joined, or nobody may.
const FREE: u32 = 0;
const JOINING: u32 = 1;
const GONE: u32 = 2;

// SAFETY: each field has its owner: see `JoinState`, and the comments above.
unsafe impl Send for Pthread {}
// SAFETY: as above.
unsafe impl Sync for Pthread {}

/// What `pthread_create` was asked for.
pub(crate) struct Wanted {
    pub(crate) start: Start,
    pub(crate) argument: *mut c_void,
    pub(crate) class: SizeClass,
    pub(crate) detached: bool,
}

/// Starts a green thread; its handle is in `out` before it runs.
/// # Errors
/// EAGAIN: no stack or no memory for it, or no runtime.
/// # Safety
/// As `pthread_create`.
#[track_caller]
pub(crate) unsafe fn create(wanted: Wanted, out: *mut libc::pthread_t) -> Result<(), Errno> {
    // A clone that panics has nobody to go to: what called us may be C.
    let inherited = catch_unwind(Inherited::capture).unwrap_or_default();
    let _inside = Inside::enter();
    let (detached, now) = (wanted.detached, clock::now());
    let runtime = sched::start::runtime(Location::caller()).map_err(|why| {
        warn::warn(format!("a thread could not start: {why}"));
        Errno::AGAIN
    })?;
    let stack = stacks::take(wanted.class).map_err(|_| Errno::AGAIN)?;
    let (thread, this) = new(wanted).ok_or(Errno::AGAIN)?;
    // SAFETY: nobody else knows it yet.
    unsafe { start::start(&thread, stack, now, numbers::next) }.map_err(|_| Errno::AGAIN)?;
    inherited.give_to(&thread);
    let handle = thread.own.block.get().map_or(0, |block| block.address());
    if detached {
        this.claim.store(GONE, Relaxed);
        // SAFETY: its only handle is not given out yet, and it has not run.
        unsafe { this.join.detach() };
    }
    let raw = this.0.clone();
    // SAFETY: beside its record, which it refers to.
    unsafe { registry::insert(&this.entry, handle, raw) };
    // SAFETY: the caller's out pointer.
    unsafe { out.write(handle as libc::pthread_t) };
    runtime.submit(thread);
    Ok(())
}

/// A fresh one: the scheduler's reference and the registry's.
fn new(wanted: Wanted) -> Option<(RecordRef, PthreadRef)> {
    static BODIES: ByOrigin<Body> = ByOrigin {
        // SAFETY: as `Body::free`'s; such a body comes with a room of that kind.
        block: body(|record| unsafe { room::give_block::<Pthread>(record.cast()) }),
        // SAFETY: as above.
        allocated: body(|record| unsafe { room::free::<Pthread>(record.cast()) }),
    };
    let birth = current::gives(Birth::new(None, wanted.class, Location::caller()));
    let (this, body) = room::take::<Pthread, _>(&BODIES)?;
    let creator = current::get().and_then(Face::of).map(Face::name);
    // SAFETY: freshly allocated for this type. A new record counts two
    // references, which are these.
    unsafe {
        this.write(Pthread {
            record: Record::new(body, birth),
            face: Face::new(creator.unwrap_or_else(|| cut(platform::program_name()))),
            join: JoinState::new(),
            claim: AtomicU32::new(FREE),
            entry: Entry::new(),
            start: wanted.start,
            argument: wanted.argument,
            value: Cell::new(ptr::null_mut()),
            stack: UnsafeCell::new(None),
        });
        let record = this.cast::<Record>();
        record.as_ref().lies_at(record);
        Some((RecordRef::from_raw(record), PthreadRef(RecordRef::from_raw(record))))
    }
}

const fn body(free: unsafe fn(NonNull<Record>)) -> Body {
    let join_at = offset_of!(Pthread, join);
    Body { run, refuse, discard: |_| {}, free, ended: Some(ended), join_at, member_at: None }
}

/// The payload with which `pthread_exit` unwinds.
struct Exit;

/// Ends the calling green thread; who joins it gets `value`.
pub(crate) fn exit(value: *mut c_void) -> ! {
    if let Some(Ok(this)) = current::counted().map(PthreadRef::new) {
        this.value.set(value);
    }
    resume_unwind(Box::new(Exit))
}

/// # Safety
/// `record` heads a `Pthread`; once, on its green thread.
unsafe fn run(record: NonNull<Record>) {
    // SAFETY: by the caller's promise; the scheduler's reference keeps it.
    let this = unsafe { record.cast::<Pthread>().as_ref() };
    let run = || within_span(&this.record, || call(this.start, this.argument));
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => this.value.set(value),
        Err(payload) if payload.is::<Exit>() => {}
        Err(_) => {
            report::say(b"a panic left the function of a C thread; aborting\n");
            std::process::abort()
        }
    }
    locals::end(&this.record);
}

/// # Safety
/// Never: it comes with its stack.
unsafe fn refuse(_: NonNull<Record>, why: io::Error) {
    unreachable!("a pthread has its stack from the beginning: {why}")
}

/// # Safety
/// `record` heads a `Pthread`; once, on the worker that ran it to its end.
unsafe fn ended(record: NonNull<Record>, stack: GreenStack) -> Option<GreenStack> {
    // SAFETY: as in `run`.
    let this = unsafe { record.cast::<Pthread>().as_ref() };
    // SAFETY: the stack is the finisher's until `finish`, which comes once.
    let (found, linked) = unsafe {
        *this.stack.get() = Some(stack);
        this.join.finish(Ending::Returned, || (), |joiner| joiner.tell(&mut None))
    };
    if linked {
        links::fire(&this.record, Ending::Returned);
    }
    match found {
        Finished::Nobody => {}
        Finished::Woke(joiner) => joiner.finish(),
        // SAFETY: nobody will join, so it is still the finisher's.
        Finished::Detached => return unsafe { this.leave() },
    }
    None
}

impl Pthread {
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    pub(crate) fn face(&self) -> &Face {
        &self.face
    }

    pub(crate) fn is_detached(&self) -> bool {
        self.claim.load(Relaxed) == GONE
    }

    pub(crate) fn is_current(&self) -> bool {
        current::get().is_some_and(|me| ptr::eq(me, &self.record))
    }

    /// Waits until it has ended, at most until `deadline`: what it returned.
    /// `Some(0)` only looks.
    /// # Errors
    /// As `pthread_join`, and ETIMEDOUT.
    pub(crate) fn join(&self, deadline: Option<Nanos>) -> Result<*mut c_void, Errno> {
        if self.is_current() {
            return Err(Errno(libc::EDEADLK));
        }
        if self.claim.compare_exchange(FREE, JOINING, Acquire, Relaxed).is_err() {
            return Err(Errno::INVAL);
        }
        // SAFETY: claimed.
        let done = self.join.is_done()
            || deadline != Some(0) && unsafe { wait_for(&self.join, &self.record, deadline) };
        if !done {
            self.claim.store(FREE, Release);
            return Err(Errno(libc::ETIMEDOUT));
        }
        let value = self.value.get();
        self.claim.store(GONE, Relaxed);
        // SAFETY: done, and claimed.
        unsafe { self.leave() }.into_iter().for_each(stacks::give);
        Ok(value)
    }

    /// Nobody will join it.
    ///
    /// # Errors
    /// EINVAL: it is detached already. (One that is being joined: as glibc,
    /// nothing happens.)
    pub(crate) fn detach(&self) -> Result<(), Errno> {
        match self.claim.compare_exchange(FREE, GONE, Acquire, Relaxed) {
            Err(JOINING) => return Ok(()),
            Err(_) => return Err(Errno::INVAL),
            Ok(_) => {}
        }
        // SAFETY: claimed, once.
        if unsafe { self.join.detach() } {
            // SAFETY: it has ended, and claimed.
            unsafe { self.leave() }.into_iter().for_each(stacks::give);
        }
        Ok(())
    }

    /// Ends the life of its handle; its stack is free.
    ///
    /// # Safety
    /// It has ended, and the caller has the right to join. The caller holds a
    /// reference.
    unsafe fn leave(&self) -> Option<GreenStack> {
        drop(registry::remove(self.entry.handle()));
        // SAFETY: the caller's promise.
        unsafe { (*self.stack.get()).take() }
    }
}

/// A counted reference to a pthread.
pub(crate) struct PthreadRef(RecordRef);

impl PthreadRef {
    /// # Errors
    /// Gives back what is no pthread's.
    pub(super) fn new(record: RecordRef) -> Result<PthreadRef, RecordRef> {
        if record.is_pthread() { Ok(PthreadRef(record)) } else { Err(record) }
    }
}

impl std::ops::Deref for PthreadRef {
    type Target = Pthread;
    fn deref(&self) -> &Pthread {
        // SAFETY: made of nothing but pthreads.
        unsafe { NonNull::from(&*self.0).cast().as_ref() }
    }
}
