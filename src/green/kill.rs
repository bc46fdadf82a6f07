//! Killing a green thread: who marks it, where it notices, how it ends.
//!
//! A killer sets `KILLED` in the state and notifies, in one step. The bit stays
//! until the end. The victim looks at it at its own waits, before it waits and
//! after each wake-up, and unwinds from there with a private payload, so that
//! its destructors run. Nobody else ends it: what decides between a kill and a
//! completion is alone whether the closure returns or unwinds.
//!
//! It never unwinds from a patched call, whose callers may be C; nor while it
//! unwinds already, or is shielded. Then its waits wait, and the next one after
//! that raises: so `catch_unwind` does not keep it alive.
//!
//! Pthreads are not killed: below them may be frames of C.

use super::current;
use super::park::{Wake, give_way, park};
use super::record::{Record, RecordRef, Woken};
use crate::error::JoinError;
use crate::sys::clock::{self, Nanos};
use std::any::Any;
use std::panic::resume_unwind;

/// What a killed green thread unwinds with.
struct Killed;

/// While the kill cannot be delivered, how often to look again. With shared
/// thread-locals std counts panics per worker: the one that unwinds may be
/// another green thread, which parked in a destructor.
const AGAIN: Nanos = 1_000_000;

/// What unwound the closure of a green thread.
#[cold]
pub(crate) fn why_it_ended(payload: Box<dyn Any + Send>) -> JoinError {
    if payload.is::<Killed>() { JoinError::Killed } else { JoinError::Panicked(payload) }
}

/// Whether the current green thread, killed, is to end here.
#[cold]
fn is_deliverable(record: &Record) -> bool {
    record.own.shields.get() == 0 && !std::thread::panicking()
}

/// Unwinds the current green thread.
#[cold]
pub(crate) fn raise() -> ! {
    // One that catches this in a loop never ends, but the others run.
    give_way();
    resume_unwind(Box::new(Killed))
}

/// Ends the current green thread if it was killed.
#[inline]
pub(crate) fn check() {
    if let Some(record) = current::get()
        && record.state.is_killed()
        && is_deliverable(record)
    {
        raise();
    }
}

/// As `park`; `None`: it was killed, and the caller is to leave what it stands
/// in and `raise`.
#[inline]
pub(crate) fn park_or_end(deadline: Option<Nanos>) -> Option<Wake> {
    let Some(record) = current::get() else { return Some(park(deadline)) };
    if record.state.is_killed() {
        return park_killed(record, deadline);
    }
    let wake = park(deadline);
    let ends = record.state.is_killed() && is_deliverable(record);
    (!ends).then_some(wake)
}

#[cold]
fn park_killed(record: &Record, deadline: Option<Nanos>) -> Option<Wake> {
    if is_deliverable(record) {
        return None;
    }
    let again = clock::now().saturating_add(AGAIN);
    if deadline.is_some_and(|d| d <= again) {
        return Some(park(deadline));
    }
    park(Some(again));
    let ends = is_deliverable(record);
    (!ends).then_some(Wake::Notified)
}

/// Marks `victim`, and wakes it if it waits.
pub(crate) fn request(victim: &Record) {
    if !victim.is_pthread() && victim.state.kill() {
        // SAFETY: as in `Record::wake`: this kill won the right to queue it.
        Woken(unsafe { RecordRef::from_raw(victim.whole()) }).queue();
    }
}

/// Waits for the end of one that was requested.
pub(crate) fn wait_for_end(victim: &RecordRef) {
    if current::get().is_some_and(|me| std::ptr::eq(me, &**victim)) {
        return check(); // shielded or unwinding, it goes on
    }
    // Mostly it ends at once. It tells nobody but its joiner, so we look.
    let mut turns = 0_u32;
    while !victim.is_pthread() && !victim.state.is_done() {
        check();
        if turns < 16 {
            give_way();
        } else {
            let again = clock::now().saturating_add(AGAIN);
            if park_or_end(Some(again)).is_none() {
                raise();
            }
        }
        turns = turns.saturating_add(1);
    }
}

/// Lets `f` finish: a kill that comes meanwhile takes effect at the first wait
/// after it. On a plain OS thread, only calls `f`.
///
/// ```
/// let green = greenroom::spawn(|| {
///     greenroom::uncancellable(|| greenroom::park()); // only `unpark` ends this
///     greenroom::park();
/// });
/// green.thread().request_kill();
/// green.thread().unpark();
/// assert!(green.join().is_err_and(|e| e.is_killed()));
/// ```
pub fn uncancellable<T>(f: impl FnOnce() -> T) -> T {
    struct Shield<'a>(Option<&'a Record>);
    impl Drop for Shield<'_> {
        fn drop(&mut self) {
            if let Some(record) = self.0 {
                record.own.shields.set(record.own.shields.get() - 1);
            }
        }
    }
    let record = current::get();
    if let Some(record) = record {
        record.own.shields.set(record.own.shields.get() + 1);
    }
    let _shield = Shield(record);
    f()
}
