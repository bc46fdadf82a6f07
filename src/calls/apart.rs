//! Moving bytes from or to a terminal. Poll does not tell for certain whether
//! that waits (a terminal may be read by the clock, VTIME), and the kernel
//! cannot be asked to try; so a thread apart from the others waits.

use super::call::Socket;
use crate::offload::everyone::{Apart, PAUSE, try_apart};
use crate::sched::entry::{Dir, Kind};
use crate::sys::errno::Errno;
use crate::sys::raw;
use crate::time;
use libc::{SPLICE_F_NONBLOCK, c_int, c_uint};

impl Socket {
    pub(super) fn is_terminal(self) -> bool {
        // SAFETY: all zero is one.
        let mut modes: libc::termios = unsafe { std::mem::zeroed() };
        let args = [self.fd as usize, libc::TCGETS as usize, &raw mut modes as usize, 0, 0, 0];
        // SAFETY: an out pointer; the kernel's structure is the smaller one.
        unsafe { raw::syscall(libc::SYS_ioctl, args) }.is_ok()
    }
}

/// Runs `call`, which uses both descriptors, where it may wait.
///
/// # Errors
/// Those of `call`; EBADF if one of them was closed before.
pub(super) fn apart(
    ends: [Socket; 2],
    call: impl Fn() -> Result<usize, Errno> + Copy + Send + 'static,
) -> Result<usize, Errno> {
    loop {
        let moved = try_apart(Apart::Terminals, move || {
            if ends.iter().all(|end| end.is_open()) { call() } else { Err(Errno::BADF) }
        });
        match moved {
            Some(moved) => return moved,
            None => time::pause(PAUSE)?,
        }
    }
}

/// As `splice` between a pipe and what is neither pipe nor socket nor file,
/// without offsets; `None`: libc's, which does not wait.
pub(crate) fn splice(
    from: c_int,
    to: c_int,
    len: usize,
    flags: c_uint,
) -> Option<Result<usize, Errno>> {
    let (from, to) = (Socket::any(from)?, Socket::sink(to)?);
    let (from_fd, to_fd) = (from.fd as usize, to.fd as usize);
    let (other, dir) = match (from.is_pipe(), to.is_pipe()) {
        (true, false) => (to, Dir::Write),
        (false, true) => (from, Dir::Read),
        _ => return None,
    };
    let odd = other.entry.kind() == Kind::Waitable && (other.is_terminal() || !other.is_ready(dir));
    if !odd || flags & SPLICE_F_NONBLOCK != 0 || to.would_not_wait() {
        return None;
    }
    // SAFETY: takes no pointer.
    Some(apart([from, to], move || unsafe {
        raw::syscall(libc::SYS_splice, [from_fd, 0, to_fd, 0, len, flags as usize])
    }))
}
