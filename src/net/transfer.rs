//! Receiving and sending, with the kernel's own rules for partial results.
//!
//! Each attempt carries MSG_DONTWAIT, so that no flag of the descriptor has to
//! change. What a blocking call would do beyond one attempt is done here: a
//! stream send goes on until all is sent, MSG_WAITALL until all is there, and
//! an error after a part went through is a short count.

use super::call::Socket;
use super::iov;
use crate::sched::entry::{Dir, Kind, Seen};
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL, c_int, iovec, msghdr, sockaddr, socklen_t};
use std::slice;

/// Flags with which a short read does not mean that nothing is left.
const KEEPS: c_int = libc::MSG_PEEK | libc::MSG_OOB | libc::MSG_ERRQUEUE | libc::MSG_TRUNC;

/// The most that the kernel moves in one call (MAX_RW_COUNT).
const MOST: usize = 0x7fff_f000;

impl Socket {
    /// A transfer moved `n` of `asked` bytes.
    #[inline]
    fn moved(self, dir: Dir, seen: Seen, n: usize, asked: usize) -> usize {
        // Zero bytes read is an end of file, not an empty buffer.
        if n < asked.min(MOST) && (n > 0 || dir == Dir::Write) {
            self.entry.drained(dir, seen);
        }
        n
    }

    /// As `recvfrom`.
    ///
    /// # Safety
    /// The pointers are as `recvfrom` wants them.
    #[inline(always)] // see `wait_one`
    pub(crate) unsafe fn recv(
        self,
        buf: *mut u8,
        len: usize,
        flags: c_int,
        addr: *mut sockaddr,
        addr_len: *mut socklen_t,
    ) -> Result<usize, Errno> {
        if self.collects(flags) {
            // SAFETY: the caller's promise.
            return unsafe { self.recv_all(buf, len, flags, addr, addr_len) };
        }
        let call_flags = (flags | MSG_DONTWAIT) as usize;
        let args =
            [self.fd as usize, buf as usize, len, call_flags, addr as usize, addr_len as usize];
        self.retry(Dir::Read, |seen| {
            // SAFETY: the caller's promise.
            let n = unsafe { raw::syscall(libc::SYS_recvfrom, args) }?;
            if flags & KEEPS != 0 { Ok(n) } else { Ok(self.moved(Dir::Read, seen, n, len)) }
        })
    }

    /// As `recvfrom` with MSG_WAITALL.
    ///
    /// # Safety
    /// As `recv`.
    #[cold]
    unsafe fn recv_all(
        self,
        buf: *mut u8,
        len: usize,
        flags: c_int,
        addr: *mut sockaddr,
        addr_len: *mut socklen_t,
    ) -> Result<usize, Errno> {
        until_full(len, |done| {
            let (at, left) = (buf.wrapping_add(done), len - done);
            // SAFETY: the caller's promise; `at` and `left` stay inside `buf`.
            unsafe { self.recv(at, left, flags & !MSG_WAITALL, addr, addr_len) }
        })
    }

    /// As `recvmsg`.
    ///
    /// # Safety
    /// `msg` is as `recvmsg` wants it.
    pub(crate) unsafe fn recv_message(
        self,
        msg: *mut msghdr,
        flags: c_int,
    ) -> Result<usize, Errno> {
        let once = |msg: *mut msghdr| {
            self.retry(Dir::Read, |seen| {
                // SAFETY: the caller's promise.
                let n = unsafe { message(libc::SYS_recvmsg, self.fd, msg, flags | MSG_DONTWAIT) }?;
                // SAFETY: the kernel has just read these.
                let asked = iov::total(unsafe { parts(&*msg) });
                if flags & KEEPS != 0 { Ok(n) } else { Ok(self.moved(Dir::Read, seen, n, asked)) }
            })
        };
        let first = once(msg)?;
        // SAFETY: the kernel has read and written it.
        let list = unsafe { parts(&*msg) };
        let len = iov::total(list);
        if !self.collects(flags) || first == 0 || first >= len {
            return Ok(first);
        }
        until_full_from(first, len, |done| {
            let mut rest = iov::rest(list, done);
            let mut more = message_of(&mut rest);
            once(&mut more)
        })
    }

    /// MSG_WAITALL means something here.
    fn collects(self, flags: c_int) -> bool {
        flags & MSG_WAITALL != 0 && flags & KEEPS == 0 && self.entry.kind() != Kind::Datagram
    }

    /// As `sendto`.
    ///
    /// # Safety
    /// The pointers are as `sendto` wants them.
    #[inline(always)] // see `wait_one`
    pub(crate) unsafe fn send(
        self,
        buf: *const u8,
        len: usize,
        flags: c_int,
        addr: *const sockaddr,
        addr_len: socklen_t,
    ) -> Result<usize, Errno> {
        // SAFETY: the caller's promise.
        let first = unsafe { self.send_once(buf, len, flags, addr, addr_len) }?;
        if first >= len || self.entry.kind() == Kind::Datagram {
            return Ok(first);
        }
        // SAFETY: as above.
        unsafe { self.send_rest(first, buf, len, flags, addr, addr_len) }
    }

    /// # Safety
    /// As `send`.
    #[inline(always)]
    unsafe fn send_once(
        self,
        buf: *const u8,
        len: usize,
        flags: c_int,
        addr: *const sockaddr,
        addr_len: socklen_t,
    ) -> Result<usize, Errno> {
        let flags = (flags | MSG_DONTWAIT) as usize;
        let args = [self.fd as usize, buf as usize, len, flags, addr as usize, addr_len as usize];
        self.retry(Dir::Write, |seen| {
            // SAFETY: the caller's promise.
            let n = unsafe { raw::syscall(libc::SYS_sendto, args) }?;
            Ok(self.moved(Dir::Write, seen, n, len))
        })
    }

    /// After the first `done` bytes of a stream.
    ///
    /// # Safety
    /// As `send`.
    #[cold]
    unsafe fn send_rest(
        self,
        done: usize,
        buf: *const u8,
        len: usize,
        flags: c_int,
        addr: *const sockaddr,
        addr_len: socklen_t,
    ) -> Result<usize, Errno> {
        until_full_from(done, len, |done| {
            let (at, left) = (buf.wrapping_add(done), len - done);
            // SAFETY: the caller's promise; the rest stays inside `buf`.
            unsafe { self.send_once(at, left, flags | quiet(done), addr, addr_len) }
        })
    }

    /// As `sendmsg`.
    ///
    /// # Safety
    /// `msg` is as `sendmsg` wants it.
    pub(crate) unsafe fn send_message(
        self,
        msg: *const msghdr,
        flags: c_int,
    ) -> Result<usize, Errno> {
        let once = |msg: *const msghdr, done: usize| {
            self.retry(Dir::Write, |seen| {
                let flags = flags | MSG_DONTWAIT | quiet(done);
                // SAFETY: the caller's promise.
                let n = unsafe { message(libc::SYS_sendmsg, self.fd, msg.cast_mut(), flags) }?;
                // SAFETY: the kernel has just read these.
                let asked = iov::total(unsafe { parts(&*msg) });
                Ok(self.moved(Dir::Write, seen, n, asked))
            })
        };
        let first = once(msg, 0)?;
        // SAFETY: the kernel has read it.
        let list = unsafe { parts(&*msg) };
        let len = iov::total(list);
        if self.entry.kind() == Kind::Datagram || first >= len {
            return Ok(first);
        }
        // Ancillary data went with the first part, and must not go twice.
        until_full_from(first, len, |done| {
            let mut rest = iov::rest(list, done);
            once(&message_of(&mut rest), done)
        })
    }

    /// As `readv` or `writev`, on a socket.
    ///
    /// # Safety
    /// `list` has `count` parts that the kernel may use; `count` is 1 to 1024.
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

/// After a part went through, the kernel reports a broken pipe as a short
/// count, with no signal.
fn quiet(done: usize) -> c_int {
    if done > 0 { MSG_NOSIGNAL } else { 0 }
}

/// # Safety
/// As `recvmsg` and `sendmsg`.
unsafe fn message(
    nr: libc::c_long,
    fd: i32,
    msg: *mut msghdr,
    flags: c_int,
) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    unsafe { raw::syscall(nr, [fd as usize, msg as usize, flags as usize, 0, 0, 0]) }
}

/// # Safety
/// The header is one that the kernel has accepted.
unsafe fn parts(msg: &msghdr) -> &[iovec] {
    if msg.msg_iovlen == 0 {
        return &[];
    }
    // SAFETY: the kernel has read as many parts from there.
    unsafe { slice::from_raw_parts(msg.msg_iov, msg.msg_iovlen) }
}

fn message_of(list: &mut [iovec]) -> msghdr {
    // SAFETY: all zero is an empty header.
    let mut msg: msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = list.as_mut_ptr();
    msg.msg_iovlen = list.len();
    msg
}

/// Repeats `once` until `len` bytes have moved.
fn until_full(len: usize, once: impl Fn(usize) -> Result<usize, Errno>) -> Result<usize, Errno> {
    let first = once(0)?;
    if first == 0 { Ok(0) } else { until_full_from(first, len, once) }
}

/// As `until_full`, after `done` bytes have; an error is a short count then.
fn until_full_from(
    mut done: usize,
    len: usize,
    once: impl Fn(usize) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    while done < len {
        match once(done) {
            Ok(n) if n > 0 => done += n,
            _ => break,
        }
    }
    Ok(done)
}
