//! Waiting until a green thread has ended, whatever becomes of its result.

use super::join_state::JoinState;
use crate::green::cancel::{park_or_end, raise};
use crate::green::park::{Waiting, Wake, park};
use crate::green::record::Record;
use crate::green::why::{Kind, Why};
use crate::sched::joiners::{self, Joiner};
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

/// How a wait ended.
pub(super) enum Waited {
    Done,
    TimedOut,
    /// It would never end.
    Stalled,
    /// It would be for the caller's own end.
    Itself,
}

/// As `wait_for`, but unwinds if the caller is killed, and if it `may_fail` tells
/// when nothing can go on.
///
/// # Safety
/// As `wait_for`.
pub(super) unsafe fn wait_or_end(
    join: &JoinState,
    whose: &Record,
    deadline: Option<Nanos>,
    may_fail: bool,
) -> Waited {
    let why = why(whose);
    let _said = why.say();
    // SAFETY: the caller's promise.
    if !unsafe { join.wait(Waiting::current()) } {
        return Waited::Done;
    }
    let joiner = if may_fail && deadline.is_none() { joiners::enter() } else { None };
    loop {
        let wake = park_or_end(deadline);
        if join.has_come() {
            return Waited::Done;
        }
        let stalled = joiner.as_ref().is_some_and(Joiner::is_stalled);
        if wake == Ok(Wake::Notified) && !stalled {
            continue;
        }
        // SAFETY: it waits.
        if !unsafe { join.give_up() } {
            return Waited::Done; // the result was first, and `give_up` has waited for it
        }
        match wake {
            Err(end) => raise(end),
            Ok(_) if stalled => return Waited::Stalled,
            Ok(_) => return Waited::TimedOut,
        }
    }
}
