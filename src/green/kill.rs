//! Killing a green thread.
//!
//! A killer sets `KILLED` in the state and notifies, in one step; the victim
//! does the rest (`cancel`), and `task/killing.rs` waits for its end. Pthreads
//! are not killed: below them may be frames of C, which nothing may unwind.

use super::cancel::{is_end, with};
use super::record::Record;
use super::state::Mark;
use crate::error::JoinError;
use std::any::Any;

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
    if !victim.is_pthread() {
        victim.unpark_with(Mark::KILLED);
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
