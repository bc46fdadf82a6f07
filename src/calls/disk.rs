//! Calls on files that may wait for the disk, made by threads that may.

use super::call::Socket;
use super::iov;
use super::moved::Moved;
use crate::offload::everyone::libc_call;
use crate::sched::entry::Dir;
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{c_long, iovec};

/// The most that one job moves: what is longer goes in pieces.
pub(super) const PIECE: usize = 4 << 20;

/// Where a transfer begins: at the file's own position, or here.
pub(super) type Place = Option<i64>;

/// A system call on all of `ends`, by a thread that may wait. A number may be
/// closed before that thread comes to it, and mean another file.
///
/// # Errors
/// Those of the call; EBADF.
pub(super) fn elsewhere<T: Send + 'static, const N: usize>(
    ends: [Socket; N],
    call: impl FnOnce() -> Result<T, Errno> + Send + 'static,
) -> Result<T, Errno> {
    libc_call(move || if ends.iter().all(|end| end.is_open()) { call() } else { Err(Errno::BADF) })
}

impl Socket {
    /// A system call on it, by a thread that may wait.
    ///
    /// # Errors
    /// Those of the call; EBADF.
    pub(super) fn elsewhere(
        self,
        call: impl FnOnce(usize) -> Result<usize, Errno> + Send + 'static,
    ) -> Result<usize, Errno> {
        elsewhere([self], move || call(self.fd as usize))
    }

    /// `fsync` and its like: a call that takes no pointer.
    ///
    /// # Errors
    /// Those of the call.
    pub(crate) fn sync(self, call: c_long, args: [usize; 3]) -> Result<i32, Errno> {
        let [a, b, c] = args;
        // SAFETY: it takes no pointer.
        self.elsewhere(move |fd| unsafe { raw::syscall(call, [fd, a, b, c, 0, 0]) }).map(|_| 0)
    }

    /// Moves a piece of `list`; how much, and whether that was all there is.
    ///
    /// # Errors
    /// Those of the call.
    pub(super) fn move_piece(
        self,
        dir: Dir,
        list: &[iovec],
        at: Place,
        flags: i32,
    ) -> Result<(usize, bool), Errno> {
        let memory = Moved::up_to(iov::total(list).min(PIECE))?;
        let len = memory.len();
        let list = &iov::prefix(list, len);
        let n = match dir {
            Dir::Read => {
                let (n, memory) = libc_call(move || self.read_here(memory, at, flags))?;
                return self.hand_out(&memory, n, list, at);
            }
            Dir::Write => {
                let memory = memory.fill(list)?;
                self.elsewhere(move |fd| in_place(Dir::Write, fd, &memory, at, flags))?
            }
        };
        Ok((n, n < len))
    }

    fn read_here(self, memory: Moved, at: Place, flags: i32) -> Result<(usize, Moved), Errno> {
        if !self.is_open() {
            return Err(Errno::BADF);
        }
        in_place(Dir::Read, self.fd as usize, &memory, at, flags).map(|n| (n, memory))
    }

    /// Gives the caller the `n` bytes that were read, as far as his memory goes.
    /// The rest is as if it had not been read, where there is a position.
    fn hand_out(
        self,
        memory: &Moved,
        n: usize,
        list: &[iovec],
        at: Place,
    ) -> Result<(usize, bool), Errno> {
        let given = memory.copy_to(list, n);
        let rest = n - given.as_ref().map_or(0, |given| *given);
        if rest > 0 && at.is_none() && self.is_open() {
            let back = [self.fd as usize, (rest as isize).wrapping_neg() as usize];
            let args = [back[0], back[1], libc::SEEK_CUR as usize, 0, 0, 0];
            // SAFETY: takes no pointer. A terminal has no position.
            let _ = unsafe { raw::syscall(libc::SYS_lseek, args) };
        }
        given.map(|given| (given, given < memory.len()))
    }
}

fn in_place(dir: Dir, fd: usize, memory: &Moved, at: Place, flags: i32) -> Result<usize, Errno> {
    let list = [iovec { iov_base: memory.start().cast(), iov_len: memory.len() }];
    // SAFETY: memory of that length.
    unsafe { vectored(dir, fd, &list, at, flags) }
}

/// `preadv2` or `pwritev2`, or what there was before them.
///
/// # Safety
/// The kernel may use what `list` describes.
pub(super) unsafe fn vectored(
    dir: Dir,
    fd: usize,
    list: &[iovec],
    at: Place,
    flags: i32,
) -> Result<usize, Errno> {
    let (ptr, count, place) = (list.as_ptr() as usize, list.len(), at.unwrap_or(-1) as usize);
    let args = [fd, ptr, count, place, 0, flags as usize];
    let call = match (dir, flags, at) {
        (Dir::Read, 0, None) => libc::SYS_readv,
        (Dir::Write, 0, None) => libc::SYS_writev,
        (Dir::Read, 0, _) => libc::SYS_preadv,
        (Dir::Write, 0, _) => libc::SYS_pwritev,
        (Dir::Read, ..) => libc::SYS_preadv2,
        (Dir::Write, ..) => libc::SYS_pwritev2,
    };
    // SAFETY: the caller's promise. The arguments that a call does not have
    // come last.
    unsafe { raw::syscall(call, args) }
}
