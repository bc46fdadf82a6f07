//! *Try; if it would block, wait; try again*: the shape of every operation.

use crate::green::cancel::refused;
use crate::green::current;
use crate::green::park::give_way;
use crate::sched::entry::{Dir, Entry, Kind, Seen, USER_NONBLOCK};
use crate::sched::fds;
use crate::sched::wait::{Outcome, Target, wait_one};
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use crate::sys::raw;
use crate::time;
use std::cell::Cell;

/// A descriptor on which the current green thread may park.
#[derive(Clone, Copy)]
pub(crate) struct Socket {
    pub(crate) fd: i32,
    pub(crate) entry: &'static Entry,
    /// Whose number it was when the operation began.
    pub(crate) generation: u32,
}

/// When a call gives up. SO_RCVTIMEO and SO_SNDTIMEO limit the call, not each
/// of its waits, so it is fixed when the call first has to wait.
pub(crate) struct Limit(Cell<Nanos>);

const NOT_FIXED: Nanos = 0;

impl Limit {
    pub(crate) fn new() -> Limit {
        Limit(Cell::new(NOT_FIXED))
    }

    fn fix(&self, socket: Socket, dir: Dir) -> Option<Nanos> {
        if self.0.get() == NOT_FIXED {
            self.0.set(match socket.entry.timeout(dir) {
                0 => Nanos::MAX,
                nanos => clock::now().saturating_add(nanos),
            });
        }
        Some(self.0.get()).filter(|at| *at != Nanos::MAX)
    }
}

/// Between two looks at something that the kernel does not report: room in the
/// queue of another Unix socket.
const LOOK_EVERY: Nanos = 1_000_000;

impl Socket {
    /// `fd`, if it is a socket that its user wants to block. Else the call is
    /// the kernel's to answer, which it does at once, or it is no socket.
    ///
    /// Nobody parks on stdout and stderr: std writes them under locks that
    /// belong to the OS thread, and let in the next green thread there.
    #[inline]
    pub(crate) fn blocking(fd: i32) -> Option<Socket> {
        if fd == libc::STDOUT_FILENO || fd == libc::STDERR_FILENO {
            return None;
        }
        let entry = fds::known(fd).ok()?;
        let generation = entry.generation();
        let waits = entry.flags() & USER_NONBLOCK == 0 && entry.kind().is_socket();
        waits.then_some(Socket { fd, entry, generation })
    }

    /// `fd`, if it is one of the other kinds that calls may wait for. Whether
    /// its user wants that is asked when it would: other processes may have
    /// the same pipe or terminal, and set its mode.
    ///
    /// As in `blocking`, not stdout and stderr.
    #[inline]
    pub(crate) fn no_socket(fd: i32) -> Option<Socket> {
        if fd == libc::STDOUT_FILENO || fd == libc::STDERR_FILENO {
            return None;
        }
        let socket = Socket::any(fd)?;
        matches!(socket.entry.kind(), Kind::Waitable | Kind::File).then_some(socket)
    }

    /// `fd`, whatever it is; `None` if it is not open.
    pub(crate) fn any(fd: i32) -> Option<Socket> {
        let entry = fds::known(fd).ok()?;
        Some(Socket { fd, entry, generation: entry.generation() })
    }

    /// Whether its number still means what it did when the operation began.
    pub(super) fn is_open(self) -> bool {
        self.entry.generation() == self.generation
    }

    /// Before each attempt. Meanwhile the number may have been closed, and mean
    /// another file now.
    #[inline]
    fn look(self, dir: Dir) -> Result<Seen, Errno> {
        let seen = self.entry.look(dir);
        if seen.generation == self.generation { Ok(seen) } else { Err(Errno::BADF) }
    }

    /// Repeats `attempt` while it says EAGAIN, waiting in between; at most for
    /// the socket's timeout, and then EAGAIN is the answer, as the kernel's.
    ///
    /// # Errors
    /// Those of `attempt`; EAGAIN at the timeout; EBADF if it was closed; those
    /// of `refused`.
    #[inline(always)] // see `wait_one`
    pub(crate) fn retry<T>(
        self,
        dir: Dir,
        limit: &Limit,
        mut attempt: impl FnMut(Seen) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        refused()?;
        let seen = self.look(dir)?;
        if !seen.drained() {
            match attempt(seen) {
                Err(Errno::AGAIN) => {}
                other => {
                    spend();
                    return other;
                }
            }
        }
        self.retry_later(dir, limit, seen, attempt)
    }

    #[inline(always)]
    fn retry_later<T>(
        self,
        dir: Dir,
        limit: &Limit,
        mut seen: Seen,
        mut attempt: impl FnMut(Seen) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let deadline = limit.fix(self, dir);
        loop {
            self.wait(dir, seen, deadline)?;
            seen = self.look(dir)?;
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

    /// Lets all that wait to read here try again: their attempts find what was
    /// changed before. All, for the first in line need not be the one that is
    /// meant, and passes nothing on if it finds nothing.
    pub(crate) fn rouse(self) {
        let locked = self.entry.lock();
        if locked.generation() == self.generation {
            locked.event(Dir::Read, false);
            while self.entry.has_waiters(Dir::Read) {
                locked.pass_on(Dir::Read);
            }
        }
    }

    /// As `shutdown`, if the number still means the file that it meant. Those who
    /// wait for it wake.
    pub(crate) fn shut(self, how: i32) {
        // Locked, so that nobody closes it and the number is used again.
        let locked = self.entry.lock();
        if locked.generation() == self.generation {
            self.shutdown(how);
        }
    }

    fn shutdown(self, how: i32) {
        let args = [self.fd as usize, how as usize, 0, 0, 0, 0];
        // SAFETY: takes no pointer. It fails for one that the peer has reset.
        let _ = unsafe { raw::syscall(libc::SYS_shutdown, args) };
    }

    /// Calls `kill`, which only wakes somebody, then shuts it in both directions,
    /// and drops what has come: to close a TCP socket with something unread resets
    /// the connection, and what the kernel was still to send is lost with it. All
    /// under the lock, so that who was killed does not close it in between.
    pub(crate) fn hang_up(self, kill: impl FnOnce()) {
        let locked = self.entry.lock();
        kill();
        if locked.generation() != self.generation {
            return;
        }
        self.shutdown(libc::SHUT_RDWR);
        if self.entry.kind() == Kind::Tcp {
            let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
            let args = [self.fd as usize, 0, libc::c_int::MAX as usize, flags as usize, 0, 0];
            // SAFETY: with MSG_TRUNC, TCP writes nothing anywhere (tcp(7)).
            let _ = unsafe { raw::syscall(libc::SYS_recvfrom, args) };
        }
    }

    /// As `retry`, but by looking again and again, for what is not reported.
    pub(crate) fn retry_timed<T>(
        self,
        dir: Dir,
        limit: &Limit,
        attempt: impl Fn() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        refused()?;
        let deadline = limit.fix(self, dir);
        loop {
            self.look(dir)?;
            match attempt() {
                Err(Errno::AGAIN) if deadline.is_none_or(|at| clock::now() < at) => {
                    let next = clock::now() + LOOK_EVERY;
                    time::until(deadline.map_or(next, |at| at.min(next)))?;
                }
                other => return other,
            }
        }
    }
}

/// Counts an operation that did not have to wait; after so many in a row the
/// others get a turn, or a fast peer could starve them.
#[inline]
pub(super) fn spend() {
    let Some(record) = current::get() else { return };
    if !record.own.budget.spend() {
        give_way();
    }
}
