//! Limits on the time that something may take.

use crate::error::Elapsed;
use crate::green::cancel;
use crate::green::limit::Limit;
use crate::sys::clock;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

/// Runs `f`, and ends what it waits for once `d` has passed.
///
/// greenroom's own waits in `f` (`sleep`, `join`, `park`, locks, queues) unwind
/// from there to here, so destructors run. The patched calls, and those of
/// [`net`](crate::net), [`io`](crate::io) and [`process`](crate::process), fail
/// with `ETIMEDOUT` ([`TimedOut`](std::io::ErrorKind::TimedOut)), and so does
/// each further one until `f` is left. `std::thread::sleep` ends as well; std's
/// locks and channels, which cannot fail, do not. What unwraps such an error
/// panics: so does std's `Command::output`, but not that of
/// [`process`](crate::process).
///
/// Computing is not interrupted, nor is anything inside
/// [`uncancellable`](crate::uncancellable), nor are greenroom's own waits in
/// destructors that run amid an unwinding, also if the `timeout` is in there, as
/// that would abort. Timeouts nest: each ends by its own
/// time, and none is taken for another. On a plain OS thread only greenroom's
/// own waits end early; std's calls there are the kernel's. In a program with
/// `panic = "abort"`, only patched calls can be ended: unwinding aborts.
///
/// # Errors
/// Something in `f` was cut short by this timeout. If nothing was, the value of
/// `f` is returned even if it came late.
///
/// # Panics
/// If `f` does.
///
/// ```
/// use greenroom::{sleep, timeout};
/// use std::time::Duration;
///
/// let slow = || sleep(Duration::from_secs(3600));
/// let error = timeout(Duration::from_millis(10), slow).unwrap_err();
/// assert_eq!(error.to_string(), "not done within 10ms");
/// assert_eq!(timeout(Duration::from_secs(60), || 6 * 7), Ok(42));
/// ```
pub fn timeout<T>(d: Duration, f: impl FnOnce() -> T) -> Result<T, Elapsed> {
    let limit = Limit::new(clock::after(d));
    match limit.within(|| catch_unwind(AssertUnwindSafe(f))) {
        Ok(value) if !limit.has_struck() => Ok(value),
        Ok(_) => Err(Elapsed(d)),
        Err(payload) if limit.is_end(&*payload) => Err(Elapsed(d)),
        Err(payload) => resume_unwind(payload),
    }
}

/// What is left until the first [`timeout`] around the caller ends: zero if that
/// is past, `None` if there is none, or [`uncancellable`](crate::uncancellable)
/// shields from it.
///
/// ```
/// use greenroom::{time_left, timeout};
/// use std::time::Duration;
///
/// assert_eq!(time_left(), None);
/// let left = timeout(Duration::from_secs(60), || time_left().unwrap()).unwrap();
/// assert!(left <= Duration::from_secs(60));
/// ```
pub fn time_left() -> Option<Duration> {
    let until = cancel::limit()?;
    Some(Duration::from_nanos(until.saturating_sub(clock::now())))
}
