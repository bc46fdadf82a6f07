//! libc's own functions that need more than a lookup: those that leave by
//! unwinding, and those that not every version has.

use super::errno::Errno;
use super::real::{self, missing};
use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use libc::{clockid_t, epoll_event, pid_t, pthread_t, sigset_t, timespec};

/// libc's own function of this name; `None` in a version that has none.
fn find_any(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: `name` is a C string; RTLD_NEXT asks for libc's definition.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

/// libc's own, from glibc 2.31 on; before, ENOSYS.
///
/// # Safety
/// As the C function of this name.
pub(crate) unsafe fn pthread_clockjoin_np(
    thread: pthread_t,
    value: *mut *mut c_void,
    clock: clockid_t,
    until: *const timespec,
) -> c_int {
    type Join =
        unsafe extern "C" fn(pthread_t, *mut *mut c_void, clockid_t, *const timespec) -> c_int;
    let Some(at) = find_any(c"pthread_clockjoin_np") else { return libc::ENOSYS };
    // SAFETY: libc's function of this name; the caller's promise.
    unsafe { std::mem::transmute::<*mut c_void, Join>(at)(thread, value, clock, until) }
}

/// libc's own, from glibc 2.35 on; before, ENOSYS.
///
/// # Safety
/// As the C function of this name.
pub(crate) unsafe fn epoll_pwait2(
    epoll: c_int,
    events: *mut epoll_event,
    most: c_int,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    type Wait = unsafe extern "C" fn(
        c_int,
        *mut epoll_event,
        c_int,
        *const timespec,
        *const sigset_t,
    ) -> c_int;
    let Some(at) = find_any(c"epoll_pwait2") else {
        Errno::NOSYS.set();
        return -1;
    };
    // SAFETY: libc's function of this name; the caller's promise.
    unsafe { std::mem::transmute::<*mut c_void, Wait>(at)(epoll, events, most, timeout, mask) }
}

/// Looked up before it is called: signal handlers may, and to look up takes locks.
static FORK_ALONE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// See `FORK_ALONE`.
pub(crate) fn prepare_to_fork() {
    FORK_ALONE.store(find_any(c"_Fork").unwrap_or(ptr::null_mut()), Relaxed);
}

/// libc's own, from glibc 2.34 on, and before what it stands for, as far as
/// there are no handlers.
///
/// # Safety
/// As the C function of this name.
pub(crate) unsafe fn fork_alone() -> pid_t {
    if FORK_ALONE.load(Relaxed).is_null() {
        prepare_to_fork(); // nothing of ours was needed before
    }
    let at = FORK_ALONE.load(Relaxed);
    if at.is_null() {
        // SAFETY: the caller's promise.
        return unsafe { real::fork() };
    }
    // SAFETY: libc's function of this name; the caller's promise.
    unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> pid_t>(at)() }
}

/// libc's own. It leaves by unwinding.
///
/// # Safety
/// As the C function of this name.
pub(crate) unsafe fn pthread_exit(value: *mut c_void) -> ! {
    let Some(at) = find_any(c"pthread_exit") else { missing(c"pthread_exit") };
    // SAFETY: libc's function of this name, by the convention of `call`; the
    // caller's promise.
    unsafe { std::mem::transmute::<*mut c_void, unsafe fn(*mut c_void) -> !>(at)(value) }
}
