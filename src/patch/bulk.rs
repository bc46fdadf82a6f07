//! The families *socket* and *file*: calls that move much at once.

use super::family::Family;
use super::gate::{Shim, count, int, parks, socket};
use crate::calls::apart as net_apart;
use crate::calls::sendfile::send_file;
use crate::calls::splice as net_splice;
use crate::sys::clock;
use crate::sys::{raw, real};
use crate::time;
use libc::{c_int, c_uint, iovec, mmsghdr, off64_t, size_t, ssize_t, timespec};
use std::time::Duration;

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(recvmmsg as *const ()),
    Shim::new(sendmmsg as *const ()),
    Shim::new(self::splice as *const ()),
    Shim::new(tee as *const ()),
    Shim::new(vmsplice as *const ()),
    Shim::new(sendfile as *const ()),
    Shim::new(sendfile64 as *const ()),
    Shim::new(copy_file_range as *const ()),
];

/// With these flags the kernel never waits, or it is about urgent data.
const AT_ONCE: c_int = libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE | libc::MSG_OOB;

/// See recvmmsg(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn recvmmsg(
    fd: c_int,
    list: *mut mmsghdr,
    most: c_uint,
    flags: c_int,
    timeout: *mut timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        let time = timeout.as_ref().map(|time| time::duration(*time));
        let Some(socket) = socket(fd).filter(|_| flags & AT_ONCE == 0 && time != Some(None)) else {
            return real::recvmmsg(fd, list, most, flags, timeout);
        };
        let deadline = time.flatten().map(clock::after);
        let result = socket.recv_messages(list, most as usize, flags, deadline);
        if let (Ok(_), Some(timeout), Some(deadline)) = (result, timeout.as_mut(), deadline) {
            let left = Duration::from_nanos(deadline.saturating_sub(clock::now()));
            timeout.tv_sec = left.as_secs() as i64;
            timeout.tv_nsec = i64::from(left.subsec_nanos());
        }
        int(result.map(|n| n as c_int))
    }
}

/// See sendmmsg(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sendmmsg(
    fd: c_int,
    list: *mut mmsghdr,
    most: c_uint,
    flags: c_int,
) -> c_int {
    match socket(fd) {
        Some(socket) if flags & AT_ONCE == 0 => {
            // SAFETY: the caller's promise.
            let result = unsafe { socket.send_messages(list, most as usize, flags) };
            int(result.map(|n| n as c_int))
        }
        // SAFETY: as above.
        _ => unsafe { real::sendmmsg(fd, list, most, flags) },
    }
}

/// Whether a call may park that takes one end from each family.
fn moves_green() -> bool {
    parks(Family::File) && parks(Family::Socket)
}

/// See splice(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn splice(
    from: c_int,
    from_at: *mut off64_t,
    to: c_int,
    to_at: *mut off64_t,
    len: size_t,
    flags: c_uint,
) -> ssize_t {
    let call = |len: usize, more: c_uint| {
        let how = (flags | more) as usize;
        let args = [from as usize, from_at as usize, to as usize, to_at as usize, len, how];
        // SAFETY: the caller's promise.
        unsafe { raw::syscall(libc::SYS_splice, args) }
    };
    if len > 0
        && moves_green()
        // SAFETY: as above.
        && let Some(moved) = unsafe { net_splice::splice(from, to, len, flags, call) }
    {
        return count(moved);
    }
    if len > 0
        && from_at.is_null()
        && to_at.is_null()
        && moves_green()
        && let Some(moved) = net_apart::splice(from, to, len, flags)
    {
        return count(moved);
    }
    // SAFETY: as above.
    unsafe { real::splice(from, from_at, to, to_at, len, flags) }
}

/// See tee(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn tee(from: c_int, to: c_int, len: size_t, flags: c_uint) -> ssize_t {
    let call = |len: usize, more: c_uint| {
        let args = [from as usize, to as usize, len, (flags | more) as usize, 0, 0];
        // SAFETY: takes no pointer.
        unsafe { raw::syscall(libc::SYS_tee, args) }
    };
    if len > 0
        && moves_green()
        // SAFETY: as above.
        && let Some(moved) = unsafe { net_splice::splice(from, to, len, flags, call) }
    {
        return count(moved);
    }
    // SAFETY: as above.
    unsafe { real::tee(from, to, len, flags) }
}

/// See vmsplice(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn vmsplice(
    pipe: c_int,
    list: *const iovec,
    parts: size_t,
    flags: c_uint,
) -> ssize_t {
    if parts > 0
        && moves_green()
        // SAFETY: the caller's promise.
        && let Some(moved) = unsafe { net_splice::vmsplice(pipe, list, parts, flags) }
    {
        return count(moved);
    }
    // SAFETY: as above.
    unsafe { real::vmsplice(pipe, list, parts, flags) }
}

/// See sendfile(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sendfile(
    to: c_int,
    file: c_int,
    at: *mut off64_t,
    len: size_t,
) -> ssize_t {
    if len > 0
        && moves_green()
        // SAFETY: the caller's promise.
        && let Some(moved) = unsafe { send_file(to, file, at, len) }
    {
        return count(moved);
    }
    // SAFETY: as above.
    unsafe { real::sendfile(to, file, at, len) }
}

/// The name under which programs with 64-bit offsets call it.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sendfile64(
    to: c_int,
    file: c_int,
    at: *mut off64_t,
    len: size_t,
) -> ssize_t {
    // SAFETY: the caller's promise.
    unsafe { sendfile(to, file, at, len) }
}

/// See copy_file_range(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_at: *mut off64_t,
    to: c_int,
    to_at: *mut off64_t,
    len: size_t,
    flags: c_uint,
) -> ssize_t {
    // SAFETY: the caller's promise.
    let green = || unsafe { net_splice::copy_file_range(from, from_at, to, to_at, len, flags) };
    if len > 0
        && parks(Family::File)
        && let Some(moved) = green()
    {
        return count(moved);
    }
    // SAFETY: as above.
    unsafe { real::copy_file_range(from, from_at, to, to_at, len, flags) }
}
