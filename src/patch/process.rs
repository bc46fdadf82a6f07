//! The family *process*: waiting for children.

use super::family::Family;
use super::gate::{Shim, int, parks};
use crate::children::child;
use crate::offload::everyone::libc_call;
use crate::sys::errno::Errno;
use crate::sys::real;
use libc::{FILE, c_char, c_int, id_t, idtype_t, pid_t, rusage, siginfo_t};
use std::ffi::CStr;
use std::ptr;

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(waitpid as *const ()),
    Shim::new(wait as *const ()),
    Shim::new(wait3 as *const ()),
    Shim::new(wait4 as *const ()),
    Shim::new(waitid as *const ()),
    Shim::new(system as *const ()),
    Shim::new(pclose as *const ()),
];

/// See waitpid(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn waitpid(pid: pid_t, status: *mut c_int, options: c_int) -> pid_t {
    // SAFETY: the caller's promise.
    unsafe { wait4(pid, status, options, ptr::null_mut()) }
}

/// See wait(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn wait(status: *mut c_int) -> pid_t {
    // SAFETY: the caller's promise.
    unsafe { wait4(-1, status, 0, ptr::null_mut()) }
}

/// See wait3(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn wait3(
    status: *mut c_int,
    options: c_int,
    usage: *mut rusage,
) -> pid_t {
    // SAFETY: the caller's promise.
    unsafe { wait4(-1, status, options, usage) }
}

/// See wait4(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn wait4(
    pid: pid_t,
    status: *mut c_int,
    options: c_int,
    usage: *mut rusage,
) -> pid_t {
    if parks(Family::Process) {
        // SAFETY: the caller's promise.
        return int(unsafe { child::wait4(pid, status, options, usage) });
    }
    // SAFETY: as above.
    unsafe { real::wait4(pid, status, options, usage) }
}

/// See waitid(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn waitid(
    which: idtype_t,
    id: id_t,
    info: *mut siginfo_t,
    options: c_int,
) -> c_int {
    if parks(Family::Process) {
        // SAFETY: the caller's promise.
        return int(unsafe { child::waitid(which, id, info, options) });
    }
    // SAFETY: as above.
    unsafe { real::waitid(which, id, info, options) }
}

/// Runs `call`, whose result is -1 where it sets `errno`, on an OS thread.
fn elsewhere(call: impl FnOnce() -> c_int + Send + 'static) -> c_int {
    let (result, errno) = libc_call(move || (call(), Errno::last()));
    if result == -1 {
        errno.set();
    }
    result
}

/// See system(3). libc waits inside it in its own way, so an OS thread does.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn system(command: *const c_char) -> c_int {
    if command.is_null() || !parks(Family::Process) {
        // SAFETY: the caller's promise.
        return unsafe { real::system(command) };
    }
    // SAFETY: as above.
    let command = unsafe { CStr::from_ptr(command) }.to_owned();
    // SAFETY: a C string that lives there.
    elsewhere(move || unsafe { real::system(command.as_ptr()) })
}

/// A stream that its one user hands over.
struct Stream(*mut FILE);

// SAFETY: a `FILE` belongs to no thread.
unsafe impl Send for Stream {}

/// See pclose(3). As `system`.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pclose(stream: *mut FILE) -> c_int {
    if !parks(Family::Process) {
        // SAFETY: the caller's promise.
        return unsafe { real::pclose(stream) };
    }
    let stream = Stream(stream);
    elsewhere(move || {
        let Stream(file) = { stream };
        // SAFETY: the caller's promise; it waits for this.
        unsafe { real::pclose(file) }
    })
}
