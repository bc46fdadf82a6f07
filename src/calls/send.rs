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
    #[inline(always)] // see `wait_one`
    pub(crate) unsafe fn send(
        self,
        buf: *const u8,
        len: usize,
        flags: c_int,
        addr: *const sockaddr,
        addr_len: socklen_t,
    ) -> Result<usize, Errno> {
        let limit = Limit::new();
        let call = |done: usize| {
            let flags = (flags | MSG_DONTWAIT | quiet(done)) as usize;
            let at = buf.wrapping_add(done) as usize;
            let args = [self.fd as usize, at, len - done, flags, addr as usize, addr_len as usize];
            // SAFETY: the caller's promise; the rest stays inside `buf`.
            unsafe { raw::syscall(libc::SYS_sendto, args) }
        };
        if self.entry.kind() == Kind::Datagram {
            // SAFETY: the caller's promise; asked after the kernel has read it.
            return self.send_datagram(&limit, || call(0), || unsafe { is_local(addr) });
        }
        let first = self.retry(Dir::Write, &limit, |_| call(0))?;
        Ok(if first < len { self.send_rest(&limit, first, len, call) } else { first })
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
        let call = |msg: *const msghdr, done: usize| {
            let (msg, flags) = (msg.cast_mut(), flags | MSG_DONTWAIT | quiet(done));
            // SAFETY: the caller's promise.
            unsafe { message::call(libc::SYS_sendmsg, self.fd, msg, flags) }
        };
        if self.entry.kind() == Kind::Datagram {
            // SAFETY: the caller's promise; asked after the kernel has read it.
            let local = || unsafe { is_local((*msg).msg_name.cast()) };
            return self.send_datagram(&limit, || call(msg, 0), local);
        }
        let first = self.retry(Dir::Write, &limit, |_| call(msg, 0))?;
        // SAFETY: the kernel has read it.
        let list = unsafe { message::parts(&*msg) };
        // Ancillary data went with the first part, and must not go twice.
        Ok(self.send_rest(&limit, first, iov::total(list), |done| {
            let mut rest = iov::rest(list, done);
            call(&message::of(&mut rest), done)
        }))
    }

    /// Sends a datagram by `call`; `to_local` says whether it has the address
    /// of a Unix socket, whose room is not reported to us.
    fn send_datagram(
        self,
        limit: &Limit,
        call: impl Fn() -> Result<usize, Errno>,
        to_local: impl Fn() -> bool,
    ) -> Result<usize, Errno> {
        match call() {
            Err(Errno::AGAIN) if to_local() => self.retry_timed(Dir::Write, limit, call),
            Err(Errno::AGAIN) => self.retry(Dir::Write, limit, |_| call()),
            other => {
                spend();
                other
            }
        }
    }

    /// Repeats `call` until `len` bytes of a stream went, of which `done` have.
    /// A short count proves nothing here: it may have been a fault in the buffer.
    #[cold]
    fn send_rest(
        self,
        limit: &Limit,
        done: usize,
        len: usize,
        call: impl Fn(usize) -> Result<usize, Errno>,
    ) -> usize {
        let next = |done| if self.must_return_sent() { Ok(0) } else { call(done) };
        until_all(done, len, |done| self.retry(Dir::Write, limit, |_| next(done)))
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
