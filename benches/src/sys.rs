//! The system calls that the raw server and the client make, without the C
//! library's functions in between: those are the ones that greenroom replaces.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// How a descriptor is watched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    No,
    Triggered,
}

const EVENTS: usize = 1024;

/// An epoll instance and the events of its last wait.
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: takes a flag.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }.into())?;
        // SAFETY: just made, and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        Ok(Epoll { fd, events: Vec::with_capacity(EVENTS) })
    }

    /// Reports `token` when `fd` has become readable.
    pub fn add(&self, fd: &impl AsRawFd, token: u64, edge: Edge) -> io::Result<()> {
        let mode = if edge == Edge::Triggered { libc::EPOLLET } else { 0 };
        self.register(fd, token, libc::EPOLLIN | mode)
    }

    /// Reports `token` when `fd` has become readable or writable, edge-triggered,
    /// or its other side has ended.
    ///
    /// # Errors
    /// As `epoll_ctl`'s.
    pub fn add_both(&self, fd: &impl AsRawFd, token: u64) -> io::Result<()> {
        self.register(fd, token, libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET)
    }

    fn register(&self, fd: &impl AsRawFd, token: u64, events: i32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: token };
        let (epoll, fd) = (self.fd.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: open descriptors and a valid event.
        let added = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) };
        check(added.into()).map(drop)
    }

    /// Waits for events; how many came, none at the timeout (-1: never).
    pub fn wait(&mut self, millis: i32) -> io::Result<usize> {
        self.events.clear();
        let (epoll, list) = (self.fd.as_raw_fd(), self.events.as_mut_ptr());
        // SAFETY: `list` has room for so many.
        let count = unsafe { libc::epoll_wait(epoll, list, EVENTS as i32, millis) };
        let count = check(count.into())?;
        // SAFETY: the kernel has filled so many.
        unsafe { self.events.set_len(count) };
        Ok(count)
    }

    /// Whether event `number` of the last wait says that the other side has ended.
    pub fn has_ended(&self, number: usize) -> bool {
        let ended = libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR;
        self.events[number].events & ended as u32 != 0
    }

    /// Whom event `number` of the last wait is for.
    pub fn token(&self, number: usize) -> u64 {
        self.events[number].u64
    }
}

/// One `recv` that does not wait.
pub fn receive(from: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<usize> {
    let (fd, at, flags) = (from.as_raw_fd(), buffer.as_mut_ptr(), libc::MSG_DONTWAIT);
    // SAFETY: `buffer` has so many bytes; no address is asked for.
    check(unsafe { libc::syscall(libc::SYS_recvfrom, fd, at, buffer.len(), flags, 0usize, 0usize) })
}

/// One `send` that does not wait.
pub fn send(to: &impl AsRawFd, bytes: &[u8]) -> io::Result<usize> {
    let (fd, at, flags) = (to.as_raw_fd(), bytes.as_ptr(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
    // SAFETY: `bytes` has so many bytes; no address is given.
    check(unsafe { libc::syscall(libc::SYS_sendto, fd, at, bytes.len(), flags, 0usize, 0usize) })
}

fn check(result: libc::c_long) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Keeps this thread, and those that it will start, on one core; where there is
/// no such core, anywhere.
pub fn pin(core: usize) {
    // SAFETY: all zero is an empty set, and a set holds more cores than this.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        if libc::sched_setaffinity(0, size_of_val(&set), &set) != 0 {
            eprintln!("bench: there is no core {core} to be pinned to");
        }
    }
}

/// Has the kernel back the whole pages in `memory` one by one.
pub fn never_huge(memory: &[u8]) {
    let ends = memory.as_ptr_range();
    let (start, end) = (ends.start.align_offset(4096), ends.end.addr() & 4095);
    let Some(len) = memory.len().checked_sub(start + end) else { return };
    // SAFETY: inside of `memory`; the advice changes no contents.
    unsafe { libc::madvise(ends.start.add(start).cast_mut().cast(), len, libc::MADV_NOHUGEPAGE) };
}

/// As many descriptors as the hard limit allows.
pub fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid out pointer, then a valid limit.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
