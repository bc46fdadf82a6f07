//! Accepting connections.
//!
//! `accept` has no flag for "do not wait", so the listener itself is made
//! non-blocking when a green thread first accepts on it. Its user goes on
//! seeing the mode that he chose, and so do plain OS threads (`accept_os`).

use super::call::{Limit, Socket};
use crate::sched::entry::{Dir, Entry, FORCED_NONBLOCK, LINGERS, LOW_WATER, USER_NONBLOCK};
use crate::sched::{fds, kinds, start};
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use crate::sys::raw;
use crate::sys::real;
use crate::time;
use libc::{c_int, sockaddr, socklen_t};

/// How long a failed accept waits before it says so, when what failed is that
/// something ran out: a caller that just tries again would spin otherwise, and
/// those who could give something back would not get to run.
const BACK_OFF: Nanos = 1_000_000;

impl Socket {
    /// As `accept4`.
    ///
    /// # Safety
    /// The pointers are as `accept4` wants them.
    pub(crate) unsafe fn accept(
        self,
        addr: *mut sockaddr,
        len: *mut socklen_t,
        flags: c_int,
    ) -> Result<i32, Errno> {
        // SAFETY: the caller's promise.
        unsafe { self.accept_if(addr, len, flags, || Ok(())) }.map(|(fd, ())| fd)
    }

    /// As `accept4`, but before each attempt `admit` is asked, and its error is
    /// the answer. `admit` may wait; what it gives belongs to one attempt, and
    /// is dropped before the next.
    ///
    /// # Safety
    /// As `accept`.
    pub(crate) unsafe fn accept_if<G>(
        self,
        addr: *mut sockaddr,
        len: *mut socklen_t,
        flags: c_int,
        mut admit: impl FnMut() -> Result<G, Errno>,
    ) -> Result<(i32, G), Errno> {
        let mut attempt = || {
            let given = admit()?;
            // SAFETY: the caller's promise.
            unsafe { call(self.fd, addr, len, flags) }.map(|fd| (fd as i32, given))
        };
        if !self.listens() {
            // The kernel refuses at once, and the socket stays as it is.
            return attempt();
        }
        self.force_nonblocking()?;
        let limit = Limit::new();
        let accepted = self.retry(Dir::Read, &limit, |_| attempt());
        match &accepted {
            Ok((fd, _)) => made(self.entry, *fd, flags),
            Err(e) => {
                if let libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM = e.0 {
                    let _ = time::until(clock::now() + BACK_OFF);
                }
            }
        }
        accepted
    }

    /// As `accept4` on a listener on which `accept_if` was called: what is
    /// there now, or EAGAIN.
    ///
    /// # Safety
    /// As `accept`.
    pub(crate) unsafe fn accept_now(
        self,
        addr: *mut sockaddr,
        len: *mut socklen_t,
        flags: c_int,
    ) -> Result<i32, Errno> {
        self.force_nonblocking()?;
        // SAFETY: the caller's promise.
        let fd = unsafe { call(self.fd, addr, len, flags) }? as i32;
        made(self.entry, fd, flags);
        Ok(fd)
    }

    /// Whether it is a listener; one that was forced to be non-blocking is.
    fn listens(self) -> bool {
        self.entry.flags() & FORCED_NONBLOCK != 0
            || kinds::option(self.fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN) == Some(1)
    }

    /// Makes the open file non-blocking while its user wants it to block.
    pub(crate) fn force_nonblocking(self) -> Result<(), Errno> {
        if self.entry.flags() & FORCED_NONBLOCK != 0 {
            return Ok(());
        }
        // Locked against the user's own change of the mode.
        let locked = self.entry.lock();
        if locked.generation() != self.generation {
            return Err(Errno::BADF);
        }
        if self.entry.flags() & FORCED_NONBLOCK == 0 {
            set_nonblocking(self.fd, true)?;
            fds::for_file(self.fd, |e| e.change_flags(FORCED_NONBLOCK, 0));
        }
        Ok(())
    }
}

/// # Safety
/// As `accept4`.
unsafe fn call(
    fd: i32,
    addr: *mut sockaddr,
    len: *mut socklen_t,
    flags: c_int,
) -> Result<usize, Errno> {
    let args = [fd as usize, addr as usize, len as usize, flags as usize, 0, 0];
    // SAFETY: the caller's promise.
    unsafe { raw::syscall(libc::SYS_accept4, args) }
}

/// FIONBIO: one call, where F_SETFL needs two.
pub(crate) fn set_nonblocking(fd: i32, on: bool) -> Result<(), Errno> {
    let on = c_int::from(on);
    let args = [fd as usize, libc::FIONBIO as usize, &raw const on as usize, 0, 0, 0];
    // SAFETY: FIONBIO reads an int.
    unsafe { raw::syscall(libc::SYS_ioctl, args) }.map(drop)
}

/// Enters an accepted descriptor in the table.
pub(crate) fn made(listener: &Entry, fd: i32, flags: c_int) {
    let timeouts = listener.timeout(Dir::Read) | listener.timeout(Dir::Write);
    if timeouts != 0 || listener.flags() & (LOW_WATER | LINGERS) != 0 {
        // It inherits them, as they were when the peer connected.
        return fds::appeared(fd);
    }
    match listener.kind() {
        kind if !kind.is_socket() => fds::appeared(fd),
        kind => fds::created(fd, kind, flags & libc::SOCK_NONBLOCK != 0),
    }
}

/// `accept4` on a plain OS thread: libc's, but a listener that was made
/// non-blocking for green threads still blocks.
///
/// # Safety
/// As `accept4`.
pub(crate) unsafe fn accept_os(
    fd: c_int,
    addr: *mut sockaddr,
    len: *mut socklen_t,
    flags: c_int,
) -> c_int {
    loop {
        // SAFETY: the caller's promise.
        let accepted = unsafe { real::accept4(fd, addr, len, flags) };
        if accepted >= 0 {
            if !start::is_forked()
                && let Ok(entry) = fds::entry(fd)
            {
                made(entry, accepted, flags);
            }
            return accepted;
        }
        if Errno::last() != Errno::AGAIN || !blocks_for_its_user(fd) || !wait_readable(fd) {
            return -1;
        }
    }
}

fn blocks_for_its_user(fd: c_int) -> bool {
    let flags = fds::entry(fd).map_or(0, Entry::flags);
    flags & (FORCED_NONBLOCK | USER_NONBLOCK) == FORCED_NONBLOCK
}

/// Blocks this OS thread until there may be a connection; false, with the
/// kernel's errno, at the socket's timeout or on a signal.
fn wait_readable(fd: c_int) -> bool {
    let nanos = fds::entry(fd).map_or(0, |e| e.timeout(Dir::Read));
    let millis = match nanos {
        0 => -1,
        n => c_int::try_from(n.div_ceil(1_000_000)).unwrap_or(c_int::MAX),
    };
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd.
    match unsafe { real::poll(&mut poll, 1, millis) } {
        0 => {
            Errno::AGAIN.set();
            false
        }
        ready => ready > 0,
    }
}
