//! Moving bytes from one descriptor to another: `splice`, `tee`, `vmsplice`,
//! `copy_file_range`.
//!
//! The kernel cannot be asked to make these without waiting on sockets. So both
//! ends are waited for in the reactor first, and then no more is moved than
//! goes for certain: a short count is right for all of them.
//!
//! O_NONBLOCK counts as in the kernel: that of what is written, or of a pipe
//! that is read, makes all of the call return at once; that of a socket which is
//! read only hinders waiting for it, not for room in the pipe.

use super::call::{Limit, Socket};
use super::disk::elsewhere;
use crate::sched::entry::{Dir, Kind, LOW_WATER};
use crate::sched::kinds;
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, SPLICE_F_NONBLOCK};
use libc::{c_int, c_long, c_uint, iovec};

/// Goes into a socket that is writable: that has room for a third of its buffer.
const FITS: usize = 4096;

/// What the kernel copies between files by one call.
pub(super) const PIECE: usize = 4 << 20;

/// `splice` and `tee`, of which one end at least is a pipe; `None`: libc's.
///
/// # Safety
/// `call` moves up to as many bytes as it is told, with more flags.
pub(crate) unsafe fn splice(
    from: c_int,
    to: c_int,
    len: usize,
    flags: c_uint,
    call: impl Fn(usize, c_uint) -> Result<usize, Errno>,
) -> Option<Result<usize, Errno>> {
    let (from, to) = (Socket::any(from)?, Socket::sink(to)?);
    let (hushed, pipes) = (from.would_not_wait(), [from, to].map(Socket::is_pipe));
    let all_at_once = to.would_not_wait() || (hushed && pipes[0]);
    if flags & SPLICE_F_NONBLOCK != 0 || all_at_once {
        return None;
    }
    let fits = from.allows(Dir::Read) && to.allows(Dir::Write);
    if !fits || pipes == [false; 2] {
        return None; // the kernel refuses it at once
    }
    if !from.is_watched() || !to.is_watched() {
        return None; // see `apart`
    }
    let len = if to.entry.kind().is_socket() { len.min(FITS) } else { len };
    Some(loop {
        let readable = if !hushed { from.until_ready(Dir::Read) } else { Ok(()) };
        if let Err(e) = readable.and_then(|()| to.until_ready(Dir::Write)) {
            break Err(e);
        }
        // While it waited for room, what there was may have been taken, or
        // `from` been closed, and its number mean another file.
        if !from.is_open() {
            break Err(Errno::BADF);
        }
        if !hushed && !from.is_ready(Dir::Read) {
            continue;
        }
        match call(len, SPLICE_F_NONBLOCK) {
            // Somebody else was faster.
            Err(Errno::AGAIN) if !hushed || !to.is_ready(Dir::Write) => {}
            other => break other,
        }
    })
}

/// As `vmsplice`; `None`: libc's.
///
/// # Safety
/// As `vmsplice`.
pub(crate) unsafe fn vmsplice(
    pipe: c_int,
    list: *const iovec,
    count: usize,
    flags: c_uint,
) -> Option<Result<usize, Errno>> {
    let pipe = Socket::sink(pipe)?;
    if flags & SPLICE_F_NONBLOCK != 0 || pipe.would_not_wait() {
        return None;
    }
    if !pipe.is_pipe() {
        return None; // the kernel refuses it at once
    }
    let dir = if pipe.allows(Dir::Write) { Dir::Write } else { Dir::Read };
    let how = (flags | SPLICE_F_NONBLOCK) as usize;
    let args = [pipe.fd as usize, list as usize, count, how, 0, 0];
    Some(loop {
        if let Err(e) = pipe.until_ready(dir) {
            break Err(e);
        }
        // SAFETY: the caller's promise.
        match unsafe { raw::syscall(libc::SYS_vmsplice, args) } {
            Err(Errno::AGAIN) => {} // somebody else was faster
            other => break other,
        }
    })
}

impl Socket {
    /// `fd`, if something may wait to be moved there: not on stdout and stderr,
    /// as in `blocking`.
    pub(super) fn sink(fd: c_int) -> Option<Socket> {
        let std = fd == libc::STDOUT_FILENO || fd == libc::STDERR_FILENO;
        if std { None } else { Socket::any(fd) }
    }

    /// Whether it is open for that.
    pub(super) fn allows(self, dir: Dir) -> bool {
        let get = [self.fd as usize, libc::F_GETFL as usize, 0, 0, 0, 0];
        // SAFETY: F_GETFL takes no pointer.
        let status = unsafe { raw::syscall(libc::SYS_fcntl, get) };
        let mode = status.map_or(libc::O_RDWR, |status| status as c_int & libc::O_ACCMODE);
        mode != if dir == Dir::Read { libc::O_WRONLY } else { libc::O_RDONLY }
    }

    pub(super) fn is_pipe(self) -> bool {
        self.entry.kind() == Kind::Waitable && kinds::file_type(self.fd) == Some(libc::S_IFIFO)
    }

    /// Whether the reactor knows when it is ready. A terminal may be read by
    /// the clock (VTIME), and what else there is has next to no bytes.
    pub(super) fn is_watched(self) -> bool {
        self.entry.kind() != Kind::Waitable || self.is_pipe()
    }

    /// Whether its user wants no call on it to wait.
    pub(super) fn would_not_wait(self) -> bool {
        match self.entry.kind() {
            kind if kind.is_socket() => Socket::blocking(self.fd).is_none(),
            Kind::Waitable => self.is_nonblocking(),
            _ => false,
        }
    }

    /// Waits until a transfer in that direction would move something, or fail.
    pub(super) fn until_ready(self, dir: Dir) -> Result<(), Errno> {
        if self.entry.kind() == Kind::File {
            return Ok(());
        }
        let ready = self.retry(dir, &Limit::new(), |_| {
            if self.is_ready(dir) { Ok(()) } else { Err(Errno::AGAIN) }
        });
        match ready {
            Err(Errno::PERM) => Ok(()), // it is always ready
            other => other,
        }
    }

    pub(super) fn is_ready(self, dir: Dir) -> bool {
        let wanted = if dir == Dir::Read { POLLIN } else { POLLOUT };
        let state = self.poll_now(wanted) & (wanted | POLLERR | POLLHUP | POLLNVAL);
        state != 0 || self.is_ready_after_all(dir)
    }

    /// What no poll tells: bytes below the low-water mark, and that nothing is
    /// ever sent by a listener.
    fn is_ready_after_all(self, dir: Dir) -> bool {
        match dir {
            _ if !self.entry.kind().is_socket() => false,
            Dir::Read => {
                self.entry.flags() & LOW_WATER != 0 && self.unread().is_some_and(|n| n > 0)
            }
            Dir::Write => self.is_listening(),
        }
    }

    fn is_listening(self) -> bool {
        let (mut value, mut len): (c_int, u32) = (0, 4);
        let (level, option) = (libc::SOL_SOCKET as usize, libc::SO_ACCEPTCONN as usize);
        let out = [&raw mut value as usize, &raw mut len as usize];
        let args = [self.fd as usize, level, option, out[0], out[1], 0];
        // SAFETY: out pointers, and the length of the first.
        unsafe { raw::syscall(libc::SYS_getsockopt, args) }.is_ok() && value != 0
    }
}

/// As `copy_file_range`, by a thread that may wait; `None`: libc's.
///
/// # Safety
/// The places are null or valid.
pub(crate) unsafe fn copy_file_range(
    from: c_int,
    from_at: *mut i64,
    to: c_int,
    to_at: *mut i64,
    len: usize,
    flags: c_uint,
) -> Option<Result<usize, Errno>> {
    let (from, to) = (Socket::any(from)?, Socket::sink(to)?);
    // SAFETY: the caller's promise.
    let mut at = unsafe { [from_at.as_ref().copied(), to_at.as_ref().copied()] };
    let moved = elsewhere([from, to], move || {
        let place =
            |at: &mut Option<i64>| at.as_mut().map_or(0, |at| std::ptr::from_mut(at).addr());
        let [in_at, out_at] = at.each_mut().map(place);
        let args =
            [from.fd as usize, in_at, to.fd as usize, out_at, len.min(PIECE), flags as usize];
        // SAFETY: places that live here.
        unsafe { raw::syscall(libc::SYS_copy_file_range as c_long, args) }.map(|n| (n, at))
    });
    Some(moved.map(|(n, at)| {
        // SAFETY: the caller's promise; each has a value if it was not null.
        unsafe {
            if let Some(value) = at[0] {
                *from_at = value;
            }
            if let Some(value) = at[1] {
                *to_at = value;
            }
        }
        n
    }))
}
