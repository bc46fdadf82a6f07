//! `poll` on green threads: many descriptors, many pollers, and lists that only
//! the kernel may look at.

#[macro_use]
mod common_net;

use common_net::c;
use common_net::{about, all_done, alone, done, green, os, patched, settle, tcp_pair, timed};
use libc::{POLLIN, POLLOUT};
use std::io::Write;
use std::os::fd::AsRawFd;

#[test]
fn a_poll_waits_for_the_first_of_many() {
    patched(1);
    let _alone = alone();
    green(|| {
        let (here, mut there) = tcp_pair();
        let fd = here.as_raw_fd();
        let (took, answer) = timed(|| c::poll(fd, POLLIN, 40));
        about(took, 40);
        assert_eq!(answer, (0, 0));
        assert_eq!(c::poll(fd, POLLIN | POLLOUT, -1), (1, POLLOUT));
        let (took, n) = timed(|| c!(libc::poll(std::ptr::null_mut(), 0, 40)));
        about(took, 40);
        assert_eq!(n, 0);
        // Several at once, one of them twice, and some that do not count.
        let (other, _keep) = tcp_pair();
        let of = |fd| libc::pollfd { fd, events: POLLIN, revents: 0 };
        let mut list = [of(other.as_raw_fd()), of(fd), of(-1), of(fd)];
        let pollers = [0, 1].map(|_| {
            greenroom::spawn(move || {
                assert_eq!(c!(libc::poll(list.as_mut_ptr(), 4, -1)), 2);
                list.map(|one| one.revents)
            })
        });
        settle();
        there.write_all(b"x").unwrap();
        assert_eq!(all_done(pollers), [[0, POLLIN, 0, POLLIN]; 2]);
        // A reader and a poller of the same stream.
        assert_eq!(c::read(fd, &mut [0; 8]), 1);
        let poller = greenroom::spawn(move || c::poll(fd, POLLIN, -1));
        let reader = greenroom::spawn(move || c::read(fd, &mut [0; 8]));
        settle();
        there.write_all(b"y").unwrap();
        assert_eq!(done(reader), 1);
        drop(there);
        assert_eq!(done(poller).0, 1);
    });
}

/// Arguments that only the kernel may look at.
fn bad_polls() -> Vec<i64> {
    let mut one = libc::pollfd { fd: 900, events: POLLIN, revents: 0 };
    let limit = 1 << 30;
    vec![
        c!(libc::poll(std::ptr::null_mut(), 3, 10)),
        c!(libc::poll(&mut one, limit, 10)),
        c!(libc::poll(&mut one, 1, 10)),
        i64::from(one.revents),
        c!(libc::poll(std::ptr::null_mut(), 0, 0)),
    ]
}

#[test]
fn bad_lists_get_the_kernels_answers() {
    patched(1);
    assert_eq!(green(bad_polls), os(bad_polls));
}
