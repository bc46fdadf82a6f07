//! The allocation behind one green thread: record, joining state, result and
//! closure in one piece.
//!
//! ```text
//! ┌────────┬───────────┬───────────┬─────────┬────────┐
//! │ Record │ JoinState │ result: T │ closure │ beside │  Task<F, T, B>
//! └────────┴───────────┴───────────┴─────────┴────────┘
//! └────────────── Packet<T> ───────┘
//! ```
//! The scheduler knows the `Record`, a `JoinHandle<T>` the `Packet<T>`, and
//! only the functions in `Body` know `F`. Both structs are `repr(C)`, so a
//! pointer to one is one to its head. `beside` is nothing, or a place in a group.

use super::beside::{Beside, drop_quietly};
use super::join_state::JoinState;
use super::packet::{Packet, Stored};
use super::room::{self, ByOrigin};
use crate::error::JoinError;
use crate::green::ending::Ending;
use crate::green::record::{Birth, Body, Record, RecordRef};
use crate::green::{current, kill, locals, storage};
use crate::stack::SizeClass;
use std::cell::UnsafeCell;
use std::io;
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr::NonNull;

#[repr(C)]
struct Task<F, T, B = ()> {
    packet: Packet<T>,
    /// Taken by the first run.
    closure: UnsafeCell<Option<F>>,
    beside: B,
}

/// Allocates a fresh green thread; two references to it, the scheduler's and
/// the handle's.
///
/// # Errors
/// No memory; `closure` is dropped.
#[inline]
pub(crate) fn new<F, T>(closure: F, birth: Birth) -> io::Result<(RecordRef, RecordRef)>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    new_beside(closure, birth, ())
}

/// As `new`, with something beside it.
///
/// # Errors
/// As `new`.
#[inline]
pub(crate) fn new_beside<F, T, B: Beside>(
    closure: F,
    birth: Birth,
    beside: B,
) -> io::Result<(RecordRef, RecordRef)>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: they borrow nothing.
    unsafe { new_unbound(closure, birth, beside) }
}

/// As `new_beside`, of what may borrow.
///
/// # Errors
/// As `new`.
///
/// # Safety
/// What closure and result borrow lives until `Beside::over`, and for as long as
/// the handle does.
#[inline]
pub(super) unsafe fn new_unbound<F: FnOnce() -> T, T, B: Beside>(
    closure: F,
    birth: Birth,
    beside: B,
) -> io::Result<(RecordRef, RecordRef)> {
    let bodies = const { &bodies::<F, T, B>(run::<F, T, B>) };
    allocate::<F, T, B>(bodies, closure, birth, beside)
}

/// As `new`, for `Record::run_as_job`: it gets no stack and no thread-locals,
/// and has only its handle in common with a green thread.
///
/// # Errors
/// As `new`.
pub(crate) fn new_job<F, T>(closure: F) -> io::Result<(RecordRef, RecordRef)>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let bodies = const { &bodies::<F, T, ()>(run_job::<F, T>) };
    let birth = Birth::new(None, SizeClass::DEFAULT, Location::caller());
    allocate::<F, T, ()>(bodies, closure, Birth { is_job: true, ..birth }, ())
}

const fn bodies<F, T, B: Beside>(run: unsafe fn(NonNull<Record>)) -> ByOrigin<Body> {
    ByOrigin {
        block: body::<F, T, B>(run, free_block::<F, T, B>),
        allocated: body::<F, T, B>(run, free::<F, T, B>),
    }
}

const fn body<F, T, B: Beside>(
    run: unsafe fn(NonNull<Record>),
    free: unsafe fn(NonNull<Record>),
) -> Body {
    let member_at = offset_of!(Task<F, T, B>, beside);
    Body {
        run,
        refuse: refuse::<F, T, B>,
        discard: discard::<F, T, B>,
        free,
        ended: None,
        join_at: offset_of!(Packet<T>, join),
        member_at: if B::IS_MEMBER { Some(member_at) } else { None },
    }
}

#[inline]
fn allocate<F, T, B>(
    bodies: &'static ByOrigin<Body>,
    closure: F,
    birth: Birth,
    beside: B,
) -> io::Result<(RecordRef, RecordRef)> {
    let Some((task, body)) = room::take::<Task<F, T, B>, _>(bodies) else {
        return Err(io::ErrorKind::OutOfMemory.into());
    };
    // SAFETY: freshly allocated for this type. A new record counts two
    // references, which are these. Part by part, so that none is built
    // elsewhere and copied.
    unsafe {
        let at = task.as_ptr();
        (&raw mut (*at).packet.record).write(Record::new(body, current::gives(birth)));
        (&raw mut (*at).packet.join).write(JoinState::new());
        (&raw mut (*at).packet.result).write(UnsafeCell::new(None));
        (&raw mut (*at).closure).write(UnsafeCell::new(Some(closure)));
        (&raw mut (*at).beside).write(beside);
        let record = task.cast::<Record>();
        record.as_ref().lies_at(record);
        Ok((RecordRef::from_raw(record), RecordRef::from_raw(record)))
    }
}

/// # Safety
/// `record` heads a `Task<F, T, B>`; once, on its green thread.
unsafe fn run<F: FnOnce() -> T, T, B: Beside>(record: NonNull<Record>) {
    // SAFETY: by the caller's promise; the scheduler's reference keeps it.
    let task = unsafe { record.cast::<Task<F, T, B>>().as_ref() };
    // SAFETY: only this run touches the closure.
    let Some(closure) = (unsafe { (*task.closure.get()).take() }) else {
        return;
    };
    let record = &task.packet.record;
    let result = run_unless_killed(record, closure);
    let how = Ending::of(&result);
    if let Err(why) = &result {
        task.beside.failed(record, why);
    }
    // The thread-locals end before anybody who joins goes on, as with OS threads.
    let stored = if task.packet.join.is_detached() {
        task.drop_unclaimed(result);
        locals::end(record);
        // SAFETY: the result is the finisher's until `finish`, which comes once.
        unsafe { store(task, how, None) }
    } else {
        locals::end(record);
        // SAFETY: as above.
        unsafe { store(task, how, Some(result)) }
    };
    if stored.called {
        end_again(record);
    }
    task.beside.over(record);
}

/// What the user's code has left in the thread-locals since they ended: the next green
/// thread on this stack is to find nothing of that.
#[cold]
fn end_again(record: &Record) {
    locals::end(record);
}

#[inline(always)] // as `store`
fn run_unless_killed<T>(record: &Record, closure: impl FnOnce() -> T) -> Result<T, JoinError> {
    if record.state.is_killed() {
        drop_quietly(closure); // before it started
        return Err(JoinError::Killed);
    }
    let closure = AssertUnwindSafe(|| storage::within_span(record, closure));
    catch_unwind(closure).map_err(kill::why_it_ended)
}

/// # Safety
/// `record` heads a `Task<F, T>`; once. The thread that runs it goes on, so its
/// thread-locals stay.
unsafe fn run_job<F: FnOnce() -> T, T>(record: NonNull<Record>) {
    // SAFETY: by the caller's promise; whoever runs it holds a reference.
    let task = unsafe { record.cast::<Task<F, T>>().as_ref() };
    // SAFETY: only this run touches the closure.
    if let Some(closure) = unsafe { (*task.closure.get()).take() } {
        let result = run_unless_killed(&task.packet.record, closure);
        // SAFETY: the result is the finisher's until `finish`, which comes once.
        unsafe { store(task, Ending::of(&result), Some(result)) };
    }
}

/// # Safety
/// As `run`, instead of it, on the worker.
unsafe fn refuse<F, T, B: Beside>(record: NonNull<Record>, why: io::Error) {
    // SAFETY: as in `run`.
    let task = unsafe { record.cast::<Task<F, T, B>>().as_ref() };
    let why = JoinError::NotStarted(why);
    task.beside.failed(&task.packet.record, &why);
    // What the closure holds may wait when it is dropped, and this may be a
    // worker: it is left to the joiner, unless there is none.
    // SAFETY: as in `run`.
    if unsafe { store(task, Ending::NotStarted, Some(Err(why))) }.detached {
        // SAFETY: detached, so it is the finisher's.
        unsafe { discard::<F, T, B>(record) };
    }
    task.beside.over(&task.packet.record);
}

/// # Safety
/// `record` heads a `Task<F, T, B>` that was refused; once.
unsafe fn discard<F, T, B>(record: NonNull<Record>) {
    // SAFETY: the caller's promise.
    let task = unsafe { record.cast::<Task<F, T, B>>().as_ref() };
    // SAFETY: as above.
    drop_quietly(unsafe { (*task.closure.get()).take() });
    storage::disinherit(&task.packet.record);
}

/// Leaves the result to who joins, or drops it.
///
/// # Safety
/// Once, by the finisher.
#[inline(always)] // else the result is put together elsewhere and copied
unsafe fn store<F, T, B: Beside>(
    task: &Task<F, T, B>,
    how: Ending,
    result: Option<Result<T, JoinError>>,
) -> Stored {
    // SAFETY: the caller's promise.
    let mut stored = unsafe { task.packet.store(how, result, || task.beside.ended()) };
    if stored.detached {
        // SAFETY: nobody will ask for it, so it is still the finisher's.
        if let Some(result) = unsafe { (*task.packet.result.get()).take() } {
            stored.called = true;
            task.drop_unclaimed(result);
        }
    }
    stored
}

impl<F, T, B: Beside> Task<F, T, B> {
    /// Nobody will ask for it.
    #[inline]
    fn drop_unclaimed(&self, result: Result<T, JoinError>) {
        match result {
            Ok(value) => drop_quietly(value),
            Err(why) => self.beside.unclaimed(why),
        }
    }
}

/// # Safety
/// The last reference to a `Task<F, T, B>` is gone, whose body this is part of.
unsafe fn free_block<F, T, B>(record: NonNull<Record>) {
    // SAFETY: of this type, by `allocate`; closure and result went with those that own them.
    unsafe { room::give_block(record.cast::<Task<F, T, B>>()) };
}

/// # Safety
/// As `free_block`.
unsafe fn free<F, T, B>(record: NonNull<Record>) {
    // SAFETY: as in `free_block`.
    unsafe { room::free(record.cast::<Task<F, T, B>>()) };
}

#[cfg(all(test, not(loom)))]
#[path = "body_tests.rs"]
mod tests;
