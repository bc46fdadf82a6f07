//! Each way to wait for one of many descriptors, on one of them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use libc::{c_int, epoll_event, fd_set, sigset_t, timespec, timeval};
use std::mem::zeroed;
use std::ptr::{null, null_mut};

pub(crate) const READ: i16 = libc::POLLIN;
pub(crate) const WRITE: i16 = libc::POLLOUT;

/// One way: the value, and what it reported in a form of its own.
pub(crate) type Way = fn(c_int, i16, Option<u32>) -> (i64, u32);

pub(crate) static WAYS: &[(&str, Way)] = &[
    ("poll", poll),
    ("ppoll", |fd, events, millis| ppoll(fd, events, millis, null())),
    ("select", select),
    ("pselect", |fd, events, millis| pselect(fd, events, millis, null())),
    ("epoll_wait", |fd, events, millis| epoll(fd, events, millis, epoll_wait)),
    ("epoll_pwait", |fd, events, millis| {
        epoll(fd, events, millis, |e, to, ms| {
            c!(libc::epoll_pwait(e, to, 4, ms.map_or(-1, |ms| ms as c_int), null()))
        })
    }),
    ("epoll_pwait2", |fd, events, millis| {
        epoll(fd, events, millis, |e, to, ms| epoll_pwait2(e, to, ms, null()))
    }),
];

unsafe extern "C" {
    #[link_name = "epoll_pwait2"]
    fn libcs_epoll_pwait2(
        epoll: c_int,
        events: *mut epoll_event,
        most: c_int,
        timeout: *const timespec,
        mask: *const sigset_t,
    ) -> c_int;
}

pub(crate) fn time(millis: u32) -> timespec {
    timespec { tv_sec: i64::from(millis / 1000), tv_nsec: i64::from(millis % 1000) * 1_000_000 }
}

/// As C takes a time that may be none.
fn pointer<T>(time: &Option<T>) -> *const T {
    time.as_ref().map_or(null(), |time| time)
}

pub(crate) fn poll(fd: c_int, events: i16, millis: Option<u32>) -> (i64, u32) {
    let mut one = libc::pollfd { fd, events, revents: 0 };
    let n = c!(libc::poll(&mut one, 1, millis.map_or(-1, |ms| ms as c_int)));
    (n, one.revents as u32)
}

pub(crate) fn ppoll(
    fd: c_int,
    events: i16,
    millis: Option<u32>,
    mask: *const sigset_t,
) -> (i64, u32) {
    let mut one = libc::pollfd { fd, events, revents: 0 };
    let n = c!(libc::ppoll(&mut one, 1, pointer(&millis.map(time)), mask));
    (n, one.revents as u32)
}

/// Sets for reading, writing and exceptions; `fd` in the first or the second.
pub(crate) fn sets(fd: c_int, events: i16) -> [fd_set; 3] {
    // SAFETY: all zero is an empty set; `fd` is small.
    unsafe {
        let mut sets: [fd_set; 3] = zeroed();
        if !(0..1024).contains(&fd) {
            return sets;
        }
        if events & READ != 0 {
            libc::FD_SET(fd, &mut sets[0]);
        }
        if events & WRITE != 0 {
            libc::FD_SET(fd, &mut sets[1]);
        }
        libc::FD_SET(fd, &mut sets[2]);
        sets
    }
}

fn in_sets(fd: c_int, sets: &[fd_set; 3]) -> u32 {
    if !(0..1024).contains(&fd) {
        return 0;
    }
    // SAFETY: within the sets.
    let is_in = |i: usize| u32::from(unsafe { libc::FD_ISSET(fd, &sets[i]) }) << i;
    is_in(0) | is_in(1) | is_in(2)
}

fn select(fd: c_int, events: i16, millis: Option<u32>) -> (i64, u32) {
    let [mut read, mut write, mut except] = sets(fd, events);
    let mut time = millis
        .map(|ms| timeval { tv_sec: i64::from(ms / 1000), tv_usec: i64::from(ms % 1000) * 1000 });
    let at = time.as_mut().map_or(null_mut(), |time| time);
    let n = c!(libc::select(fd.saturating_add(1), &mut read, &mut write, &mut except, at));
    (n, in_sets(fd, &[read, write, except]))
}

pub(crate) fn pselect(
    fd: c_int,
    events: i16,
    millis: Option<u32>,
    mask: *const sigset_t,
) -> (i64, u32) {
    let [mut read, mut write, mut except] = sets(fd, events);
    let time = millis.map(time);
    let n = c!(libc::pselect(
        fd.saturating_add(1),
        &mut read,
        &mut write,
        &mut except,
        pointer(&time),
        mask
    ));
    (n, in_sets(fd, &[read, write, except]))
}

pub(crate) fn epoll_wait(epoll: c_int, to: *mut epoll_event, millis: Option<u32>) -> i64 {
    c!(libc::epoll_wait(epoll, to, 4, millis.map_or(-1, |ms| ms as c_int)))
}

pub(crate) fn epoll_pwait2(
    epoll: c_int,
    to: *mut epoll_event,
    millis: Option<u32>,
    mask: *const sigset_t,
) -> i64 {
    c!(libcs_epoll_pwait2(epoll, to, 4, pointer(&millis.map(time)), mask))
}

/// On an epoll of its own with `fd` in it; what cannot be put there is told.
fn epoll(
    fd: c_int,
    events: i16,
    millis: Option<u32>,
    wait: fn(c_int, *mut epoll_event, Option<u32>) -> i64,
) -> (i64, u32) {
    let epoll = c!(libc::epoll_create1(libc::EPOLL_CLOEXEC)) as c_int;
    let mut event = epoll_event { events: events as u32, u64: 7 };
    let added = c!(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event));
    let mut reported = [epoll_event { events: 0, u64: 0 }; 4];
    let n = if added < 0 { added } else { wait(epoll, reported.as_mut_ptr(), millis) };
    c!(libc::close(epoll));
    (n, reported[0].events)
}

/// All of them, one after the other, as a text to compare: once what is to come
/// later has come.
pub(crate) fn all(fd: c_int, events: i16, settle: u32) -> String {
    let first = poll(fd, events, Some(settle));
    std::thread::sleep(std::time::Duration::from_millis(u64::from(settle) / 3));
    let one = |(name, way): &(&str, Way)| {
        let (n, reported) = way(fd, events, Some(3));
        format!("{name} {n} {reported:x} ")
    };
    format!("{} ", first.0) + &WAYS.iter().map(one).collect::<String>()
}
