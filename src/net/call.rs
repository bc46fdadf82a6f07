//! *Try; if it would block, wait; try again*: the shape of every operation.

use crate::green::current;
use crate::green::park::give_way;
use crate::sched::entry::{Dir, Entry, Kind, Seen, USER_NONBLOCK};
use crate::sched::fds;
use crate::sched::wait::{Outcome, Target, wait_one};
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use std::sync::atomic::Ordering::Relaxed;

/// A descriptor on which the current green thread may park.
#[derive(Clone, Copy)]
pub(crate) struct Socket {
    pub(crate) fd: i32,
    pub(crate) entry: &'static Entry,
}

impl Socket {
    /// `fd`, if it is a socket that its user wants to block. Else the call is
    /// the kernel's to answer, which it does at once, or it is no socket.
    #[inline]
    pub(crate) fn blocking(fd: i32) -> Option<Socket> {
        let entry = fds::known(fd).ok()?;
        let waits = entry.flags() & USER_NONBLOCK == 0 && entry.kind() != Kind::Other;
        waits.then_some(Socket { fd, entry })
    }

    /// Repeats `attempt` while it says EAGAIN, waiting in between; at most for
    /// the socket's timeout, and then EAGAIN is the answer, as the kernel's.
    ///
    /// # Errors
    /// Those of `attempt`; EAGAIN at the timeout; EBADF if it was closed.
    #[inline(always)] // see `wait_one`
    pub(crate) fn retry<T>(
        self,
        dir: Dir,
        mut attempt: impl FnMut(Seen) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let seen = self.entry.look(dir);
        if !seen.drained() {
            match attempt(seen) {
                Err(Errno::AGAIN) => {}
                other => {
                    spend();
                    return other;
                }
            }
        }
        self.retry_later(dir, seen, attempt)
    }

    #[inline(always)]
    fn retry_later<T>(
        self,
        dir: Dir,
        mut seen: Seen,
        mut attempt: impl FnMut(Seen) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let deadline = self.deadline(dir);
        loop {
            self.wait(dir, seen, deadline)?;
            seen = self.entry.look(dir);
            if seen.drained() {
                continue;
            }
            match attempt(seen) {
                Err(Errno::AGAIN) => {}
                other => {
                    // It was woken first in line, and may have left something.
                    if self.entry.has_waiters(dir) {
                        self.entry.lock().pass_on(dir);
                    }
                    return other;
                }
            }
        }
    }

    /// Waits once.
    #[inline(always)]
    fn wait(self, dir: Dir, seen: Seen, deadline: Option<Nanos>) -> Result<(), Errno> {
        let target = Target::new(self.fd, self.entry, dir, seen, false);
        match wait_one(&target, deadline)? {
            Outcome::Ready => Ok(()),
            Outcome::Closed => Err(Errno::BADF),
            Outcome::TimedOut => Err(Errno::AGAIN),
        }
    }

    /// When an operation that starts now times out.
    #[inline]
    pub(crate) fn deadline(self, dir: Dir) -> Option<Nanos> {
        let timeout = match dir {
            Dir::Read => &self.entry.recv_timeout,
            Dir::Write => &self.entry.send_timeout,
        };
        match timeout.load(Relaxed) {
            0 => None,
            nanos => Some(clock::now().saturating_add(nanos)),
        }
    }
}

/// Counts an operation that did not have to wait; after so many in a row the
/// others get a turn, or a fast peer could starve them.
#[inline]
fn spend() {
    let Some(record) = current::get() else { return };
    match record.own.budget.get() {
        0 | 1 => give_way(),
        left => record.own.budget.set(left - 1),
    }
}
