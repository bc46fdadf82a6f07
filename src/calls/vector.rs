//! `readv` and `writev` on sockets: messages with neither name nor control.

use super::call::Socket;
use super::iov;
use crate::sched::entry::Dir;
use crate::sys::errno::Errno;
use libc::{c_int, iovec, msghdr};
use std::slice;

/// Whether a vectored call moves anything: else the kernel answers at once,
/// also where a message of no bytes would wait, or be sent.
///
/// # Safety
/// `list` is null or has `count` parts.
pub(crate) unsafe fn moves(list: *const iovec, count: c_int) -> bool {
    if list.is_null() || !(1..=libc::UIO_MAXIOV).contains(&count) {
        return false;
    }
    // SAFETY: the caller's promise.
    iov::total(unsafe { slice::from_raw_parts(list, count as usize) }) > 0
}

impl Socket {
    /// As `readv` or `writev`.
    ///
    /// # Safety
    /// `list` has `count` parts that the kernel may use, and `moves`.
    pub(crate) unsafe fn vectored(
        self,
        dir: Dir,
        list: *const iovec,
        count: usize,
    ) -> Result<usize, Errno> {
        // SAFETY: all zero is an empty header.
        let mut msg: msghdr = unsafe { std::mem::zeroed() };
        msg.msg_iov = list.cast_mut();
        msg.msg_iovlen = count;
        // SAFETY: the caller's promise.
        unsafe {
            match dir {
                Dir::Read => self.recv_message(&mut msg, 0),
                Dir::Write => self.send_message(&msg, 0),
            }
        }
    }
}
