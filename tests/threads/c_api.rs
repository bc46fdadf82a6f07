//! Pthreads as C sees them.

use super::patched::is_green;
use libc::{c_int, c_void, pthread_attr_t, pthread_t, timespec};
use std::mem::MaybeUninit;
use std::ptr;
use std::thread;
use std::time::Duration;

pub(crate) type Start = extern "C-unwind" fn(*mut c_void) -> *mut c_void;

unsafe extern "C-unwind" {
    pub(crate) fn pthread_create(
        out: *mut pthread_t,
        attr: *const pthread_attr_t,
        start: Start,
        argument: *mut c_void,
    ) -> c_int;
    pub(crate) fn pthread_exit(value: *mut c_void) -> !;
}

unsafe extern "C" {
    pub(crate) fn pthread_tryjoin_np(thread: pthread_t, value: *mut *mut c_void) -> c_int;
    pub(crate) fn pthread_timedjoin_np(
        t: pthread_t,
        value: *mut *mut c_void,
        until: *const timespec,
    ) -> c_int;
    pub(crate) fn pthread_clockjoin_np(
        thread: pthread_t,
        value: *mut *mut c_void,
        clock: c_int,
        until: *const timespec,
    ) -> c_int;
    pub(crate) fn pthread_attr_getdetachstate(
        attr: *const pthread_attr_t,
        state: *mut c_int,
    ) -> c_int;
}

pub(crate) fn pointer(n: usize) -> *mut c_void {
    ptr::without_provenance_mut(n)
}

pub(crate) fn create(attr: *const pthread_attr_t, start: Start, argument: usize) -> pthread_t {
    let mut thread = 0;
    // SAFETY: out pointer; null or initialised attributes.
    assert_eq!(unsafe { pthread_create(&mut thread, attr, start, pointer(argument)) }, 0);
    thread
}

pub(crate) fn join(thread: pthread_t) -> usize {
    let mut value = ptr::null_mut();
    // SAFETY: a handle not joined yet.
    assert_eq!(unsafe { libc::pthread_join(thread, &mut value) }, 0);
    value.addr()
}

pub(crate) fn attributes(set: impl FnOnce(*mut pthread_attr_t)) -> pthread_attr_t {
    let mut attr = MaybeUninit::uninit();
    // SAFETY: initialised here.
    unsafe {
        assert_eq!(libc::pthread_attr_init(attr.as_mut_ptr()), 0);
        set(attr.as_mut_ptr());
        attr.assume_init()
    }
}

/// `milliseconds` from now by `clock`.
pub(crate) fn soon(clock: c_int, milliseconds: i64) -> timespec {
    let mut at = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: out pointer.
    unsafe { libc::clock_gettime(clock, &mut at) };
    at.tv_nsec += milliseconds * 1_000_000;
    at.tv_sec += at.tv_nsec / 1_000_000_000;
    at.tv_nsec %= 1_000_000_000;
    at
}

pub(crate) extern "C-unwind" fn plus_one(argument: *mut c_void) -> *mut c_void {
    assert!(is_green());
    pointer(argument.addr() + 1)
}

pub(crate) extern "C-unwind" fn nap(argument: *mut c_void) -> *mut c_void {
    thread::sleep(Duration::from_millis(argument.addr() as u64));
    argument
}
