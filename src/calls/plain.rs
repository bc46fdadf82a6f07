//! Reading and writing what is no socket.
//!
//! *What can be waited for* (pipes, terminals, eventfds): each attempt says
//! RWF_NOWAIT, which changes no flag that another process might see. Where the
//! kernel does not know that, the descriptor is polled, and the plain call made
//! when it is ready. It moves no more then than fits for certain.
//!
//! *Files* are read from memory by RWF_NOWAIT. What is not there, a thread that
//! may wait brings; likewise what the kernel cannot be asked to do at once, and
//! what is written, unless the file system lives in memory, or only takes note
//! of what is written, as those for disks do.

use super::call::{Limit, Socket, spend};
use super::disk::{Place, vectored};
use super::iov::{self, until_all};
use crate::sched::entry::{Dir, Kind, PLAIN, SLOW};
use crate::sched::kinds;
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{O_DIRECT, O_DSYNC, O_SYNC, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, RWF_NOWAIT};
use libc::{c_int, iovec};

/// One call.
#[derive(Clone, Copy)]
struct Transfer {
    of: Socket,
    dir: Dir,
    at: Place,
    flags: c_int,
}

/// What one step of a call came to.
enum Step {
    /// It moved so much, and there may be more.
    Some(usize),
    /// That was the last of it.
    Last(usize),
}

/// Moves what `list` describes; `None`: leave it to libc.
///
/// # Safety
/// As `preadv2` and `pwritev2`; `list` moves something.
pub(crate) unsafe fn transfer(
    fd: c_int,
    dir: Dir,
    list: &[iovec],
    at: Place,
    flags: c_int,
) -> Option<Result<usize, Errno>> {
    // SAFETY: the caller's promise.
    unsafe { transfer_on(Socket::no_socket(fd)?, dir, list, at, flags) }
}

/// As `transfer`, for one who may have waited since he looked `of` up.
///
/// # Safety
/// As `transfer`.
pub(super) unsafe fn transfer_on(
    of: Socket,
    dir: Dir,
    list: &[iovec],
    at: Place,
    flags: c_int,
) -> Option<Result<usize, Errno>> {
    if !of.is_open() {
        return Some(Err(Errno::BADF));
    }
    let call = Transfer { of, dir, at, flags };
    match of.entry.kind() {
        _ if flags & RWF_NOWAIT != 0 || at.is_some_and(|at| at < 0) => None,
        Kind::File => Some(call.file(list)),
        Kind::Waitable if at.is_none() => Some(call.waitable(list)),
        _ => None,
    }
}

impl Transfer {
    /// The flag `PLAIN` or `SLOW` for this direction.
    fn flag(self, which: u32) -> u32 {
        which << self.dir as u32
    }

    fn has(self, which: u32) -> bool {
        self.of.entry.flags() & self.flag(which) != 0
    }

    /// An attempt that does not wait; `None`: the kernel cannot be asked that.
    fn at_once(self, list: &[iovec], at: Place) -> Option<Result<usize, Errno>> {
        // A write to a file is not taken apart: others may append to it as well.
        let whole = self.dir == Dir::Write && self.of.entry.kind() == Kind::File;
        if whole || self.has(PLAIN | SLOW) {
            return None;
        }
        match self.kernel(list, at, self.flags | RWF_NOWAIT) {
            Err(Errno::NOTSUP | Errno::NOSYS) => None,
            other => Some(other),
        }
    }

    fn kernel(self, list: &[iovec], at: Place, flags: c_int) -> Result<usize, Errno> {
        let list = &list[..list.len().min(libc::UIO_MAXIOV as usize)];
        // SAFETY: the promise of `transfer`'s caller.
        unsafe { vectored(self.dir, self.of.fd as usize, list, at, flags) }
    }

    fn waitable(self, list: &[iovec]) -> Result<usize, Errno> {
        let limit = Limit::new();
        let once = |list: &[iovec]| {
            let tried = self.of.retry(self.dir, &limit, |_| self.attempt(list));
            match tried {
                // It cannot be waited for: then it does not wait.
                Err(Errno::PERM) => self.kernel(list, None, self.flags),
                other => other?,
            }
        };
        let first = once(list)?;
        let len = iov::total(list);
        Ok(match self.dir {
            Dir::Read => first,
            Dir::Write => until_all(first, len, |done| once(&iov::rest(list, done))),
        })
    }

    /// EAGAIN: wait, and try again. Inside, what the caller is told.
    fn attempt(self, list: &[iovec]) -> Result<Result<usize, Errno>, Errno> {
        match self.at_once(list, None) {
            Some(Err(Errno::AGAIN)) if !self.of.is_nonblocking() => return Err(Errno::AGAIN),
            Some(other) => return Ok(other),
            None => self.of.entry.change_flags(self.flag(PLAIN), 0),
        }
        let wanted = if self.dir == Dir::Read { POLLIN } else { POLLOUT };
        let ready = self.of.poll_now(wanted) & (wanted | POLLERR | POLLHUP | POLLNVAL) != 0;
        if ready || self.of.is_nonblocking() {
            return Ok(match self.dir {
                Dir::Read => self.kernel(list, None, self.flags),
                Dir::Write => self.kernel(&iov::prefix(list, self.fits()), None, self.flags),
            });
        }
        if self.dir == Dir::Read && self.is_timed() {
            return Ok(self.of.move_piece(self.dir, list, None, self.flags).map(|(n, _)| n));
        }
        Err(Errno::AGAIN)
    }

    /// How much can be written for certain when it is ready: a pipe then has
    /// room for a page; of the others, a terminal's is the smallest.
    fn fits(self) -> usize {
        if kinds::file_type(self.of.fd) == Some(libc::S_IFIFO) { libc::PIPE_BUF } else { 256 }
    }

    /// Whether it is a terminal whose reads end after a time (VTIME), which no
    /// poll reports.
    fn is_timed(self) -> bool {
        // SAFETY: all zero is a valid one.
        let mut mode: libc::termios = unsafe { std::mem::zeroed() };
        let args = [self.of.fd as usize, libc::TCGETS as usize, &raw mut mode as usize, 0, 0, 0];
        // SAFETY: an out pointer; the kernel's structure is the shorter one.
        let asked = unsafe { raw::syscall(libc::SYS_ioctl, args) };
        // The kernel counts its control characters as the C library does.
        asked.is_ok() && mode.c_lflag & libc::ICANON == 0 && mode.c_cc[libc::VTIME] > 0
    }

    fn file(self, list: &[iovec]) -> Result<usize, Errno> {
        let (mut done, len) = (0, iov::total(list));
        loop {
            let rest = if done > 0 { &iov::rest(list, done) } else { list };
            let at = self.at.map(|at| at.saturating_add(done as i64));
            let last = match self.file_step(rest, at) {
                Ok(Step::Some(n)) => {
                    done += n;
                    n == 0
                }
                Ok(Step::Last(n)) => {
                    done += n;
                    true
                }
                Err(e) if done == 0 => return Err(e),
                Err(_) => true,
            };
            if last || done >= len {
                spend();
                return Ok(done);
            }
        }
    }

    fn file_step(self, list: &[iovec], at: Place) -> Result<Step, Errno> {
        // The step before may have waited, and the number mean another file.
        if !self.of.is_open() {
            return Err(Errno::BADF);
        }
        match self.at_once(list, at) {
            // What is in memory; behind it there may be more on the disk.
            Some(Ok(n)) => return Ok(Step::Some(n)),
            Some(Err(Errno::AGAIN)) => return self.file_elsewhere(list, at),
            Some(Err(e)) => return Err(e),
            None if !self.has(PLAIN | SLOW) => {
                let how = if self.only_remembers() { PLAIN } else { SLOW };
                self.of.entry.change_flags(self.flag(how), 0);
            }
            None => {}
        }
        let long = self.dir == Dir::Write && iov::total(list) >= LONG;
        if self.has(SLOW) || long || self.flags != 0 {
            return self.file_elsewhere(list, at);
        }
        self.kernel(list, at, 0).map(Step::Last)
    }

    fn file_elsewhere(self, list: &[iovec], at: Place) -> Result<Step, Errno> {
        match self.of.move_piece(self.dir, list, at, self.flags) {
            Ok((n, true)) => Ok(Step::Last(n)),
            Ok((n, false)) => Ok(Step::Some(n)),
            // What cannot be copied: the kernel knows how far it would get, and
            // whether another error comes first.
            Err(Errno::FAULT) if self.dir == Dir::Write => {
                self.kernel(list, at, self.flags).map(Step::Last)
            }
            Err(e) => Err(e),
        }
    }

    /// Whether a plain call takes no longer than copying: the file system lives
    /// in memory, or it is written to that of the page cache.
    fn only_remembers(self) -> bool {
        // SAFETY: all zero is an empty one.
        let mut system: libc::statfs = unsafe { std::mem::zeroed() };
        let args = [self.of.fd as usize, &raw mut system as usize, 0, 0, 0, 0];
        // SAFETY: an out pointer, of the type that this system call fills.
        if unsafe { raw::syscall(libc::SYS_fstatfs, args) }.is_err() {
            return false;
        }
        let kind = system.f_type as u32;
        let get = [self.of.fd as usize, libc::F_GETFL as usize, 0, 0, 0, 0];
        // SAFETY: F_GETFL takes no pointer.
        let status = unsafe { raw::syscall(libc::SYS_fcntl, get) }.map_or(0, |s| s as c_int);
        let writes = self.dir == Dir::Write;
        if writes && status & (O_SYNC | O_DSYNC | O_DIRECT) != 0 {
            return false; // a disk, too, lies in a file system in memory
        }
        IN_MEMORY.contains(&kind) || (writes && ON_DISK.contains(&kind))
    }
}

/// Longer writes take as long as a few switches, and may have to wait until
/// the kernel has written others.
const LONG: usize = 1 << 20;

/// tmpfs, ramfs, proc, sysfs, cgroup (both), devpts, debugfs, tracefs,
/// securityfs.
const IN_MEMORY: [u32; 10] = [
    0x0102_1994,
    0x8584_58f6,
    0x9fa0,
    0x6265_6572,
    0x27_e0eb,
    0x6367_7270,
    0x1cd1,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
];

/// ext, XFS, btrfs, F2FS, overlay.
const ON_DISK: [u32; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x794c_7630];
