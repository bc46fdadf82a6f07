//! Receiving, with the kernel's own rules for partial results.
//!
//! Each attempt carries MSG_DONTWAIT, so that no flag of the descriptor has to
//! change. What a blocking call would do beyond one attempt is done here:
//! MSG_WAITALL goes on until all is there, SO_RCVLOWAT holds back until enough
//! is, and an error after a part came is a short count.

use super::call::{Limit, Socket};
use super::iov::{self, until_all};
use super::message;
use crate::sched::entry::{Dir, Kind, LOW_WATER, NO_INFERENCE, Seen};
use crate::sched::kinds;
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, c_int, msghdr, sockaddr, socklen_t};
use libc::{POLLERR, POLLHUP, POLLPRI, POLLRDHUP};
use std::cell::Cell;

/// Flags with which a short read does not mean that nothing is left.
const KEEPS: c_int = MSG_PEEK | MSG_TRUNC;

/// The most that the kernel moves in one call (MAX_RW_COUNT).
const MOST: usize = 0x7fff_f000;

/// How much a call waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Anything,
    /// Takes nothing until so much is there.
    AtOnce(usize),
    /// Takes what comes, until it has all.
    All,
}

impl Socket {
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
        if self.wants_some(flags) {
            // SAFETY: the caller's promise.
            return unsafe { self.recv_some(buf, len, flags, addr, addr_len) };
        }
        let call = |how: c_int| {
            let (flags, addr) = ((flags | how) as usize, [addr as usize, addr_len as usize]);
            let args = [self.fd as usize, buf as usize, len, flags, addr[0], addr[1]];
            // SAFETY: the caller's promise.
            unsafe { raw::syscall(libc::SYS_recvfrom, args) }
        };
        self.retry(Dir::Read, &Limit::new(), |seen| {
            let n = self.receive(Want::Anything, call)?;
            Ok(self.received(seen, n, len, flags))
        })
    }

    /// As `recvfrom`, where it may take more than one attempt to get all.
    ///
    /// # Safety
    /// As `recv`.
    #[cold]
    unsafe fn recv_some(
        self,
        buf: *mut u8,
        len: usize,
        flags: c_int,
        addr: *mut sockaddr,
        addr_len: *mut socklen_t,
    ) -> Result<usize, Errno> {
        let call = |done: usize, how: c_int| {
            let at = buf.wrapping_add(done) as usize;
            let (flags, addr) = ((flags | how) as usize, [addr as usize, addr_len as usize]);
            let args = [self.fd as usize, at, len - done, flags, addr[0], addr[1]];
            // SAFETY: the caller's promise; the rest stays inside `buf`.
            unsafe { raw::syscall(libc::SYS_recvfrom, args) }
        };
        let limit = Limit::new();
        let want = self.want(flags, || len);
        let once = |done: usize| {
            self.retry(Dir::Read, &limit, |seen| {
                if done > 0 && self.must_return_received() {
                    return Ok(0);
                }
                let n = self.receive(want, |how| call(done, how))?;
                Ok(self.received(seen, n, len - done, flags))
            })
        };
        match once(0) {
            Err(Errno::AGAIN) if want != Want::Anything => call(0, MSG_DONTWAIT),
            Ok(first) if want == Want::All => Ok(until_all(first, len, once)),
            other => other,
        }
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
        // SAFETY: the caller's promise.
        let call =
            |msg, how| unsafe { message::call(libc::SYS_recvmsg, self.fd, msg, flags | how) };
        // SAFETY: null, or a message by the caller's promise; looked at only if
        // the kernel's own look comes too late.
        let header = || unsafe { msg.as_ref() };
        // SAFETY: as above.
        let want = self.want(flags, || header().map_or(0, |msg| unsafe { message::len(msg) }));
        let room = (want == Want::All).then(header).flatten().map_or(0, |msg| msg.msg_controllen);
        let limit = Limit::new();
        let once = |msg: *mut msghdr, done: usize| {
            self.retry(Dir::Read, &limit, |seen| {
                if done > 0 && self.must_return_received() {
                    return Ok(0);
                }
                let n = self.receive(want, |how| call(msg, how))?;
                // SAFETY: the kernel has just read these.
                let asked = unsafe { message::len(&*msg) };
                Ok(self.received(seen, n, asked, flags))
            })
        };
        match once(msg, 0) {
            Err(Errno::AGAIN) if want != Want::Anything => call(msg, MSG_DONTWAIT),
            Ok(first) if want == Want::All => {
                // SAFETY: the kernel has read and written it.
                Ok(unsafe { collect_message(first, &mut *msg, room, once) })
            }
            other => other,
        }
    }

    /// Whether one attempt that gets something may not be enough.
    #[inline]
    fn wants_some(self, flags: c_int) -> bool {
        flags & MSG_WAITALL != 0 || self.entry.flags() & LOW_WATER != 0
    }

    /// What the kernel calls the target of a receive.
    #[inline]
    fn want(self, flags: c_int, len: impl FnOnce() -> usize) -> Want {
        if !self.wants_some(flags) {
            return Want::Anything;
        }
        match self.entry.kind() {
            Kind::Stream if flags & MSG_PEEK != 0 => Want::Anything,
            Kind::Tcp | Kind::Stream if flags & MSG_WAITALL == 0 => {
                Want::AtOnce(len().min(kinds::low_water(self.fd)))
            }
            Kind::Tcp if flags & MSG_PEEK != 0 => Want::AtOnce(len()),
            Kind::Tcp | Kind::Stream => Want::All,
            _ => Want::Anything,
        }
    }

    /// One attempt; `call` gets what to add to the flags.
    #[inline]
    fn receive(
        self,
        want: Want,
        call: impl Fn(c_int) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        const STOP: i16 = POLLRDHUP | POLLPRI | POLLERR | POLLHUP;
        if let Want::AtOnce(enough) = want
            && self.unread().is_some_and(|n| n < enough)
            && self.poll_now(POLLRDHUP | POLLPRI) & STOP == 0
        {
            return Err(Errno::AGAIN);
        }
        match call(MSG_DONTWAIT) {
            // Shut down for reading, a datagram socket says EAGAIN all the
            // same; without MSG_DONTWAIT, zero, and at once.
            Err(Errno::AGAIN)
                if self.entry.kind() == Kind::Datagram
                    && self.entry.flags() & NO_INFERENCE != 0
                    && self.poll_now(POLLRDHUP) & POLLRDHUP != 0 =>
            {
                call(0)
            }
            other => other,
        }
    }

    /// A transfer moved `n` of `asked` bytes.
    #[inline]
    fn received(self, seen: Seen, n: usize, asked: usize, flags: c_int) -> usize {
        // Zero bytes read is an end of file, not an empty buffer.
        if n > 0 && n < asked.min(MOST) && flags & KEEPS == 0 {
            self.entry.drained(Dir::Read, seen);
        }
        n
    }
}

/// As `until_all`, for a message; one with control data is complete. `room`
/// is how much of that the caller has room for.
///
/// # Safety
/// The kernel has received into `msg`.
unsafe fn collect_message(
    done: usize,
    msg: &mut msghdr,
    room: usize,
    once: impl Fn(*mut msghdr, usize) -> Result<usize, Errno>,
) -> usize {
    // SAFETY: the caller's promise.
    let list = unsafe { message::parts(msg) };
    let (flags, came) = (Cell::new(msg.msg_flags), Cell::new(msg.msg_controllen));
    let done = until_all(done, iov::total(list), |done| {
        if came.get() > 0 {
            return Ok(0);
        }
        let mut rest = iov::rest(list, done);
        let mut more = message::of(&mut rest);
        (more.msg_control, more.msg_controllen) = (msg.msg_control, room);
        let n = once(&mut more, done)?;
        if n > 0 {
            flags.set(flags.get() | more.msg_flags);
            came.set(more.msg_controllen);
        }
        Ok(n)
    });
    (msg.msg_flags, msg.msg_controllen) = (flags.get(), came.get());
    done
}
