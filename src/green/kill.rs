//! Killing a green thread.
//!
//! A killer sets `KILLED` in the state and notifies, in one step; the victim
//! does the rest (`cancel`). Pthreads are not killed: below them may be frames
//! of C, which nothing may unwind.

use super::cancel::{check, is_end, park_or_end, raise, with};
use super::current;
use super::park::give_way;
use super::record::{Record, RecordRef, Woken};
use crate::error::JoinError;
use crate::sys::clock::{self, Nanos};
use std::any::Any;

/// Between two looks at whether it has ended.
const LOOK_EVERY: Nanos = 1_000_000;

/// What unwound the closure of a green thread.
#[cold]
pub(crate) fn why_it_ended(payload: Box<dyn Any + Send>) -> JoinError {
    match is_end(&*payload) {
        Some(true) => JoinError::Killed,
        Some(false) => JoinError::Elapsed,
        None => JoinError::Panicked(payload),
    }
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
            let next = clock::now().saturating_add(LOOK_EVERY);
            park_or_end(Some(next)).unwrap_or_else(|end| raise(end));
        }
        turns = turns.saturating_add(1);
    }
}

/// Lets `f` finish: a kill that comes meanwhile, or the end of a
/// [`timeout`](crate::timeout) around it, takes effect at the first wait after
/// it. For clean-up that must not be cut short.
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
    struct Shield;
    impl Drop for Shield {
        fn drop(&mut self) {
            with(|marks, _| marks.unshield());
        }
    }
    with(|marks, _| marks.shield());
    let _shield = Shield;
    f()
}
