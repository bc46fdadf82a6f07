//! Calls as fortified C programs make them: with the room there is, beyond
//! which libc ends the process.

use super::gate::Shim;
use super::{file, transfer};
use crate::sys::real;
use libc::{c_int, c_void, off64_t, size_t, sockaddr, socklen_t, ssize_t};

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(__read_chk as *const ()),
    Shim::new(__pread_chk as *const ()),
    Shim::new(__pread64_chk as *const ()),
    Shim::new(__recv_chk as *const ()),
    Shim::new(__recvfrom_chk as *const ()),
];

/// As the call that it is named after.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn __read_chk(
    fd: c_int,
    buf: *mut c_void,
    len: size_t,
    room: size_t,
) -> ssize_t {
    if len > room {
        // SAFETY: libc ends the process.
        return unsafe { real::__read_chk(fd, buf, len, room) };
    }
    // SAFETY: the caller's promise.
    unsafe { transfer::read(fd, buf, len) }
}

/// As the call that it is named after.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn __pread_chk(
    fd: c_int,
    buf: *mut c_void,
    len: size_t,
    at: off64_t,
    room: size_t,
) -> ssize_t {
    if len > room {
        // SAFETY: libc ends the process.
        return unsafe { real::__pread_chk(fd, buf, len, at, room) };
    }
    // SAFETY: the caller's promise.
    unsafe { file::pread(fd, buf, len, at) }
}

/// As the call that it is named after.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn __pread64_chk(
    fd: c_int,
    buf: *mut c_void,
    len: size_t,
    at: off64_t,
    room: size_t,
) -> ssize_t {
    if len > room {
        // SAFETY: libc ends the process.
        return unsafe { real::__pread64_chk(fd, buf, len, at, room) };
    }
    // SAFETY: the caller's promise.
    unsafe { file::pread(fd, buf, len, at) }
}

/// As the call that it is named after.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn __recv_chk(
    fd: c_int,
    buf: *mut c_void,
    len: size_t,
    room: size_t,
    flags: c_int,
) -> ssize_t {
    if len > room {
        // SAFETY: libc ends the process.
        return unsafe { real::__recv_chk(fd, buf, len, room, flags) };
    }
    // SAFETY: the caller's promise.
    unsafe { transfer::recv(fd, buf, len, flags) }
}

/// As the call that it is named after.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn __recvfrom_chk(
    fd: c_int,
    buf: *mut c_void,
    len: size_t,
    room: size_t,
    flags: c_int,
    addr: *mut sockaddr,
    addr_len: *mut socklen_t,
) -> ssize_t {
    if len > room {
        // SAFETY: libc ends the process.
        return unsafe { real::__recvfrom_chk(fd, buf, len, room, flags, addr, addr_len) };
    }
    // SAFETY: the caller's promise.
    unsafe { transfer::recvfrom(fd, buf, len, flags, addr, addr_len) }
}
