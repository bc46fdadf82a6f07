//! Ending a wait before what it waits for: by a kill, or by a `timeout`.
//!
//! Two marks: `KILLED` in a green thread's state, set by anybody, which stays;
//! and the thread's [`Limit`]s, one for each `timeout` that it is in, linked on
//! its own stack. Nobody interrupts a thread. It looks itself, before each wait
//! and after, and bounds each park by its limit.
//!
//! * greenroom's own waits unwind with a private payload, so that destructors
//!   run. What decides between a kill and a completion is alone whether the
//!   closure returns or unwinds. While it unwinds already they wait, as before.
//! * Patched calls, whose callers may be C, are never unwound: they fail, with
//!   ECANCELED or ETIMEDOUT.
//! * What came together with the end of a wait counts; the next wait fails.
//! * Under a shield neither happens.
//!
//! All of that lasts until the thread ends or has left the `timeout`, so
//! `catch_unwind` does not help.

use super::current;
use super::limit::{End, Limit, Marks};
use super::park::{Wake, give_way, park};
use super::record::Record;
use super::state::State;
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use std::any::Any;
use std::panic::resume_unwind;

/// What a wait unwinds with: of a limit, what tells it from others.
struct Ended(Option<(usize, Nanos)>);

thread_local! {
    /// Of a plain OS thread.
    static OS: Marks = const { Marks::new() };
}

/// While an end cannot be delivered, how often to look again. With shared
/// thread-locals std counts panics per worker: the one that unwinds may be
/// another green thread, which parked in a destructor.
const AGAIN: Nanos = 1_000_000;
/// After so many failed calls each takes `AGAIN`: a loop that takes no error
/// for an answer must not take all of a worker, too.
const PATIENT: u16 = 128;

fn again() -> Nanos {
    clock::now().saturating_add(AGAIN)
}

/// Whether nothing can end the waits of `record`.
#[inline]
fn is_free(record: &Record) -> bool {
    !record.state.is_killed() && record.own.marks.limit.get().is_null()
}

/// With the marks of this thread, and the state of a green one. They stay where
/// they are, whatever `f` waits for.
pub(super) fn with<T>(f: impl FnOnce(&Marks, Option<&State>) -> T) -> T {
    match current::get() {
        Some(record) => f(&record.own.marks, Some(&record.state)),
        None => OS.with(|marks| f(marks, None)),
    }
}

/// Unwinds this thread from its wait.
#[cold]
pub(crate) fn raise(end: End) -> ! {
    // One that catches this in a loop never ends, but the others run.
    give_way();
    let whose = match end {
        End::Killed => None,
        End::Elapsed(limit) => {
            // SAFETY: this thread is in it, so it is on this stack.
            let limit = unsafe { &*limit };
            limit.struck.set(true);
            Some(limit.which())
        }
    };
    resume_unwind(Box::new(Ended(whose)))
}

/// Unwinds this thread if it is to end here.
#[inline]
pub(crate) fn check() {
    if current::get().is_some_and(is_free) {
        return;
    }
    if let Some(end) = due() {
        raise(end);
    }
}

/// Why this thread is to end here, if it is, and can.
pub(crate) fn due() -> Option<End> {
    with(|marks, state| marks.end(state)).filter(|_| !std::thread::panicking())
}

/// Whether this thread was killed, and no shield keeps that out.
pub(crate) fn is_killed() -> bool {
    with(|marks, state| marks.end(state)) == Some(End::Killed)
}

/// As `park`, for greenroom's own waits. After an error the caller is to leave
/// what it stands in and `raise`.
///
/// # Errors
/// This thread is to end, or has reached its limit.
#[inline(always)] // see `wait_one`
pub(crate) fn park_or_end(deadline: Option<Nanos>) -> Result<Wake, End> {
    match current::get() {
        Some(record) if is_free(record) => {
            let wake = park(deadline);
            if record.state.is_killed() { woken(wake) } else { Ok(wake) }
        }
        _ => park_within(deadline),
    }
}

#[cold]
fn woken(wake: Wake) -> Result<Wake, End> {
    due().map_or(Ok(wake), Err)
}

#[cold]
fn park_within(deadline: Option<Nanos>) -> Result<Wake, End> {
    let bound = match with(|marks, state| marks.end(state)) {
        Some(end) if !std::thread::panicking() => return Err(end),
        Some(_) => Some(again()),
        None => limit(),
    };
    let bound = bound.filter(|bound| deadline.is_none_or(|deadline| *bound < deadline));
    match woken(park(bound.or(deadline)))? {
        Wake::TimedOut if bound.is_some() => Ok(Wake::Notified),
        wake => Ok(wake),
    }
}

/// As `park`, in a patched call.
///
/// # Errors
/// ECANCELED: this green thread was killed. ETIMEDOUT: its limit is past.
#[inline(always)] // see `wait_one`
pub(crate) fn park_or_fail(deadline: Option<Nanos>) -> Result<Wake, Errno> {
    match current::get() {
        Some(record) if is_free(record) => {
            let wake = park(deadline);
            if record.state.is_killed() { failed(record).map(|()| wake) } else { Ok(wake) }
        }
        Some(record) => park_or_fail_within(record, deadline),
        None => Ok(park(deadline)),
    }
}

/// As `park_or_fail`, in a sleep. That of std panics if it fails, and amid an
/// unwinding this would abort: then it goes on, as greenroom's own waits.
///
/// # Errors
/// As `park_or_fail`.
pub(crate) fn sleep_or_fail(deadline: Nanos) -> Result<Wake, Errno> {
    match current::get() {
        Some(record) if std::thread::panicking() => {
            Ok(park(Some(if is_free(record) { deadline } else { deadline.min(again()) })))
        }
        _ => park_or_fail(Some(deadline)),
    }
}

#[cold]
fn park_or_fail_within(record: &Record, deadline: Option<Nanos>) -> Result<Wake, Errno> {
    failed(record)?;
    let limit = record.own.marks.limit().map(|limit| limit.until.get());
    let bound = limit.filter(|limit| deadline.is_none_or(|deadline| *limit < deadline));
    let wake = park(bound.or(deadline));
    failed(record)?;
    Ok(if bound.is_some() { Wake::Notified } else { wake })
}

/// Before a patched call that may wait.
///
/// # Errors
/// As `park_or_fail`.
#[inline]
pub(crate) fn refused() -> Result<(), Errno> {
    match current::get() {
        Some(record) if !is_free(record) => failed(record),
        _ => Ok(()),
    }
}

#[cold]
fn failed(record: &Record) -> Result<(), Errno> {
    let marks = &record.own.marks;
    let why = match marks.end(Some(&record.state)) {
        None => return Ok(()),
        Some(End::Killed) => Errno(libc::ECANCELED),
        Some(End::Elapsed(owner)) => {
            // SAFETY: this thread is in it, so it is on this stack.
            unsafe { &*owner }.struck.set(true);
            Errno(libc::ETIMEDOUT)
        }
    };
    let refusals = marks.refusals.get();
    marks.refusals.set(refusals.saturating_add(1));
    if refusals < PATIENT {
        give_way();
    } else {
        park(Some(again()));
    }
    Err(why)
}

/// A sleep of libc's failed. That of std asserts that it was EINTR, and panics.
pub(crate) fn failed_in_sleep(why: Errno) {
    with(|marks, _| marks.slept.set(why.0 as u8));
}

/// Whether that panic is only how std's sleep ends.
pub(super) fn is_end_of_sleep(text: &str) -> bool {
    let why = with(|marks, _| marks.slept.get());
    why != 0
        && text.starts_with("assertion `left == right` failed")
        && text.ends_with(&format!("\n  left: {why}\n right: {}", libc::EINTR))
}

/// What std's sleep failed with, if `payload` is of that.
fn end_of_sleep(payload: &(dyn Any + Send)) -> Option<i32> {
    let text = payload.downcast_ref::<String>()?;
    is_end_of_sleep(text).then(|| with(|marks, _| marks.slept.get()).into())
}

/// Whether `payload` is how a green thread ends that was killed (true), or whose
/// inherited limit is past; `None`: it panicked.
pub(crate) fn is_end(payload: &(dyn Any + Send)) -> Option<bool> {
    if let Some(ended) = payload.downcast_ref::<Ended>() {
        return Some(ended.0.is_none());
    }
    end_of_sleep(payload).map(|why| why == libc::ECANCELED)
}

impl Limit {
    /// Calls `f`, whose waits end with this limit at the latest.
    pub(crate) fn within<T>(&self, f: impl FnOnce() -> T) -> T {
        struct Entered<'a>(&'a Limit);
        impl Drop for Entered<'_> {
            fn drop(&mut self) {
                with(|marks, _| {
                    marks.limit.set(self.0.outer.get());
                    marks.refusals.set(0);
                });
            }
        }
        with(|marks, _| {
            let outer = marks.limit.replace(self);
            self.outer.set(outer);
            // SAFETY: this thread is in it, so it is on this stack.
            unsafe { self.bind() };
        });
        let _entered = Entered(self);
        f()
    }

    /// Whether `payload` says that this limit is past.
    pub(crate) fn is_end(&self, payload: &(dyn Any + Send)) -> bool {
        match payload.downcast_ref::<Ended>() {
            Some(ended) => ended.0 == Some(self.which()),
            None => self.struck.get() && end_of_sleep(payload) == Some(libc::ETIMEDOUT),
        }
    }
}

/// When this thread's waits end at the latest.
pub(crate) fn limit() -> Option<Nanos> {
    with(|marks, _| marks.limit().map(|limit| limit.until.get()))
}
