//! Headers of vectored transfers.

use super::iov;
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{c_int, iovec, msghdr};
use std::slice;

/// `recvmsg` or `sendmsg`.
///
/// # Safety
/// As that.
pub(crate) unsafe fn call(
    nr: libc::c_long,
    fd: i32,
    msg: *mut msghdr,
    flags: c_int,
) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    unsafe { raw::syscall(nr, [fd as usize, msg as usize, flags as usize, 0, 0, 0]) }
}

/// The parts of a message.
///
/// # Safety
/// The header is one that the kernel has accepted.
pub(crate) unsafe fn parts(msg: &msghdr) -> &[iovec] {
    if msg.msg_iovlen == 0 {
        return &[];
    }
    // SAFETY: the kernel has read as many parts from there.
    unsafe { slice::from_raw_parts(msg.msg_iov, msg.msg_iovlen) }
}

/// How many bytes a message has room for.
///
/// # Safety
/// As `parts`.
pub(crate) unsafe fn len(msg: &msghdr) -> usize {
    // SAFETY: the caller's promise.
    iov::total(unsafe { parts(msg) })
}

/// A message of these parts, with neither name nor control data.
pub(crate) fn of(list: &mut [iovec]) -> msghdr {
    // SAFETY: all zero is an empty header.
    let mut msg: msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = list.as_mut_ptr();
    msg.msg_iovlen = list.len();
    msg
}
