//! Waiting until a green thread has ended, whatever becomes of its result.

use super::join_state::JoinState;
use crate::green::cancel::{park_or_end, raise};
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
    let why = why(whose);
    let _said = why.say();
    // SAFETY: the caller's promise.
    if !unsafe { join.wait(Waiting::current()) } {
        return true;
    }
    loop {
        let wake = park(deadline);
        if join.has_come() {
            return true;
        }
        // SAFETY: it waits.
        if wake == Wake::TimedOut && unsafe { join.give_up() } {
            return false;
        }
    }
}

/// As `wait_for`, but unwinds if the caller is killed.
///
/// # Safety
/// As `wait_for`.
pub(super) unsafe fn wait_or_end(
    join: &JoinState,
    whose: &Record,
    deadline: Option<Nanos>,
) -> bool {
    let why = why(whose);
    let _said = why.say();
    // SAFETY: the caller's promise.
    if !unsafe { join.wait(Waiting::current()) } {
        return true;
    }
    loop {
        let wake = park_or_end(deadline);
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

/// As `wait_or_end`, on an OS thread, without a deadline; false if it would never
/// end.
///
/// # Safety
/// As `wait_for`.
#[cold]
pub(super) unsafe fn wait_or_fail(join: &JoinState, whose: &Record) -> bool {
    let joiner = joiners::enter();
    let why = why(whose);
    let _said = why.say();
    // SAFETY: the caller's promise.
    if !unsafe { join.wait(Waiting::current()) } {
        return true;
    }
    loop {
        let wake = park_or_end(None);
        if join.has_come() {
            return true;
        }
        if wake.is_ok() && !joiner.is_stalled() {
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
