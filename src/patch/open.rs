//! The family *file*: opening, where that waits for somebody; and `lockf`.
//!
//! `open` and `openat` are variadic in C; see `descriptor.rs`.

use super::descriptor::fcntl;
use super::family::Family;
use super::gate::{Shim, int, parks, tracks};
use crate::calls::open as net_open;
use crate::sched::fds;
use crate::sys::real;
use libc::{AT_FDCWD, F_LOCK, F_SETLKW, F_WRLCK, SEEK_CUR, c_char, c_int, mode_t, off64_t};

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(self::open as *const ()),
    Shim::new(open64 as *const ()),
    Shim::new(openat as *const ()),
    Shim::new(openat64 as *const ()),
    Shim::new(creat as *const ()),
    Shim::new(creat64 as *const ()),
    Shim::new(__open_2 as *const ()),
    Shim::new(__open64_2 as *const ()),
    Shim::new(__openat_2 as *const ()),
    Shim::new(__openat64_2 as *const ()),
    Shim::new(lockf as *const ()),
    Shim::new(lockf64 as *const ()),
];

/// With these, `open` needs a mode.
const CREATES: c_int = libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY);

/// See open(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    if parks(Family::File)
        // SAFETY: the caller's promise.
        && let Some(opened) = unsafe { net_open::fifo(AT_FDCWD, path, flags, mode) }
    {
        return int(opened);
    }
    // SAFETY: as above.
    opened(unsafe { real::open(path, flags, mode) })
}

/// The number may have been closed behind our back.
fn opened(fd: c_int) -> c_int {
    if fd >= 0 && tracks() {
        fds::appeared(fd);
    }
    fd
}

/// The name under which programs with 64-bit offsets call it.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { open(path, flags, mode) }
}

/// See openat(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn openat(
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    if parks(Family::File)
        // SAFETY: the caller's promise.
        && let Some(opened) = unsafe { net_open::fifo(dir, path, flags, mode) }
    {
        return int(opened);
    }
    // SAFETY: as above.
    opened(unsafe { real::openat(dir, path, flags, mode) })
}

/// The name under which programs with 64-bit offsets call it.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn openat64(
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { openat(dir, path, flags, mode) }
}

/// See creat(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn creat(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { open(path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode) }
}

/// The name under which programs with 64-bit offsets call it.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn creat64(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { creat(path, mode) }
}

/// As fortified programs call it, where they give no mode: with a flag that
/// needs one libc ends the process.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn __open_2(path: *const c_char, flags: c_int) -> c_int {
    if flags & CREATES != 0 {
        // SAFETY: libc ends the process.
        return unsafe { real::__open_2(path, flags) };
    }
    // SAFETY: the caller's promise.
    unsafe { open(path, flags, 0) }
}

/// The name under which programs with 64-bit offsets call it.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn __open64_2(path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { __open_2(path, flags) }
}

/// As fortified programs call it, where they give no mode: with a flag that
/// needs one libc ends the process.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn __openat_2(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    if flags & CREATES != 0 {
        // SAFETY: libc ends the process.
        return unsafe { real::__openat_2(dir, path, flags) };
    }
    // SAFETY: the caller's promise.
    unsafe { openat(dir, path, flags, 0) }
}

/// The name under which programs with 64-bit offsets call it.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn __openat64_2(
    dir: c_int,
    path: *const c_char,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { __openat_2(dir, path, flags) }
}

/// See lockf(3). Only F_LOCK waits.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn lockf(fd: c_int, how: c_int, len: off64_t) -> c_int {
    if how != F_LOCK || !parks(Family::File) {
        // SAFETY: the caller's promise.
        return unsafe { real::lockf(fd, how, len) };
    }
    let (l_type, l_whence) = (F_WRLCK as i16, SEEK_CUR as i16);
    let mut lock = libc::flock { l_type, l_whence, l_start: 0, l_len: len, l_pid: 0 };
    // SAFETY: a lock that lives here.
    unsafe { fcntl(fd, F_SETLKW, (&raw mut lock).addr()) }
}

/// The name under which programs with 64-bit offsets call it.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn lockf64(fd: c_int, how: c_int, len: off64_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { lockf(fd, how, len) }
}
