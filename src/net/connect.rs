//! Connecting.
//!
//! `connect` too knows no flag, so the socket is non-blocking for as long as it
//! connects, and blocks again afterwards. That a second `connect` on a socket
//! that connects asks how far it is (EALREADY, then 0 or the error) makes it an
//! operation like the others.

use super::accept::set_nonblocking;
use super::call::Socket;
use crate::sched::entry::{Dir, FORCED_NONBLOCK, Kind, USER_NONBLOCK};
use crate::sched::fds;
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use crate::sys::raw;
use crate::time;
use libc::{sockaddr, socklen_t};

/// Between two looks at a Unix listener whose queue is full: the kernel does
/// not report when there is room.
const UNIX_RETRY: Nanos = 1_000_000;

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
        let result = match self.entry.kind() {
            Kind::Tcp => self.connect_tcp(call),
            _ => self.connect_local(call),
        };
        if !forced && result != Err(Errno::BADF) {
            self.unforce();
        }
        result
    }

    fn connect_tcp(self, call: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
        // A socket that another call of the user's connects already has its
        // own answer to give; only what this call started is waited for.
        let mut started = false;
        let mut attempt = || match call() {
            Err(Errno::INPROGRESS) => {
                started = true;
                Err(Errno::AGAIN)
            }
            Err(Errno::ALREADY) if started => Err(Errno::AGAIN),
            other => other,
        };
        match self.retry(Dir::Write, |_| attempt()) {
            // SO_SNDTIMEO: the connection is still being made.
            Err(Errno::AGAIN) if started => Err(Errno::INPROGRESS),
            other => other,
        }
    }

    fn connect_local(self, call: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
        let deadline = self.deadline(Dir::Write);
        loop {
            match call() {
                Err(Errno::AGAIN) if deadline.is_none_or(|d| clock::now() < d) => {
                    time::until(clock::now() + UNIX_RETRY);
                }
                other => return other,
            }
        }
    }

    /// Back to the mode that the user sees.
    fn unforce(self) {
        let _locked = self.entry.lock();
        fds::for_file(self.fd, |e| e.change_flags(0, FORCED_NONBLOCK));
        if self.entry.flags() & USER_NONBLOCK == 0 {
            let _ = set_nonblocking(self.fd, false);
        }
    }
}
