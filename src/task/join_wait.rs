//! Waiting until a green thread has ended, whatever becomes of its result.

use super::join_state::JoinState;
use crate::green::cancel::{park_or_end, raise};
use crate::green::limit::End;
use crate::green::park::{Waiting, Wake, park};
use crate::green::record::Record;
use crate::green::why::{Kind, Why};
use crate::sched::joiners;
use crate::sys::clock::Nanos;

/// That its end is waited for.
fn why(whose: &Record) -> Why {
    Why::new(if whose.birth.is_job { Kind::Job } else { Kind::Join }, whose.id())
}

/// Waits until `join`, `whose` it is, is done; false once the deadline has passed.
///
/// # Safety
/// The caller has the right to join, and does not wait yet.
pub(super) unsafe fn wait_for(join: &JoinState, whose: &Record, deadline: Option<Nanos>) -> bool {
    // SAFETY: the caller's promise.
    unsafe { wait(join, whose, || Ok(park(deadline))) }
}

/// As `wait_for`, but unwinds if the caller is killed.
///
/// # Safety
/// As `wait_for`.
#[inline(always)] // see `sched::wait::wait_one`
pub(super) unsafe fn wait_or_end(
    join: &JoinState,
    whose: &Record,
    deadline: Option<Nanos>,
) -> bool {
    // SAFETY: the caller's promise.
    unsafe { wait(join, whose, || park_or_end(deadline)) }
}

/// As `wait_or_end`, on an OS thread, without a deadline; false if it would never
/// end.
///
/// # Safety
/// As `wait_for`.
#[cold]
pub(super) unsafe fn wait_or_fail(join: &JoinState, whose: &Record) -> bool {
    let joiner = joiners::enter();
    let park = || {
        park_or_end(None)?;
        Ok(if joiner.is_stalled() { Wake::TimedOut } else { Wake::Notified })
    };
    // SAFETY: the caller's promise.
    unsafe { wait(join, whose, park) }
}

/// Waits by means of `park`, whose error unwinds the caller.
///
/// # Safety
/// As `wait_for`.
#[inline(always)] // parking is, too
unsafe fn wait(join: &JoinState, whose: &Record, park: impl Fn() -> Result<Wake, End>) -> bool {
    let why = why(whose);
    let _said = why.say();
    // SAFETY: the caller's promise.
    if !unsafe { join.wait(Waiting::current()) } {
        return true;
    }
    loop {
        let wake = park();
        if join.has_come() {
            return true;
        }
        if wake == Ok(Wake::Notified) {
            continue;
        }
        // SAFETY: it waits.
        if !unsafe { join.give_up() } {
            return true; // the result was first, and `give_up` has waited for it
        }
        match wake {
            Err(end) => raise(end),
            Ok(_) => return false,
        }
    }
}
