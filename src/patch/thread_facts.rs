//! The family *threads*: what one asks of a thread, or asks it to be.
//!
//! | of a green thread | is |
//! |---|---|
//! | its name | its own; `prctl(PR_SET_NAME)` names the worker |
//! | its stack, by `pthread_getattr_np` | its own |
//! | affinity, scheduling, CPU clock | those of the worker that asks; to change them is ENOTSUP |
//! | a signal to itself | raised on its worker, at once |
//! | a signal to another, cancelling | ENOTSUP: no kernel thread is its own |
//! | the kernel's number, alternate signal stack | its worker's, which knows them without a system call |

use super::family::Family;
use super::gate::{Shim, int, parks};
use crate::green::face::NAME_LEN;
use crate::sched::facts;
use crate::sched::start::is_forked;
use crate::sys::raw;
use crate::sys::real;
use crate::task::whose::{Green, find};
use libc::{
    c_char, c_int, clockid_t, cpu_set_t, pid_t, pthread_attr_t, pthread_t, sched_param, sigval,
    size_t, stack_t,
};
use std::ffi::CStr;
use std::ptr;

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(pthread_setname_np as *const ()),
    Shim::new(pthread_getname_np as *const ()),
    Shim::new(pthread_getattr_np as *const ()),
    Shim::new(pthread_kill as *const ()),
    Shim::new(pthread_sigqueue as *const ()),
    Shim::new(pthread_cancel as *const ()),
    Shim::new(pthread_getschedparam as *const ()),
    Shim::new(pthread_setschedparam as *const ()),
    Shim::new(pthread_setschedprio as *const ()),
    Shim::new(pthread_getaffinity_np as *const ()),
    Shim::new(pthread_setaffinity_np as *const ()),
    Shim::new(pthread_getcpuclockid as *const ()),
    Shim::new(gettid as *const ()),
    Shim::new(sigaltstack as *const ()),
];

/// See pthread_setname_np(3). One of `greenroom::spawn` keeps the name that
/// its `Builder` gave it.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_setname_np(
    thread: pthread_t,
    name: *const c_char,
) -> c_int {
    let Some(green) = find(thread) else {
        // SAFETY: the caller's promise.
        return unsafe { real::pthread_setname_np(thread, name) };
    };
    // SAFETY: as above.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    if name.len() >= NAME_LEN {
        return libc::ERANGE;
    }
    if let Green::Pthread(green) = green {
        green.face().rename(crate::green::face::cut(name));
    }
    0
}

/// See pthread_getname_np(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_getname_np(
    thread: pthread_t,
    name: *mut c_char,
    len: size_t,
) -> c_int {
    let Some(green) = find(thread) else {
        // SAFETY: the caller's promise.
        return unsafe { real::pthread_getname_np(thread, name, len) };
    };
    if len < NAME_LEN {
        return libc::ERANGE;
    }
    // SAFETY: as above.
    unsafe { name.cast::<[u8; NAME_LEN]>().write_unaligned(green.name()) };
    0
}

/// See pthread_getattr_np(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_getattr_np(
    thread: pthread_t,
    attr: *mut pthread_attr_t,
) -> c_int {
    let Some(green) = find(thread) else {
        // SAFETY: the caller's promise.
        return unsafe { real::pthread_getattr_np(thread, attr) };
    };
    let record = green.record();
    let detached = match &green {
        Green::Pthread(this) => this.is_detached(),
        Green::Task(_) => true,
    };
    if let (Green::Pthread(this), true) = (&green, green.is_current()) {
        this.face().learns_its_stack();
    }
    let guard = record.guard();
    if guard.is_empty() {
        return libc::ESRCH;
    }
    let state =
        if detached { libc::PTHREAD_CREATE_DETACHED } else { libc::PTHREAD_CREATE_JOINABLE };
    // SAFETY: the caller's out pointer.
    unsafe {
        libc::pthread_attr_init(attr);
        let low = ptr::with_exposed_provenance_mut(guard.end);
        libc::pthread_attr_setstack(attr, low, record.class().bytes());
        libc::pthread_attr_setguardsize(attr, guard.len());
        libc::pthread_attr_setdetachstate(attr, state)
    }
}

/// What `pthread_kill` says to a signal for a green thread.
fn signal(green: &Green, signal: c_int) -> c_int {
    if !(0..=libc::SIGRTMAX()).contains(&signal) {
        return libc::EINVAL;
    }
    match signal {
        0 => 0,
        _ if !green.is_current() => libc::ENOTSUP,
        _ => {
            let thread = raw::thread_id() as usize;
            let args = [std::process::id() as usize, thread, signal as usize, 0, 0, 0];
            // SAFETY: raises a signal; takes no pointers.
            let raised = unsafe { raw::syscall(libc::SYS_tgkill, args) };
            raised.map_or_else(|e| e.0, |_| 0)
        }
    }
}

/// See pthread_kill(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pthread_kill(thread: pthread_t, number: c_int) -> c_int {
    match find(thread) {
        Some(green) => signal(&green, number),
        // SAFETY: the caller's promise.
        None => unsafe { real::pthread_kill(thread, number) },
    }
}

/// The shims that for a green thread have one answer.
macro_rules! answers {
    ($($(#[$doc:meta])* fn $name:ident($first:ident $(, $arg:ident: $ty:ty)*) => $green:expr;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As libc's.
            #[cfg_attr(not(miri), unsafe(no_mangle))]
            pub(super) unsafe extern "C" fn $name($first: pthread_t $(, $arg: $ty)*) -> c_int {
                match find($first) {
                    #[allow(clippy::redundant_closure_call, reason = "names the green thread")]
                    Some(green) => ($green)(green $(, $arg)*),
                    // SAFETY: the caller's promise.
                    None => unsafe { real::$name($first $(, $arg)*) },
                }
            }
        )*
    };
}

answers! {
    /// See pthread_sigqueue(3).
    fn pthread_sigqueue(thread, number: c_int, value: sigval) => |_, _, _| libc::ENOTSUP;
    /// See pthread_cancel(3).
    fn pthread_cancel(thread) => |_| libc::ENOTSUP;
    /// See pthread_getschedparam(3).
    fn pthread_getschedparam(thread, policy: *mut c_int, param: *mut sched_param) => scheduling;
    /// See pthread_setschedparam(3).
    fn pthread_setschedparam(thread, policy: c_int, param: *const sched_param)
        => |_, _, _| libc::ENOTSUP;
    /// See pthread_setschedprio(3).
    fn pthread_setschedprio(thread, priority: c_int) => |_, _| libc::ENOTSUP;
    /// See pthread_getaffinity_np(3).
    fn pthread_getaffinity_np(thread, size: size_t, set: *mut cpu_set_t) => affinity;
    /// See pthread_setaffinity_np(3).
    fn pthread_setaffinity_np(thread, size: size_t, set: *const cpu_set_t)
        => |_, _, _| libc::ENOTSUP;
    /// See pthread_getcpuclockid(3).
    fn pthread_getcpuclockid(thread, clock: *mut clockid_t) => cpu_clock;
}

/// The calling worker's.
fn scheduling(_: Green, policy: *mut c_int, param: *mut sched_param) -> c_int {
    // SAFETY: the caller's out pointers.
    unsafe {
        *policy = libc::sched_getscheduler(0);
        if libc::sched_getparam(0, param) < 0 { libc::ESRCH } else { 0 }
    }
}

/// The calling worker's.
fn affinity(_: Green, size: size_t, set: *mut cpu_set_t) -> c_int {
    let args = [0, size, set.addr(), 0, 0, 0];
    // SAFETY: the caller's out pointer, of that size.
    match unsafe { raw::syscall(libc::SYS_sched_getaffinity, args) } {
        Ok(written) => {
            // SAFETY: as above.
            unsafe { ptr::write_bytes(set.cast::<u8>().add(written), 0, size - written) };
            0
        }
        Err(e) => e.0,
    }
}

/// The calling worker's, for the caller itself.
fn cpu_clock(green: Green, clock: *mut clockid_t) -> c_int {
    if !green.is_current() {
        return libc::ENOENT;
    }
    // SAFETY: the caller's out pointer.
    unsafe { clock.write(libc::CLOCK_THREAD_CPUTIME_ID) };
    0
}

/// See gettid(2). A child that shares the memory is told its parent's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) extern "C" fn gettid() -> pid_t {
    let known = if parks(Family::Threads) && !is_forked() { facts::thread_id() } else { None };
    known.unwrap_or_else(raw::thread_id) as pid_t
}

/// See sigaltstack(2). Where the worker knows the answer, `old` at a wrong address faults.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sigaltstack(new: *const stack_t, old: *mut stack_t) -> c_int {
    if !new.is_null() {
        facts::forget_alt_stack();
    } else if !old.is_null()
        && parks(Family::Threads)
        && let Some(known) = facts::alt_stack()
    {
        // SAFETY: the caller's out pointer.
        unsafe { facts::tell_alt_stack(known, old) };
        return 0;
    }
    let args = [new.expose_provenance(), old.expose_provenance(), 0, 0, 0, 0];
    // SAFETY: the caller's promise.
    int(unsafe { raw::syscall(libc::SYS_sigaltstack, args) }.map(|_| 0))
}
