//! The family *sync* for C: read-write locks, semaphores, `pthread_once` and
//! barriers.

use super::family::Family;
use super::gate::{Shim, int, minds_locks, parks, until};
use crate::futex::pthread_once::{self, Init};
use crate::futex::{pthread_barrier, pthread_lock};
use crate::sys::errno::Errno;
use crate::sys::real;
use libc::{
    CLOCK_REALTIME, c_int, c_void, clockid_t, pthread_barrier_t, pthread_once_t, pthread_rwlock_t,
    sem_t, timespec,
};

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(pthread_rwlock_rdlock as *const ()),
    Shim::new(pthread_rwlock_timedrdlock as *const ()),
    Shim::new(pthread_rwlock_clockrdlock as *const ()),
    Shim::new(pthread_rwlock_wrlock as *const ()),
    Shim::new(pthread_rwlock_timedwrlock as *const ()),
    Shim::new(pthread_rwlock_clockwrlock as *const ()),
    Shim::new(pthread_rwlock_unlock as *const ()),
    Shim::new(sem_wait as *const ()),
    Shim::new(sem_timedwait as *const ()),
    Shim::new(sem_clockwait as *const ()),
    Shim::new(sem_post as *const ()),
    Shim::new(pthread_once as *const ()),
    Shim::new(pthread_barrier_wait as *const ()),
    Shim::new(pthread_barrier_destroy as *const ()),
];

/// See pthread_rwlock_rdlock(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_rwlock_rdlock(lock: *mut pthread_rwlock_t) -> c_int {
    if parks(Family::Sync) {
        // SAFETY: the caller's promise.
        if let Some(result) = unsafe { pthread_lock::read(lock, None) } {
            return result;
        }
    }
    // SAFETY: as above.
    unsafe { real::pthread_rwlock_rdlock(lock) }
}

/// See pthread_rwlock_timedrdlock(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_rwlock_timedrdlock(
    lock: *mut pthread_rwlock_t,
    time: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    if let Some(at) = unsafe { until(CLOCK_REALTIME, time) } {
        // SAFETY: as above.
        if let Some(result) = unsafe { pthread_lock::read(lock, Some(at)) } {
            return result;
        }
    }
    // SAFETY: as above.
    unsafe { real::pthread_rwlock_timedrdlock(lock, time) }
}

/// See pthread_rwlock_clockrdlock(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_rwlock_clockrdlock(
    lock: *mut pthread_rwlock_t,
    clock: clockid_t,
    time: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    if let Some(at) = unsafe { until(clock, time) } {
        // SAFETY: as above.
        if let Some(result) = unsafe { pthread_lock::read(lock, Some(at)) } {
            return result;
        }
    }
    // SAFETY: as above.
    unsafe { real::pthread_rwlock_clockrdlock(lock, clock, time) }
}

/// See pthread_rwlock_wrlock(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_rwlock_wrlock(lock: *mut pthread_rwlock_t) -> c_int {
    if parks(Family::Sync) {
        // SAFETY: the caller's promise.
        if let Some(result) = unsafe { pthread_lock::write(lock, None) } {
            return result;
        }
    }
    // SAFETY: as above.
    unsafe { real::pthread_rwlock_wrlock(lock) }
}

/// See pthread_rwlock_timedwrlock(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_rwlock_timedwrlock(
    lock: *mut pthread_rwlock_t,
    time: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    if let Some(at) = unsafe { until(CLOCK_REALTIME, time) } {
        // SAFETY: as above.
        if let Some(result) = unsafe { pthread_lock::write(lock, Some(at)) } {
            return result;
        }
    }
    // SAFETY: as above.
    gave_up(lock, unsafe { real::pthread_rwlock_timedwrlock(lock, time) })
}

/// See pthread_rwlock_clockwrlock(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_rwlock_clockwrlock(
    lock: *mut pthread_rwlock_t,
    clock: clockid_t,
    time: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    if let Some(at) = unsafe { until(clock, time) } {
        // SAFETY: as above.
        if let Some(result) = unsafe { pthread_lock::write(lock, Some(at)) } {
            return result;
        }
    }
    // SAFETY: as above.
    gave_up(lock, unsafe { real::pthread_rwlock_clockwrlock(lock, clock, time) })
}

/// Passes on what libc says to a writer.
fn gave_up(lock: *mut pthread_rwlock_t, result: c_int) -> c_int {
    if result != 0 && minds_locks() {
        pthread_lock::let_readers_in(lock);
    }
    result
}

/// See pthread_rwlock_unlock(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_rwlock_unlock(lock: *mut pthread_rwlock_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if minds_locks() { pthread_lock::release(lock) } else { real::pthread_rwlock_unlock(lock) }
    }
}

/// A semaphore's functions report through `errno`.
fn reported(result: c_int) -> c_int {
    int(if result == 0 { Ok(0) } else { Err(Errno(result)) })
}

/// See sem_wait(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sem_wait(sem: *mut sem_t) -> c_int {
    if parks(Family::Sync) {
        // SAFETY: the caller's promise.
        if let Some(result) = unsafe { pthread_lock::take(sem, None) } {
            return reported(result);
        }
    }
    // SAFETY: as above.
    unsafe { real::sem_wait(sem) }
}

/// See sem_timedwait(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sem_timedwait(sem: *mut sem_t, time: *const timespec) -> c_int {
    // SAFETY: the caller's promise.
    if let Some(at) = unsafe { until(CLOCK_REALTIME, time) } {
        // SAFETY: as above.
        if let Some(result) = unsafe { pthread_lock::take(sem, Some(at)) } {
            return reported(result);
        }
    }
    // SAFETY: as above.
    unsafe { real::sem_timedwait(sem, time) }
}

/// See sem_clockwait(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sem_clockwait(
    sem: *mut sem_t,
    clock: clockid_t,
    time: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    if let Some(at) = unsafe { until(clock, time) } {
        // SAFETY: as above.
        if let Some(result) = unsafe { pthread_lock::take(sem, Some(at)) } {
            return reported(result);
        }
    }
    // SAFETY: as above.
    unsafe { real::sem_clockwait(sem, clock, time) }
}

/// See sem_post(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sem_post(sem: *mut sem_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { if minds_locks() { pthread_lock::post(sem) } else { real::sem_post(sem) } }
}

/// See pthread_once(3). On OS threads it jumps to libc's and leaves no frame,
/// so that C++ can throw out of the initialiser; on green threads that aborts.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
#[unsafe(naked)]
pub(super) unsafe extern "C" fn pthread_once(once: *mut pthread_once_t, init: Init) -> c_int {
    // Keeps both arguments, and the stack aligned, over the call.
    std::arch::naked_asm!(
        "push rdi",
        "push rsi",
        "sub rsp, 8",
        "call {whose}",
        "add rsp, 8",
        "pop rsi",
        "pop rdi",
        "jmp rax",
        whose = sym whose_once,
    )
}

/// The function that does it for the calling thread.
extern "C" fn whose_once() -> *const c_void {
    if parks(Family::Sync) { green_once as *const c_void } else { real::pthread_once_at() }
}

/// # Safety
/// As `pthread_once`.
unsafe extern "C" fn green_once(once: *mut pthread_once_t, init: Init) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { pthread_once::on_green(once, init) }
}

/// See pthread_barrier_wait(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_barrier_wait(barrier: *mut pthread_barrier_t) -> c_int {
    if parks(Family::Sync) {
        // SAFETY: the caller's promise.
        if let Some(result) = unsafe { pthread_barrier::wait(barrier) } {
            return result;
        }
    }
    // SAFETY: as above.
    unsafe { pthread_barrier::on_os(barrier) }
}

/// See pthread_barrier_destroy(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_barrier_destroy(barrier: *mut pthread_barrier_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if parks(Family::Sync) {
            pthread_barrier::destroy(barrier)
        } else {
            real::pthread_barrier_destroy(barrier)
        }
    }
}
