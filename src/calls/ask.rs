//! What the kernel says of a socket at once.

use super::call::Socket;
use crate::sys::raw;
use libc::{POLLERR, POLLHUP, POLLPRI, c_int, c_ulong, pollfd};

/// Whether the next byte comes after the urgent one.
const SIOCATMARK: c_ulong = 0x8905;

impl Socket {
    /// Which of `events`, and of what is always reported, hold now.
    pub(crate) fn poll_now(self, events: i16) -> i16 {
        let mut one = pollfd { fd: self.fd, events, revents: 0 };
        let args = [&raw mut one as usize, 1, 0, 0, 0, 0];
        // SAFETY: one valid pollfd; timeout zero.
        let _ = unsafe { raw::syscall(libc::SYS_poll, args) };
        one.revents
    }

    /// How many bytes of a stream wait to be read; `None` on what is none, and
    /// on a listener.
    pub(crate) fn unread(self) -> Option<usize> {
        usize::try_from(self.ask(libc::FIONREAD)?).ok()
    }

    /// Whether a call that has received a part already is to return it: an
    /// error must be left for the next call, and urgent data is a boundary.
    pub(crate) fn must_return_received(self) -> bool {
        let state = self.poll_now(POLLPRI);
        (state & POLLERR != 0 && self.unread() == Some(0))
            || (state & POLLPRI != 0 && self.ask(SIOCATMARK) == Some(1))
    }

    /// As `must_return_received`, of one that has sent a part.
    pub(crate) fn must_return_sent(self) -> bool {
        self.poll_now(0) & (POLLERR | POLLHUP) != 0
    }

    /// Whether the file is non-blocking now. Of what is no socket: other
    /// processes may have the same file, and set its mode.
    pub(crate) fn is_nonblocking(self) -> bool {
        let args = [self.fd as usize, libc::F_GETFL as usize, 0, 0, 0, 0];
        // SAFETY: F_GETFL takes no pointer.
        let status = unsafe { raw::syscall(libc::SYS_fcntl, args) };
        status.is_ok_and(|status| status as c_int & libc::O_NONBLOCK != 0)
    }

    fn ask(self, request: c_ulong) -> Option<c_int> {
        let mut value: c_int = 0;
        let args = [self.fd as usize, request as usize, &raw mut value as usize, 0, 0, 0];
        // SAFETY: the requests used here write an int.
        unsafe { raw::syscall(libc::SYS_ioctl, args) }.ok().map(|_| value)
    }
}
