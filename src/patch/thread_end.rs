//! What is to be called at a thread's end, thread-locals' destructors above all:
//! to know when they begin to go (`sys/thread_end.rs`). On all threads, whatever
//! is patched.

use super::gate::Shim;
use crate::sys::{real, thread_end};
use std::ffi::{c_int, c_void};

pub(super) static SHIMS: &[Shim] = &[Shim::new(__cxa_thread_atexit_impl as *const ())];

/// glibc's, which std and the libraries of C++ call.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn __cxa_thread_atexit_impl(
    call: unsafe extern "C" fn(*mut c_void),
    with: *mut c_void,
    module: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    let result = unsafe { real::__cxa_thread_atexit_impl(call, with, module) };
    thread_end::entered();
    result
}
