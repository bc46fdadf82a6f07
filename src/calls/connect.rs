//! Connecting.
//!
//! `connect` too knows no flag, so the socket is non-blocking for as long as it
//! connects, and blocks again afterwards. That a second `connect` on a socket
//! that connects asks how far it is (EALREADY, then 0 or the error) makes it an
//! operation like the others.

use super::accept::set_nonblocking;
use super::call::{Limit, Socket};
use crate::sched::entry::{Dir, FORCED_NONBLOCK, Kind, USER_NONBLOCK};
use crate::sched::fds;
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{sockaddr, socklen_t};
use std::cell::Cell;

/// How far an attempt has come.
enum Step {
    Done,
    LookAgain,
}

impl Socket {
    /// As `connect`.
    ///
    /// # Safety
    /// `addr` has `len` bytes.
    pub(crate) unsafe fn connect(self, addr: *const sockaddr, len: socklen_t) -> Result<(), Errno> {
        let args = [self.fd as usize, addr as usize, len as usize, 0, 0, 0];
        // SAFETY: the caller's promise.
        let call = || unsafe { raw::syscall(libc::SYS_connect, args) }.map(drop);
        if self.entry.kind() == Kind::Datagram {
            return call(); // only remembers the address
        }
        let forced = self.entry.flags() & FORCED_NONBLOCK != 0;
        self.force_nonblocking()?;
        let result = self.connect_and_wait(call);
        if !forced && result != Err(Errno::BADF) {
            self.unforce();
        }
        result
    }

    fn connect_and_wait(self, call: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
        let limit = Limit::new();
        let under_way = Cell::new(None);
        let attempt = |_| match call() {
            // EALREADY: another call has begun it, and this one waits as well.
            Err(why @ (Errno::INPROGRESS | Errno::ALREADY)) => {
                under_way.set(under_way.get().or(Some(why)));
                Err(Errno::AGAIN)
            }
            // That other call was told first.
            Err(Errno::ISCONN) if under_way.get().is_some() => Ok(Step::Done),
            // The queue of a Unix listener is full; who waits is not told of room.
            Err(Errno::AGAIN) => Ok(Step::LookAgain),
            other => other.map(|()| Step::Done),
        };
        match self.retry(Dir::Write, &limit, attempt) {
            Ok(Step::Done) => Ok(()),
            Ok(Step::LookAgain) => self.retry_timed(Dir::Write, &limit, call),
            // SO_SNDTIMEO: the connection is still being made.
            Err(Errno::AGAIN) => Err(under_way.get().unwrap_or(Errno::AGAIN)),
            Err(other) => Err(other),
        }
    }

    /// Back to the mode that the user sees.
    fn unforce(self) {
        let locked = self.entry.lock();
        if locked.generation() != self.generation {
            return;
        }
        fds::for_file(self.fd, |e| e.change_flags(0, FORCED_NONBLOCK));
        if self.entry.flags() & USER_NONBLOCK == 0 {
            let _ = set_nonblocking(self.fd, false);
        }
    }
}
