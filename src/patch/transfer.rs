//! The family *socket*: receiving and sending.

use super::file;
use super::gate::{Shim, count, socket, tracks};
use crate::calls::vector;
use crate::sched::entry::{Dir, NO_INFERENCE};
use crate::sched::fds;
use crate::sys::errno::Errno;
use crate::sys::real;
use libc::{c_int, c_void, iovec, msghdr, size_t, sockaddr, socklen_t, ssize_t};
use std::ptr;

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(read as *const ()),
    Shim::new(readv as *const ()),
    Shim::new(write as *const ()),
    Shim::new(writev as *const ()),
    Shim::new(recv as *const ()),
    Shim::new(recvfrom as *const ()),
    Shim::new(recvmsg as *const ()),
    Shim::new(send as *const ()),
    Shim::new(sendto as *const ()),
    Shim::new(sendmsg as *const ()),
];

/// With these flags the kernel never waits.
const AT_ONCE: c_int = libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE;

/// Urgent data that was taken out is not announced any more, but a read stops
/// where it was: from now on a short one means nothing.
fn note_urgent(fd: c_int, flags: c_int) {
    if flags & libc::MSG_OOB != 0 && tracks() {
        fds::for_file(fd, |e| e.change_flags(NO_INFERENCE, 0));
    }
}

/// `read` and its like work on any descriptor. If one that was a socket is
/// none any more, it was closed behind our back: forget it, and do `other`.
fn or_no_socket(
    fd: c_int,
    result: Result<usize, Errno>,
    other: impl FnOnce() -> ssize_t,
) -> ssize_t {
    if result == Err(Errno::NOTSOCK) { afresh(fd, other) } else { count(result) }
}

#[cold]
fn afresh(fd: c_int, other: impl FnOnce() -> ssize_t) -> ssize_t {
    fds::appeared(fd);
    other()
}

/// See read(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn read(fd: c_int, buf: *mut c_void, len: size_t) -> ssize_t {
    // SAFETY: the caller's promise.
    let libc = || unsafe { real::read(fd, buf, len) };
    // SAFETY: as above.
    let no_socket = || unsafe { file::bytes(fd, Dir::Read, buf, len, None, libc) };
    match socket(fd) {
        // Of no bytes, `read` returns at once where `recv` would wait.
        Some(socket) if len > 0 => {
            let (from, from_len) = (ptr::null_mut(), ptr::null_mut());
            // SAFETY: as above.
            let got = unsafe { socket.recv(buf.cast(), len, 0, from, from_len) };
            or_no_socket(fd, got, no_socket)
        }
        _ => no_socket(),
    }
}

/// See write(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn write(fd: c_int, buf: *const c_void, len: size_t) -> ssize_t {
    // SAFETY: the caller's promise.
    let libc = || unsafe { real::write(fd, buf, len) };
    // SAFETY: as above.
    let no_socket = || unsafe { file::bytes(fd, Dir::Write, buf.cast_mut(), len, None, libc) };
    match socket(fd) {
        Some(socket) => {
            // SAFETY: as above.
            let sent = unsafe { socket.send(buf.cast(), len, 0, ptr::null(), 0) };
            or_no_socket(fd, sent, no_socket)
        }
        None => no_socket(),
    }
}

/// See readv(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn readv(fd: c_int, list: *const iovec, parts: c_int) -> ssize_t {
    // SAFETY: the caller's promise.
    let libc = || unsafe { real::readv(fd, list, parts) };
    // SAFETY: as above.
    let no_socket = || unsafe { file::parts(fd, Dir::Read, list, parts, None, 0, libc) };
    match socket(fd) {
        // SAFETY: as above.
        Some(socket) if unsafe { vector::moves(list, parts) } => {
            // SAFETY: as above.
            let got = unsafe { socket.vectored(Dir::Read, list, parts as usize) };
            or_no_socket(fd, got, no_socket)
        }
        _ => no_socket(),
    }
}

/// See writev(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn writev(fd: c_int, list: *const iovec, parts: c_int) -> ssize_t {
    // SAFETY: the caller's promise.
    let libc = || unsafe { real::writev(fd, list, parts) };
    // SAFETY: as above.
    let no_socket = || unsafe { file::parts(fd, Dir::Write, list, parts, None, 0, libc) };
    match socket(fd) {
        // SAFETY: as above.
        Some(socket) if unsafe { vector::moves(list, parts) } => {
            // SAFETY: as above.
            let sent = unsafe { socket.vectored(Dir::Write, list, parts as usize) };
            or_no_socket(fd, sent, no_socket)
        }
        _ => no_socket(),
    }
}

/// See recv(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn recv(
    fd: c_int,
    buf: *mut c_void,
    len: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise.
    unsafe { recvfrom(fd, buf, len, flags, ptr::null_mut(), ptr::null_mut()) }
}

/// See recvfrom(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn recvfrom(
    fd: c_int,
    buf: *mut c_void,
    len: size_t,
    flags: c_int,
    addr: *mut sockaddr,
    addr_len: *mut socklen_t,
) -> ssize_t {
    match socket(fd) {
        Some(socket) if flags & (AT_ONCE | libc::MSG_OOB) == 0 => {
            // SAFETY: the caller's promise.
            count(unsafe { socket.recv(buf.cast(), len, flags, addr, addr_len) })
        }
        _ => {
            note_urgent(fd, flags);
            // SAFETY: as above.
            unsafe { real::recvfrom(fd, buf, len, flags, addr, addr_len) }
        }
    }
}

/// See recvmsg(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn recvmsg(fd: c_int, msg: *mut msghdr, flags: c_int) -> ssize_t {
    match socket(fd) {
        Some(socket) if flags & (AT_ONCE | libc::MSG_OOB) == 0 => {
            // SAFETY: the caller's promise.
            count(unsafe { socket.recv_message(msg, flags) })
        }
        _ => {
            note_urgent(fd, flags);
            // SAFETY: as above.
            unsafe { real::recvmsg(fd, msg, flags) }
        }
    }
}

/// See send(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn send(
    fd: c_int,
    buf: *const c_void,
    len: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise.
    unsafe { sendto(fd, buf, len, flags, ptr::null(), 0) }
}

/// See sendto(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sendto(
    fd: c_int,
    buf: *const c_void,
    len: size_t,
    flags: c_int,
    addr: *const sockaddr,
    addr_len: socklen_t,
) -> ssize_t {
    match socket(fd) {
        Some(socket) if flags & AT_ONCE == 0 => {
            // SAFETY: the caller's promise.
            count(unsafe { socket.send(buf.cast(), len, flags, addr, addr_len) })
        }
        // SAFETY: as above.
        _ => unsafe { real::sendto(fd, buf, len, flags, addr, addr_len) },
    }
}

/// See sendmsg(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sendmsg(fd: c_int, msg: *const msghdr, flags: c_int) -> ssize_t {
    match socket(fd) {
        Some(socket) if flags & AT_ONCE == 0 => {
            // SAFETY: the caller's promise.
            count(unsafe { socket.send_message(msg, flags) })
        }
        // SAFETY: as above.
        _ => unsafe { real::sendmsg(fd, msg, flags) },
    }
}
