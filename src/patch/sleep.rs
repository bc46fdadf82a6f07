//! The family *sleep*.

use super::family::{Family, PROBE};
use super::gate::{Shim, int, parks};
use crate::green::cancel::failed_in_sleep;
use crate::green::park::give_way;
use crate::sys::clock;
use crate::sys::errno::Errno;
use crate::sys::real;
use crate::time;
use libc::{c_int, c_uint, clockid_t, timespec};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(clock_nanosleep as *const ()),
    Shim::new(nanosleep as *const ()),
    Shim::new(usleep as *const ()),
    Shim::new(self::sleep as *const ()),
    Shim::new(sched_yield as *const ()),
];

/// Sleeps on a green thread; `None`: leave it to libc.
///
/// # Safety
/// `req` is null or valid.
unsafe fn green(
    clock: clockid_t,
    absolute: bool,
    req: *const timespec,
) -> Option<Result<(), Errno>> {
    if !parks(Family::Sleep) {
        return None;
    }
    // SAFETY: the caller's promise; null is libc's to refuse.
    let slept = time::clock_sleep(clock, absolute, *unsafe { req.as_ref() }?)?;
    Some(slept.inspect_err(|why| failed_in_sleep(*why)))
}

/// See clock_nanosleep(2). A green thread's sleep is not interrupted by signals,
/// so `rem` is not written.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    req: *const timespec,
    rem: *mut timespec,
) -> c_int {
    let absolute = flags & libc::TIMER_ABSTIME != 0;
    // SAFETY: the caller's promise.
    match unsafe { green(clock, absolute, req) } {
        Some(result) => result.map_or_else(|e| e.0, |()| 0),
        // SAFETY: as above.
        None => unsafe { real::clock_nanosleep(clock, flags, req, rem) },
    }
}

/// See nanosleep(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn nanosleep(req: *const timespec, rem: *mut timespec) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { green(libc::CLOCK_MONOTONIC, false, req) } {
        Some(result) => int(result.map(|()| 0)),
        // SAFETY: as above.
        None => unsafe { real::nanosleep(req, rem) },
    }
}

/// See usleep(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn usleep(micros: c_uint) -> c_int {
    if parks(Family::Sleep) {
        return int(time::pause(Duration::from_micros(u64::from(micros))).map(|()| 0));
    }
    // SAFETY: the caller's promise.
    unsafe { real::usleep(micros) }
}

/// See sleep(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sleep(seconds: c_uint) -> c_uint {
    if parks(Family::Sleep) {
        let end = clock::after(Duration::from_secs(u64::from(seconds)));
        return match time::until(end) {
            Ok(()) => 0,
            // What is left, and that is not nothing.
            Err(_) => (end.saturating_sub(clock::now()) / 1_000_000_000) as c_uint + 1,
        };
    }
    // SAFETY: the caller's promise.
    unsafe { real::sleep(seconds) }
}

/// See sched_yield(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sched_yield() -> c_int {
    if parks(Family::Sleep) {
        give_way();
        return 0;
    }
    if PROBE.load(Relaxed) {
        PROBE.store(false, Relaxed);
    }
    // SAFETY: the caller's promise.
    unsafe { real::sched_yield() }
}
