//! Sending, with the kernel's own rules for partial results.
//!
//! As in `receive`, each attempt carries MSG_DONTWAIT; what a blocking call
//! would do beyond it is done here: a stream send goes on until all is sent,
//! and an error after a part went through is a short count.

use super::call::{Limit, Socket, spend};
use super::iov::{self, until_all};
use super::message;
use crate::sched::entry::{Dir, Kind};
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, c_int, msghdr, sockaddr, socklen_t};

impl Socket {
    /// As `sendto`.
    ///
    /// # Safety
    /// The pointers are as `sendto` wants them.
    pub(crate) unsafe fn send(
        self,
        buf: *const u8,
        len: usize,
        flags: c_int,
        addr: *const sockaddr,
        addr_len: socklen_t,
    ) -> Result<usize, Errno> {
        let limit = Limit::new();
        let once = |done: usize| {
            let flags = (flags | MSG_DONTWAIT | quiet(done)) as usize;
            let at = buf.wrapping_add(done) as usize;
            let args = [self.fd as usize, at, len - done, flags, addr as usize, addr_len as usize];
            // SAFETY: the caller's promise; the rest stays inside `buf`.
            let call = || unsafe { raw::syscall(libc::SYS_sendto, args) };
            // SAFETY: as above; asked after the kernel has read it.
            self.push(&limit, done, call, || unsafe { is_local(addr) })
        };
        let first = once(0)?;
        Ok(self.send_rest(first, len, once))
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
        let limit = Limit::new();
        let once = |msg: *const msghdr, done: usize| {
            let (msg, flags) = (msg.cast_mut(), flags | MSG_DONTWAIT | quiet(done));
            // SAFETY: the caller's promise.
            let call = || unsafe { message::call(libc::SYS_sendmsg, self.fd, msg, flags) };
            // SAFETY: as above; asked after the kernel has read it.
            self.push(&limit, done, call, || unsafe { is_local((*msg).msg_name.cast()) })
        };
        let first = once(msg, 0)?;
        // SAFETY: the kernel has read it.
        let list = unsafe { message::parts(&*msg) };
        // Ancillary data went with the first part, and must not go twice.
        Ok(self.send_rest(first, iov::total(list), |done| {
            let mut rest = iov::rest(list, done);
            once(&message::of(&mut rest), done)
        }))
    }

    /// Sends what `call` does, when there is room for it, after `done` bytes.
    fn push(
        self,
        limit: &Limit,
        done: usize,
        call: impl Fn() -> Result<usize, Errno>,
        to_local: impl Fn() -> bool,
    ) -> Result<usize, Errno> {
        if self.entry.kind() != Kind::Datagram {
            return self.retry(Dir::Write, limit, |_| {
                if done > 0 && self.must_return_sent() { Ok(0) } else { call() }
            });
        }
        match call() {
            Err(Errno::AGAIN) if to_local() => self.retry_timed(Dir::Write, limit, call),
            Err(Errno::AGAIN) => self.retry(Dir::Write, limit, |_| call()),
            other => {
                spend();
                other
            }
        }
    }

    /// Repeats `once` until `len` bytes went, of which `done` have. A short
    /// count proves nothing here: it may have been a fault in the buffer.
    fn send_rest(
        self,
        done: usize,
        len: usize,
        once: impl Fn(usize) -> Result<usize, Errno>,
    ) -> usize {
        if self.entry.kind() == Kind::Datagram {
            return done;
        }
        until_all(done, len, once)
    }
}

/// After a part went through, the kernel reports a broken pipe as a short
/// count, with no signal.
fn quiet(done: usize) -> c_int {
    if done > 0 { MSG_NOSIGNAL } else { 0 }
}

/// Whether it is the name of a Unix socket.
///
/// # Safety
/// Null, or an address that the kernel has accepted.
unsafe fn is_local(addr: *const sockaddr) -> bool {
    // SAFETY: the caller's promise.
    unsafe { addr.as_ref() }.is_some_and(|a| i32::from(a.sa_family) == AF_UNIX)
}
