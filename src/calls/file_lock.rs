//! Locks on files, of `flock` and `fcntl`: tried at once, and else waited for
//! by a thread that may.
//!
//! Those threads are apart from the others: whoever holds the lock may need one
//! of the others before it unlocks. And when all of them wait, a further lock
//! is tried again and again, since it may be the one that the others wait for.

use super::call::Socket;
use crate::offload::everyone::{Apart, PAUSE, try_apart};
use crate::sys::errno::Errno;
use crate::sys::raw;
use crate::time;
use libc::{F_OFD_SETLK, F_OFD_SETLKW, F_SETLK, LOCK_NB, SYS_fcntl, SYS_flock, c_int, flock};

impl Socket {
    /// As `flock`, which waits.
    ///
    /// # Errors
    /// As `flock`.
    pub(crate) fn flock(self, how: c_int) -> Result<c_int, Errno> {
        self.lock_by(move |fd, wait| {
            let how = if wait { how } else { how | LOCK_NB };
            // SAFETY: takes no pointer.
            unsafe { raw::syscall(SYS_flock, [fd, how as usize, 0, 0, 0, 0]) }
        })
    }

    /// As `fcntl` with a command that waits.
    ///
    /// # Errors
    /// As `fcntl`.
    ///
    /// # Safety
    /// `lock` is as `fcntl` wants it.
    pub(crate) unsafe fn set_lock(self, wait: c_int, lock: *const flock) -> Result<c_int, Errno> {
        let at_once = if wait == F_OFD_SETLKW { F_OFD_SETLK } else { F_SETLK };
        let call = |fd: usize, cmd: c_int, lock: *const flock| {
            // SAFETY: the caller's promise, or a copy.
            unsafe { raw::syscall(SYS_fcntl, [fd, cmd as usize, lock as usize, 0, 0, 0]) }
        };
        // The kernel also says if it cannot be read.
        match call(self.fd as usize, at_once, lock) {
            Err(Errno::AGAIN | Errno(libc::EACCES)) => {}
            other => return other.map(|_| 0),
        }
        // SAFETY: the kernel has just read it.
        let copy = unsafe { *lock };
        self.lock_by(move |fd, waits| call(fd, if waits { wait } else { at_once }, &copy))
    }

    /// Locks by `call`, which is told whether to wait.
    fn lock_by(
        self,
        call: impl Fn(usize, bool) -> Result<usize, Errno> + Copy + Send + 'static,
    ) -> Result<c_int, Errno> {
        let fd = self.fd as usize;
        loop {
            match call(fd, false) {
                Err(Errno::AGAIN | Errno(libc::EACCES)) => {}
                other => return other.map(|_| 0),
            }
            let waiting = try_apart(Apart::Others, move || match self.is_open() {
                true => call(fd, true),
                false => Err(Errno::BADF),
            });
            match waiting {
                Some(locked) => return locked.map(|_| 0),
                None => time::pause(PAUSE)?,
            }
            if !self.is_open() {
                return Err(Errno::BADF);
            }
        }
    }
}
