//! With *socket* alone, `poll` parks, since std connects with a timeout by it;
//! the rest of *select* is libc's.

#[macro_use]
mod common_net;

use common_net::many::{READ, poll, ppoll};
use common_net::{c, done, settle};
use greenroom::patch::{Family, Patch, is_patched};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::ptr::null;

#[test]
fn poll_alone_parks() {
    greenroom::Config::new().workers(1).install().unwrap();
    Patch::none().socket(true).apply().unwrap();
    common_net::watch();
    assert!(is_patched(Family::Socket) && !is_patched(Family::Select));
    let (here, mut there) = common_net::tcp_pair();
    let fd = here.as_raw_fd();
    // One worker: the second could not begin if the first held it.
    let waiters = [0, 1].map(|_| greenroom::spawn(move || poll(fd, READ, None)));
    settle();
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
    assert_eq!(done(greenroom::spawn(move || poll(fd, READ, Some(5)))), (0, 0));
    there.write_all(b"x").unwrap();
    for waiter in waiters {
        assert_eq!(done(waiter), (1, READ as u32));
    }
    // Libc's own, which holds the worker, and answers all the same.
    let other = c::unix_pair(libc::SOCK_STREAM);
    let libcs = greenroom::spawn(move || ppoll(other[0], READ, Some(5), null()));
    assert_eq!(done(libcs), (0, 0));
    assert_eq!(other.map(c::close), [0, 0]);
}
