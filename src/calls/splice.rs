//! Moving bytes from one descriptor to another: `splice`, `tee`, `vmsplice`,
//! `sendfile`, `copy_file_range`.
//!
//! The kernel cannot be asked to make these without waiting on sockets. So both
//! ends are waited for in the reactor first, and then no more is moved than
//! goes for certain: a short count is right for all of them. `sendfile` from a
//! file to what may be slow is a read and a write.

use super::call::{Limit, Socket};
use super::plain;
use crate::sched::entry::{Dir, Kind, LOW_WATER};
use crate::sched::kinds;
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, SPLICE_F_NONBLOCK};
use libc::{c_int, c_long, c_uint, iovec};

/// Goes into a socket that is writable: that has room for a third of its buffer.
const FITS: usize = 4096;

/// As much as one step of `sendfile` reads.
const STEP: usize = 64 * 1024;

/// What the kernel copies between files by one call.
const PIECE: usize = 4 << 20;

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
    let (from, to) = (Socket::any(from)?, Socket::any(to)?);
    if flags & SPLICE_F_NONBLOCK != 0 || from.would_not_wait() || to.would_not_wait() {
        return None;
    }
    let fits = from.allows(Dir::Read) && to.allows(Dir::Write);
    if !fits || !(from.is_pipe() || to.is_pipe()) {
        return None; // the kernel refuses it at once
    }
    if !from.is_watched() || !to.is_watched() {
        return None;
    }
    let len = if to.entry.kind().is_socket() { len.min(FITS) } else { len };
    Some(loop {
        if let Err(e) = from.until_ready(Dir::Read).and_then(|()| to.until_ready(Dir::Write)) {
            break Err(e);
        }
        match call(len, SPLICE_F_NONBLOCK) {
            Err(Errno::AGAIN) => {} // somebody else was faster
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
    let pipe = Socket::any(pipe)?;
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
    /// Whether it is open for that.
    fn allows(self, dir: Dir) -> bool {
        let get = [self.fd as usize, libc::F_GETFL as usize, 0, 0, 0, 0];
        // SAFETY: F_GETFL takes no pointer.
        let status = unsafe { raw::syscall(libc::SYS_fcntl, get) };
        let mode = status.map_or(libc::O_RDWR, |status| status as c_int & libc::O_ACCMODE);
        mode != if dir == Dir::Read { libc::O_WRONLY } else { libc::O_RDONLY }
    }

    fn is_pipe(self) -> bool {
        self.entry.kind() == Kind::Waitable && kinds::file_type(self.fd) == Some(libc::S_IFIFO)
    }

    /// Whether the reactor knows when it is ready. A terminal may be read by
    /// the clock (VTIME), and what else there is has next to no bytes.
    fn is_watched(self) -> bool {
        self.entry.kind() != Kind::Waitable || self.is_pipe()
    }

    /// Whether its user wants no call on it to wait.
    fn would_not_wait(self) -> bool {
        match self.entry.kind() {
            kind if kind.is_socket() => Socket::blocking(self.fd).is_none(),
            Kind::Waitable => self.is_nonblocking(),
            _ => false,
        }
    }

    /// Waits until a transfer in that direction would move something, or fail.
    fn until_ready(self, dir: Dir) -> Result<(), Errno> {
        if self.entry.kind() == Kind::File {
            return Ok(());
        }
        let wanted = if dir == Dir::Read { POLLIN } else { POLLOUT };
        let ready = self.retry(dir, &Limit::new(), |_| {
            let state = self.poll_now(wanted) & (wanted | POLLERR | POLLHUP | POLLNVAL);
            if state != 0 || self.is_ready_after_all(dir) { Ok(()) } else { Err(Errno::AGAIN) }
        });
        match ready {
            Err(Errno::PERM) => Ok(()), // it is always ready
            other => other,
        }
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

    /// Sends all of it, or writes it, as far as it goes.
    fn push(self, bytes: &[u8]) -> Option<Result<usize, Errno>> {
        if let Some(socket) = Socket::blocking(self.fd).filter(|s| s.entry.kind().is_socket()) {
            // SAFETY: bytes that live until it returns.
            return Some(unsafe {
                socket.send(bytes.as_ptr(), bytes.len(), 0, std::ptr::null(), 0)
            });
        }
        let list = [iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }];
        // SAFETY: as above; they are only read.
        unsafe { plain::transfer(self.fd, Dir::Write, &list, None, 0) }
    }
}

/// As `sendfile`; `None`: libc's.
///
/// # Safety
/// `at` is null or valid.
pub(crate) unsafe fn send_file(
    to: c_int,
    file: c_int,
    at: *mut i64,
    count: usize,
) -> Option<Result<usize, Errno>> {
    let from = Socket::any(file).filter(|file| file.entry.kind() == Kind::File)?;
    let to = Socket::any(to).filter(|to| !to.would_not_wait())?;
    let takes = to.is_pipe() || to.entry.kind().is_socket() || to.entry.kind() == Kind::File;
    if !takes || !from.allows(Dir::Read) || !to.allows(Dir::Write) {
        return None; // the kernel refuses it at once
    }
    let check = [to.fd as usize, file as usize, at as usize, 0, 0, 0];
    // Of no bytes: says what is wrong with the descriptors.
    // SAFETY: the caller's promise.
    if let Err(e) = unsafe { raw::syscall(libc::SYS_sendfile, check) } {
        return Some(Err(e));
    }
    // SAFETY: as above.
    let start = match unsafe { at.as_ref() } {
        Some(at) => *at,
        None => seek(file, 0, libc::SEEK_CUR).ok()?,
    };
    let result = match to.entry.kind() {
        Kind::File => {
            let (to, count) = (to.fd as usize, count.min(PIECE));
            from.elsewhere(move |from| {
                let mut at = start;
                let args = [to, from, &raw mut at as usize, count, 0, 0];
                // SAFETY: an offset that lives here.
                unsafe { raw::syscall(libc::SYS_sendfile, args) }
            })
        }
        _ => copy(from, to, start, count)?,
    };
    if let Ok(done) = result {
        let end = start + done as i64;
        // SAFETY: as above.
        match unsafe { at.as_mut() } {
            Some(at) => *at = end,
            None => _ = seek(file, end, libc::SEEK_SET),
        }
    }
    Some(result)
}

fn seek(file: c_int, by: i64, whence: c_int) -> Result<i64, Errno> {
    let args = [file as usize, by as usize, whence as usize, 0, 0, 0];
    // SAFETY: takes no pointer.
    unsafe { raw::syscall(libc::SYS_lseek, args) }.map(|at| at as i64)
}

/// Reads the file from `start`, and pushes what came.
fn copy(from: Socket, to: Socket, start: i64, count: usize) -> Option<Result<usize, Errno>> {
    let mut memory = Vec::new();
    if memory.try_reserve_exact(count.min(STEP)).is_err() {
        return Some(Err(Errno(libc::ENOMEM)));
    }
    memory.resize(count.min(STEP), 0);
    let mut done = 0;
    while done < count {
        let want = memory.len().min(count - done);
        let list = [iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: want }];
        let at = Some(start + done as i64);
        // SAFETY: memory of that length.
        let step = match unsafe { plain::transfer(from.fd, Dir::Read, &list, at, 0) }? {
            Ok(0) => break,
            Ok(got) => to.push(&memory[..got])?.map(|sent| (sent, got)),
            Err(e) => Err(e),
        };
        match step {
            Ok((sent, got)) => {
                done += sent;
                if sent < got {
                    break;
                }
            }
            Err(e) if done == 0 => return Some(Err(e)),
            Err(_) => break,
        }
    }
    Some(Ok(done))
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
    let (from, to) = (Socket::any(from)?, to as usize);
    // SAFETY: the caller's promise.
    let mut at = unsafe { [from_at.as_ref().copied(), to_at.as_ref().copied()] };
    let moved = crate::offload::everyone::libc_call(move || {
        let place =
            |at: &mut Option<i64>| at.as_mut().map_or(0, |at| std::ptr::from_mut(at).addr());
        let [in_at, out_at] = at.each_mut().map(place);
        let args = [from.fd as usize, in_at, to, out_at, len.min(PIECE), flags as usize];
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
