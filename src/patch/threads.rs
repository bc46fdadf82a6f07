//! The family *threads*: making, joining and ending.
//!
//! What a green thread cannot be stays an OS thread: one with a stack of the
//! caller's, or of more than 1 GiB. C11's `thrd_*` functions and timers with
//! `SIGEV_THREAD` make their threads inside libc, not through these symbols:
//! those are OS threads too. Scheduling attributes are ignored.

use super::family::{Family, is_patched};
use super::gate::{Shim, parks};
use crate::green::current;
use crate::green::kill::uncancellable;
use crate::sched::start;
use crate::stack::SizeClass;
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use crate::sys::rare;
use crate::sys::real::{self, Start};
use crate::task::named::{HANDED_OVER, hand_over};
use crate::task::pthread::{self, Wanted};
use crate::task::whose::{Green, find};
use crate::time;
use libc::{c_int, c_void, clockid_t, pthread_attr_t, pthread_t, timespec};
use std::mem::MaybeUninit;
use std::ptr;

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(pthread_create as *const ()),
    Shim::new(pthread_join as *const ()),
    Shim::new(pthread_tryjoin_np as *const ()),
    Shim::new(pthread_timedjoin_np as *const ()),
    Shim::new(pthread_clockjoin_np as *const ()),
    Shim::new(pthread_detach as *const ()),
    Shim::new(pthread_exit as *const ()),
];

/// See pthread_create(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_create(
    out: *mut pthread_t,
    attr: *const pthread_attr_t,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    let stack = || {
        let mut size = 0;
        // SAFETY: the caller's promise; an out pointer.
        let known =
            !attr.is_null() && unsafe { libc::pthread_attr_getstacksize(attr, &mut size) } == 0;
        if known { size } else { 0 }
    };
    if hand_over(start, argument, stack) {
        // SAFETY: the caller's out pointer.
        unsafe { out.write(HANDED_OVER) };
        return 0;
    }
    if is_patched(Family::Threads) && !current::spawns_native() && !start::is_forked() {
        // SAFETY: the caller's promise.
        if let Some((class, detached)) = unsafe { asked(attr) } {
            let wanted = Wanted { start, argument, class, detached };
            // SAFETY: as above.
            return code(unsafe { pthread::create(wanted, out) });
        }
    }
    // SAFETY: as above.
    unsafe { real::pthread_create(out, attr, start, argument) }
}

fn code(result: Result<(), Errno>) -> c_int {
    result.map_or_else(|e| e.0, |()| 0)
}

unsafe extern "C" {
    fn pthread_attr_getdetachstate(attr: *const pthread_attr_t, state: *mut c_int) -> c_int;
}

/// The stack that these attributes ask for, and whether the thread is detached;
/// `None`: not for a green thread.
///
/// # Safety
/// `attr` is null or valid.
unsafe fn asked(attr: *const pthread_attr_t) -> Option<(SizeClass, bool)> {
    let mut default = MaybeUninit::uninit();
    let (mut at, mut size, mut state) = (ptr::null_mut(), 0, 0);
    // SAFETY: the caller's promise, or just initialised; out pointers.
    unsafe {
        let attr = if attr.is_null() {
            libc::pthread_attr_init(default.as_mut_ptr());
            default.as_ptr()
        } else {
            attr
        };
        // glibc gives the lowest address, worked out from a highest of 0 if
        // the caller has set no stack.
        libc::pthread_attr_getstack(attr, &mut at, &mut size);
        if at.addr().wrapping_add(size) != 0 {
            return None;
        }
        libc::pthread_attr_getstacksize(attr, &mut size);
        pthread_attr_getdetachstate(attr, &mut state);
    }
    let class = SizeClass::for_size(size).ok()?;
    Some((class, state == libc::PTHREAD_CREATE_DETACHED))
}

/// Joins, if `thread` is green or the caller is; `None`: leave it to libc.
///
/// # Safety
/// `value` is null or valid, and `thread` a handle.
unsafe fn join(
    thread: pthread_t,
    value: *mut *mut c_void,
    deadline: Option<Nanos>,
) -> Option<c_int> {
    let joined = match find(thread) {
        Some(Green::Pthread(green)) => green.join(deadline),
        Some(Green::Task(_)) => Err(Errno(libc::EDEADLK)),
        None if parks(Family::Threads) => {
            // SAFETY: the caller's promise.
            return Some(unsafe { join_os_thread(thread, value, deadline) });
        }
        None => return None,
    };
    Some(code(joined.map(|v| {
        // SAFETY: the caller's promise.
        if let Some(value) = unsafe { value.as_mut() } {
            *value = v;
        }
    })))
}

/// A green thread waits for an OS thread: the kernel wakes only who waits in
/// it, so this looks again and again, at first soon, then every 5 ms.
///
/// # Safety
/// As `join`.
unsafe fn join_os_thread(
    thread: pthread_t,
    value: *mut *mut c_void,
    deadline: Option<Nanos>,
) -> c_int {
    let mut pause = 20_000;
    loop {
        // SAFETY: the caller's promise.
        match unsafe { real::pthread_tryjoin_np(thread, value) } {
            libc::EBUSY => {}
            result => return result,
        }
        let now = clock::now();
        if deadline.is_some_and(|at| at <= now) {
            return libc::ETIMEDOUT;
        }
        let next = deadline.unwrap_or(Nanos::MAX).min(now + pause);
        // It has no way to fail that its callers know.
        let _ = uncancellable(|| time::until(next));
        pause = (pause * 2).min(5_000_000);
    }
}

/// See pthread_join(3). On a green thread it parks, also for an OS thread.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_join(thread: pthread_t, value: *mut *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    let joined = unsafe { join(thread, value, None) };
    // SAFETY: as above.
    joined.unwrap_or_else(|| unsafe { real::pthread_join(thread, value) })
}

/// See pthread_tryjoin_np(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_tryjoin_np(
    thread: pthread_t,
    value: *mut *mut c_void,
) -> c_int {
    if find(thread).is_none() {
        // SAFETY: the caller's promise.
        return unsafe { real::pthread_tryjoin_np(thread, value) };
    }
    // SAFETY: as above.
    match unsafe { join(thread, value, Some(0)) } {
        Some(libc::ETIMEDOUT) => libc::EBUSY,
        joined => joined.unwrap_or(libc::ESRCH),
    }
}

/// See pthread_timedjoin_np(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_timedjoin_np(
    thread: pthread_t,
    value: *mut *mut c_void,
    until: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        let libc = || real::pthread_timedjoin_np(thread, value, until);
        join_until(thread, value, libc::CLOCK_REALTIME, until).unwrap_or_else(libc)
    }
}

/// See pthread_clockjoin_np(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_clockjoin_np(
    thread: pthread_t,
    value: *mut *mut c_void,
    clock: clockid_t,
    until: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        let libc = || rare::pthread_clockjoin_np(thread, value, clock, until);
        join_until(thread, value, clock, until).unwrap_or_else(libc)
    }
}

/// # Safety
/// As `join`; `until` is null, which is for ever, or valid.
unsafe fn join_until(
    thread: pthread_t,
    value: *mut *mut c_void,
    clock: clockid_t,
    until: *const timespec,
) -> Option<c_int> {
    // SAFETY: the caller's promise.
    let deadline = match unsafe { until.as_ref() } {
        None => None,
        Some(at) => match time::duration(*at) {
            None if at.tv_sec < 0 => Some(0),
            None => return find(thread).map(|_| libc::EINVAL),
            Some(at) => Some(time::deadline(clock == libc::CLOCK_REALTIME, at)),
        },
    };
    // SAFETY: as above.
    unsafe { join(thread, value, deadline) }
}

/// See pthread_detach(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_detach(thread: pthread_t) -> c_int {
    if thread == HANDED_OVER {
        return 0;
    }
    match find(thread) {
        Some(Green::Pthread(green)) => code(green.detach()),
        Some(Green::Task(_)) => libc::EINVAL,
        // SAFETY: the caller's promise.
        None => unsafe { real::pthread_detach(thread) },
    }
}

/// See pthread_exit(3). On a green thread it unwinds as a panic does, but with
/// no message: destructors run, `catch_unwind` stops it, and a function that
/// cannot unwind aborts.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C-unwind" fn pthread_exit(value: *mut c_void) -> ! {
    if current::get().is_some_and(|me| me.own.block.get().is_some()) {
        pthread::exit(value);
    }
    // SAFETY: the caller's promise.
    unsafe { rare::pthread_exit(value) }
}
