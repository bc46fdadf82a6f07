//! The family *socket*: making, connecting, accepting.

use super::gate::{Shim, int, remembers, socket as green, tracks};
use crate::calls::accept;
use crate::sched::{fds, kinds};
use crate::sys::real;
use libc::{c_int, sockaddr, socklen_t};

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(self::socket as *const ()),
    Shim::new(socketpair as *const ()),
    Shim::new(connect as *const ()),
    Shim::new(self::accept as *const ()),
    Shim::new(accept4 as *const ()),
];

/// See socket(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn socket(domain: c_int, ty: c_int, protocol: c_int) -> c_int {
    // SAFETY: the caller's promise.
    let fd = unsafe { real::socket(domain, ty, protocol) };
    if fd >= 0 && tracks() {
        fds::created(fd, kinds::kind(domain, ty, protocol), ty & libc::SOCK_NONBLOCK != 0);
    }
    fd
}

/// See socketpair(2).
///
/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn socketpair(
    domain: c_int,
    ty: c_int,
    protocol: c_int,
    pair: *mut [c_int; 2],
) -> c_int {
    // SAFETY: the caller's promise.
    let result = unsafe { real::socketpair(domain, ty, protocol, pair) };
    if result == 0 && tracks() {
        // SAFETY: libc has just filled it.
        for fd in unsafe { *pair } {
            fds::created(fd, kinds::kind(domain, ty, protocol), ty & libc::SOCK_NONBLOCK != 0);
        }
    }
    result
}

/// See connect(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn connect(fd: c_int, addr: *const sockaddr, len: socklen_t) -> c_int {
    match green(fd) {
        // SAFETY: the caller's promise.
        Some(socket) => int(unsafe { socket.connect(addr, len) }.map(|()| 0)),
        // SAFETY: as above.
        None => unsafe { real::connect(fd, addr, len) },
    }
}

/// See accept(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn accept(
    fd: c_int,
    addr: *mut sockaddr,
    len: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { accept4(fd, addr, len, 0) }
}

/// See accept4(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn accept4(
    fd: c_int,
    addr: *mut sockaddr,
    len: *mut socklen_t,
    flags: c_int,
) -> c_int {
    // SAFETY (all): the caller's promise.
    match green(fd) {
        // SAFETY: as above.
        Some(socket) => int(unsafe { socket.accept(addr, len, flags) }),
        // SAFETY: as above.
        None if remembers() => unsafe { accept::accept_os(fd, addr, len, flags) },
        // SAFETY: as above.
        None => unsafe { real::accept4(fd, addr, len, flags) },
    }
}
