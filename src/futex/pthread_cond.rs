//! pthread's condition variables.
//!
//! libc's has no *try*, so those who wait never touch it: they stand in the
//! table under its address before they let go of the mutex. Who signals has
//! held the mutex since then, or may come too early anyway, as in POSIX.
//!
//! OS threads wait here as well: inside libc's wait they would let go of the
//! mutex unseen, and no green thread that waits for it would be woken. Those
//! who waited in libc before the family was patched are signalled last.

use super::pthread_lock::{lock, unlock};
use super::table::{self, ANY, Sleeper, Waited};
use crate::sys::clock::Nanos;
use crate::sys::parker::Parker;
use crate::sys::pthread;
use crate::sys::real;
use libc::{ETIMEDOUT, c_int, pthread_cond_t, pthread_mutex_t};

/// `pthread_cond_wait`. `None`: this one is libc's to wait for.
///
/// # Safety
/// As the C function.
pub(crate) unsafe fn wait(
    cond: *mut pthread_cond_t,
    mutex: *mut pthread_mutex_t,
    deadline: Option<Nanos>,
    green: bool,
) -> Option<c_int> {
    // SAFETY: the caller's promise.
    if unsafe { pthread::layout()?.cond_shared.of(cond) } {
        return None; // those who signal may be in another process
    }
    let mut refused = 0;
    let let_go = || {
        // SAFETY: as above.
        refused = unsafe { unlock(mutex) };
        refused == 0
    };
    let sleeper = if green { Sleeper::Green } else { Sleeper::Os(Parker::new()) };
    let waited = table::wait_after(sleeper, cond.addr(), ANY, deadline, || true, let_go);
    if refused != 0 {
        if waited == Waited::Woken {
            // SAFETY: as above. It was not for this one.
            unsafe { signal(cond) };
        }
        return Some(refused);
    }
    // SAFETY: as above.
    let tried = if green { unsafe { lock(mutex, None) } } else { None };
    // SAFETY: as above.
    let locked = tried.unwrap_or_else(|| unsafe { real::pthread_mutex_lock(mutex) });
    let result = if waited == Waited::TimedOut { ETIMEDOUT } else { 0 };
    Some(if locked == 0 { result } else { locked })
}

/// Whether the times of `pthread_cond_timedwait` are of the monotonic clock.
///
/// # Safety
/// An initialised condition variable.
pub(crate) unsafe fn is_monotonic(cond: *mut pthread_cond_t) -> bool {
    // SAFETY: the caller's promise.
    pthread::layout().is_some_and(|layout| unsafe { layout.cond_monotonic.of(cond) })
}

/// `pthread_cond_signal`, on any thread.
///
/// # Safety
/// As the C function.
#[inline]
pub(crate) unsafe fn signal(cond: *mut pthread_cond_t) -> c_int {
    if table::wake(cond.addr(), 1, ANY) > 0 {
        return 0;
    }
    // SAFETY: the caller's promise.
    unsafe { real::pthread_cond_signal(cond) }
}

/// `pthread_cond_broadcast`, on any thread.
///
/// # Safety
/// As the C function.
#[inline]
pub(crate) unsafe fn broadcast(cond: *mut pthread_cond_t) -> c_int {
    table::wake(cond.addr(), u32::MAX, ANY);
    // SAFETY: the caller's promise.
    unsafe { real::pthread_cond_broadcast(cond) }
}
