//! The kernel's readiness queue of one worker, and the means to wake it.
//!
//! Owned by a `polling::Poller`, but on Linux reached through its epoll
//! descriptor: `Poller::wait` costs five system calls where one will do, and
//! `Poller::add` cannot ask for EPOLLRDHUP, without which a short read could
//! hide an end of file (see `sched/fds`). `portable.rs` is the same type on
//! `Poller`'s own calls; one switch in `mod.rs` picks.

use super::clock::{self, Nanos};
use super::errno::Errno;
use super::raw;
pub(crate) use super::ready::{Ready, Until};
use polling::Poller;
use rustix::event::epoll::{self, EventData, EventFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The key under which the selector reports its own wake-up.
const WAKE: u64 = u64::MAX - 1;

/// Edge-triggered readiness of many descriptors.
pub(crate) struct Selector {
    poller: Poller,
    /// Registered edge-triggered: each write is an event, nobody reads it.
    wake: OwnedFd,
    /// This kernel has no epoll_pwait2 (before 5.11, or seccomp).
    millis_only: AtomicBool,
}

/// Room for what one wait reports.
pub(crate) struct Events(Vec<libc::epoll_event>);

impl Events {
    pub(crate) fn new() -> Events {
        Events(Vec::with_capacity(512))
    }

    /// As after a wait that has found nothing.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What the last wait reported, the selector's own wake-up left out.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Ready> + '_ {
        const READ: i32 = libc::EPOLLIN | libc::EPOLLPRI | libc::EPOLLRDHUP;
        const END: i32 = libc::EPOLLHUP | libc::EPOLLERR;
        const ENDED: i32 = END | libc::EPOLLRDHUP | libc::EPOLLPRI;
        self.0.iter().filter(|e| e.u64 < WAKE).map(|e| {
            let flags = e.events as i32;
            Ready {
                key: e.u64,
                readable: flags & (READ | END) != 0,
                writable: flags & (libc::EPOLLOUT | END) != 0,
                ended: flags & ENDED != 0,
            }
        })
    }
}

impl Selector {
    /// # Errors
    /// No descriptors or memory left.
    pub(crate) fn new() -> io::Result<Selector> {
        use rustix::event::{EventfdFlags, eventfd};
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let selector =
            Selector { poller: Poller::new()?, wake, millis_only: AtomicBool::new(false) };
        epoll::add(
            selector.poller.as_fd(),
            &selector.wake,
            EventData::new_u64(WAKE),
            EventFlags::ET | EventFlags::IN,
        )?;
        Ok(selector)
    }

    /// Registers `fd` for good: both directions, edge-triggered. An event for
    /// what is ready already will follow.
    pub(crate) fn add(&self, fd: RawFd, key: u64) -> Result<(), Errno> {
        let flags =
            EventFlags::ET | EventFlags::IN | EventFlags::OUT | EventFlags::PRI | EventFlags::RDHUP;
        // SAFETY: borrowed for this call; a number that is not open gets EBADF.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        let data = EventData::new_u64(key);
        match epoll::add(self.poller.as_fd(), fd, data, flags) {
            // Closed and opened again behind our back, as the same file.
            Err(rustix::io::Errno::EXIST) => epoll::modify(self.poller.as_fd(), fd, data, flags),
            other => other,
        }
        .map_err(|e| Errno(e.raw_os_error()))
    }

    /// Undoes `add`. Only needed when the file stays open under another number.
    pub(crate) fn delete(&self, fd: RawFd) {
        // SAFETY: as in `add`.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        let _ = epoll::delete(self.poller.as_fd(), fd);
    }

    /// Ends the current or the next wait. Any thread.
    pub(crate) fn wake(&self) {
        // Fails only when the counter is full, and then an event is due anyway.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Waits, and fills `events` with what is ready (perhaps nothing).
    pub(crate) fn wait(&self, events: &mut Events, until: Until) {
        events.0.clear();
        let n = match until {
            Until::Now => self.wait_millis(events, 0),
            Until::Event => self.wait_millis(events, -1),
            Until::Deadline(at) => self.wait_deadline(events, at),
            Until::About(time) => self.wait_millis(events, millis(time)),
        };
        // SAFETY: the kernel filled `n` events of the spare capacity. On an
        // error (EINTR is the only one that can happen) nothing was filled.
        unsafe { events.0.set_len(n.unwrap_or(0)) }
    }

    fn wait_millis(&self, events: &mut Events, timeout: i32) -> Result<usize, Errno> {
        let (list, room) = (events.0.as_mut_ptr() as usize, events.0.capacity());
        let epoll = self.poller.as_raw_fd() as usize;
        // SAFETY: `list` has room for that many events.
        unsafe { raw::syscall(libc::SYS_epoll_wait, [epoll, list, room, timeout as usize, 0, 0]) }
    }

    fn wait_deadline(&self, events: &mut Events, at: Nanos) -> Result<usize, Errno> {
        let left = at.saturating_sub(clock::now());
        if left == 0 {
            return self.wait_millis(events, 0);
        }
        if !self.millis_only.load(Relaxed) {
            let (list, room) = (events.0.as_mut_ptr() as usize, events.0.capacity());
            let timeout = libc::timespec {
                tv_sec: (left / 1_000_000_000) as i64,
                tv_nsec: (left % 1_000_000_000) as i64,
            };
            let epoll = self.poller.as_raw_fd() as usize;
            let timeout = &raw const timeout as usize;
            // SAFETY: `list` has room for that many events, `timeout` is valid.
            let r =
                unsafe { raw::syscall(libc::SYS_epoll_pwait2, [epoll, list, room, timeout, 0, 0]) };
            match r {
                Err(Errno(libc::ENOSYS | libc::EPERM)) => self.millis_only.store(true, Relaxed),
                other => return other,
            }
        }
        // Rounded up: a timer may be late, never early.
        self.wait_millis(events, millis(left))
    }
}

fn millis(time: Nanos) -> i32 {
    i32::try_from(time.div_ceil(1_000_000)).unwrap_or(i32::MAX)
}
