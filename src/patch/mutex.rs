//! The family *sync* for C: mutexes and condition variables.

use super::family::Family;
use super::gate::{Shim, deadline, minds_locks, parks, until};
use crate::futex::{pthread_cond, pthread_lock};
use crate::sys::real;
use libc::{
    CLOCK_MONOTONIC, CLOCK_REALTIME, c_int, clockid_t, pthread_cond_t, pthread_mutex_t, timespec,
};

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(pthread_mutex_lock as *const ()),
    Shim::new(pthread_mutex_timedlock as *const ()),
    Shim::new(pthread_mutex_clocklock as *const ()),
    Shim::new(pthread_mutex_unlock as *const ()),
    Shim::new(pthread_cond_wait as *const ()),
    Shim::new(pthread_cond_timedwait as *const ()),
    Shim::new(pthread_cond_clockwait as *const ()),
    Shim::new(pthread_cond_signal as *const ()),
    Shim::new(pthread_cond_broadcast as *const ()),
];

/// See pthread_mutex_lock(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_mutex_lock(mutex: *mut pthread_mutex_t) -> c_int {
    if parks(Family::Sync) {
        // SAFETY: the caller's promise.
        if let Some(result) = unsafe { pthread_lock::lock(mutex, None) } {
            return result;
        }
    }
    // SAFETY: as above.
    unsafe { real::pthread_mutex_lock(mutex) }
}

/// See pthread_mutex_timedlock(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_mutex_timedlock(
    mutex: *mut pthread_mutex_t,
    time: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    if let Some(at) = unsafe { until(CLOCK_REALTIME, time) } {
        // SAFETY: as above.
        if let Some(result) = unsafe { pthread_lock::lock(mutex, Some(at)) } {
            return result;
        }
    }
    // SAFETY: as above.
    unsafe { real::pthread_mutex_timedlock(mutex, time) }
}

/// See pthread_mutex_clocklock(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_mutex_clocklock(
    mutex: *mut pthread_mutex_t,
    clock: clockid_t,
    time: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    if let Some(at) = unsafe { until(clock, time) } {
        // SAFETY: as above.
        if let Some(result) = unsafe { pthread_lock::lock(mutex, Some(at)) } {
            return result;
        }
    }
    // SAFETY: as above.
    unsafe { real::pthread_mutex_clocklock(mutex, clock, time) }
}

/// See pthread_mutex_unlock(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_mutex_unlock(mutex: *mut pthread_mutex_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if minds_locks() { pthread_lock::unlock(mutex) } else { real::pthread_mutex_unlock(mutex) }
    }
}

/// See pthread_cond_wait(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_cond_wait(
    cond: *mut pthread_cond_t,
    mutex: *mut pthread_mutex_t,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if minds_locks()
            && let Some(result) = pthread_cond::wait(cond, mutex, None, parks(Family::Sync))
        {
            return result;
        }
        real::pthread_cond_wait(cond, mutex)
    }
}

/// See pthread_cond_timedwait(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_cond_timedwait(
    cond: *mut pthread_cond_t,
    mutex: *mut pthread_mutex_t,
    time: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if minds_locks() {
            let monotonic = pthread_cond::is_monotonic(cond);
            let clock = if monotonic { CLOCK_MONOTONIC } else { CLOCK_REALTIME };
            if let Some(at) = deadline(clock, time)
                && let Some(result) = pthread_cond::wait(cond, mutex, Some(at), parks(Family::Sync))
            {
                return result;
            }
        }
        real::pthread_cond_timedwait(cond, mutex, time)
    }
}

/// See pthread_cond_clockwait(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_cond_clockwait(
    cond: *mut pthread_cond_t,
    mutex: *mut pthread_mutex_t,
    clock: clockid_t,
    time: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if minds_locks()
            && let Some(at) = deadline(clock, time)
            && let Some(result) = pthread_cond::wait(cond, mutex, Some(at), parks(Family::Sync))
        {
            return result;
        }
        real::pthread_cond_clockwait(cond, mutex, clock, time)
    }
}

/// See pthread_cond_signal(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_cond_signal(cond: *mut pthread_cond_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if minds_locks() { pthread_cond::signal(cond) } else { real::pthread_cond_signal(cond) }
    }
}

/// See pthread_cond_broadcast(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_cond_broadcast(cond: *mut pthread_cond_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if minds_locks() {
            pthread_cond::broadcast(cond)
        } else {
            real::pthread_cond_broadcast(cond)
        }
    }
}
