//! The family *select*: what is refused, as on an OS thread.

#[macro_use]
mod common_net;

use common_net::many::{self, READ, WRITE};
use common_net::{alone, c, green, os, patched, tcp_pair};
use libc::{c_int, epoll_event};
use std::mem::zeroed;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

const NOTHING: epoll_event = epoll_event { events: 0, u64: 0 };

fn millis(millis: i64) -> libc::timeval {
    libc::timeval { tv_sec: 0, tv_usec: millis * 1000 }
}

/// Wrong arguments, as on an OS thread.
#[test]
fn what_is_refused() {
    patched(1);
    let _alone = alone();
    fn refused() -> Vec<i64> {
        let (here, _there) = tcp_pair();
        let fd = here.as_raw_fd();
        let [mut read, mut none, _] = many::sets(fd, READ);
        let mut old = millis(-1);
        let bad = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000_000 };
        let mut one = libc::pollfd { fd, events: READ, revents: 0 };
        let (mut to, epoll) = (NOTHING, c!(libc::epoll_create1(0)) as c_int);
        let closed = 900;
        let [mut gone, ..] = many::sets(closed, READ);
        // SAFETY: no signals.
        let mask = unsafe { zeroed() };
        let answers = vec![
            c!(libc::select(-1, &mut read, null_mut(), null_mut(), &mut millis(5))),
            c!(libc::select(fd + 1, &mut read, null_mut(), null_mut(), &mut old)),
            c!(libc::select(closed + 1, &mut gone, null_mut(), null_mut(), &mut millis(5))),
            c!(libc::pselect(fd + 1, &mut read, &mut none, null_mut(), &bad, &mask)),
            c!(libc::ppoll(&mut one, 1, &bad, &mask)),
            c!(libc::ppoll(null_mut(), 3, &many::time(5), &mask)),
            c!(libc::epoll_wait(epoll, &mut to, 0, 5)),
            c!(libc::epoll_wait(epoll, &mut to, -1, 5)),
            c!(libc::epoll_wait(epoll, null_mut(), 1, 5)),
            c!(libc::epoll_wait(fd, &mut to, 1, 5)),
            c!(libc::epoll_wait(closed, &mut to, 1, 5)),
            c!(libc::epoll_pwait(epoll, &mut to, i32::MAX, 5, &mask)),
            many::epoll_pwait2(epoll, &mut to, Some(5), &mask),
        ];
        c::close(epoll);
        answers
    }
    assert_eq!(green(refused), os(refused));
}

/// Sets that are not there, or that cannot be answered in; `select` and
/// `pselect` then say so.
#[test]
fn sets_at_wrong_addresses() {
    patched(1);
    let _alone = alone();
    fn ask() -> Vec<i64> {
        let (here, _there) = tcp_pair();
        let n = here.as_raw_fd() + 1;
        let nowhere = std::ptr::without_provenance_mut(8);
        let [_, mut write, _] = many::sets(n - 1, WRITE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = c!(libc::mmap(null_mut(), 4096, libc::PROT_READ, flags, -1, 0)) as usize;
        let read_only = std::ptr::with_exposed_provenance_mut(page);
        let time = many::time(5);
        let answers = vec![
            c!(libc::select(n, nowhere, &mut write, null_mut(), &mut millis(5))),
            c!(libc::select(n, null_mut(), &mut write, nowhere, &mut millis(5))),
            c!(libc::pselect(n, nowhere, null_mut(), null_mut(), &time, std::ptr::null())),
            c!(libc::select(n, read_only, &mut write, null_mut(), &mut millis(5))),
            c!(libc::select(0, nowhere, null_mut(), null_mut(), &mut millis(5))),
            // What was asked is still asked.
            c!(libc::select(n, null_mut(), &mut write, null_mut(), &mut millis(5))),
        ];
        c!(libc::munmap(read_only.cast(), 4096));
        answers
    }
    let there = os(ask);
    assert_eq!(there[0], -i64::from(libc::EFAULT));
    assert_eq!(green(ask), there);
}

/// Old programs say how large the table is, not how large their sets are.
#[test]
fn more_than_the_sets_hold() {
    patched(1);
    let _alone = alone();
    fn ask() -> (i64, bool) {
        let (here, _there) = tcp_pair();
        let fd = here.as_raw_fd();
        let [_, mut write, _] = many::sets(fd, WRITE);
        let n = c!(libc::select(1 << 20, null_mut(), &mut write, null_mut(), &mut millis(5)));
        // SAFETY: within the set.
        (n, unsafe { libc::FD_ISSET(fd, &write) })
    }
    assert_eq!(green(ask), (1, true));
    assert_eq!(os(ask), (1, true));
}
