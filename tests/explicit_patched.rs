//! `greenroom::net` beside std's own sockets in a program that is patched: what
//! the one sort knows of a descriptor, the other keeps.

#[macro_use]
mod common_net;

use common_net::c;
use common_net::{about, alone, done, green, ms, on_both, os_thread, patched, timed};
use greenroom::net::{TcpListener, TcpStream, UnixStream};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};

/// A listener on which green threads have accepted is non-blocking for the
/// kernel, and blocking for its user, whoever has it.
#[test]
fn a_listener_to_and_fro() {
    patched(1);
    green(|| {
        let mut plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = plain.local_addr().unwrap();
        for _ in 0..3 {
            let accepting = greenroom::spawn(move || {
                plain.accept().unwrap();
                plain
            });
            let _client = TcpStream::connect(address).unwrap();
            let ours = TcpListener::from(done(accepting));
            assert!(!c::is_nonblocking(ours.as_raw_fd()));
            let accepting = greenroom::spawn(move || {
                ours.accept().unwrap();
                ours
            });
            let _client = std::net::TcpStream::connect(address).unwrap();
            plain = done(accepting).into();
            assert!(!c::is_nonblocking(plain.as_raw_fd()));
        }
        let accepting = os_thread(move || plain.accept().map(drop));
        let _client = TcpStream::connect(address).unwrap();
        accepting.join().unwrap().unwrap();
    });
}

/// The same of one that has a clone, which goes on accepting.
#[test]
fn a_listener_with_a_clone_to_and_fro() {
    patched(1);
    green(|| {
        let ours = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, clone) = (ours.local_addr().unwrap(), ours.try_clone().unwrap());
        let accepting = greenroom::spawn(move || {
            ours.accept().unwrap();
            ours
        });
        let _client = TcpStream::connect(address).unwrap();
        let plain = std::net::TcpListener::from(done(accepting));
        assert!(!c::is_nonblocking(plain.as_raw_fd()));
        let accepting = greenroom::spawn(move || plain.accept().map(|_| plain));
        greenroom::yield_now();
        let _client = TcpStream::connect(address).unwrap();
        let plain = done(accepting).unwrap();
        let accepting = os_thread(move || plain.accept().map(drop));
        let _client = TcpStream::connect(address).unwrap();
        accepting.join().unwrap().unwrap();
        let accepting = greenroom::spawn(move || clone.accept().map(drop));
        greenroom::yield_now();
        let _client = TcpStream::connect(address).unwrap();
        done(accepting).unwrap();
    });
}

#[test]
fn a_stream_keeps_mode_and_timeouts() {
    patched(1);
    let _alone = alone();
    on_both(|| {
        let (plain, mut there) = common_net::tcp_pair();
        plain.set_read_timeout(Some(ms(40))).unwrap();
        let mut ours = TcpStream::from(plain);
        let (took, why) = timed(|| ours.read(&mut [0; 8]).unwrap_err().kind());
        about(took, 40);
        assert_eq!(why, ErrorKind::WouldBlock);
        ours.set_read_timeout(Some(ms(80))).unwrap();
        let mut plain = std::net::TcpStream::from(ours);
        let (took, why) = timed(|| plain.read(&mut [0; 8]).unwrap_err().kind());
        about(took, 80);
        assert_eq!(why, ErrorKind::WouldBlock);
        plain.set_nonblocking(true).unwrap();
        let mut ours = TcpStream::from(plain);
        assert_eq!(ours.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        ours.set_nonblocking(false).unwrap();
        ours.set_read_timeout(None).unwrap();
        let mut plain = std::net::TcpStream::from(OwnedFd::from(ours));
        there.write_all(b"abc").unwrap();
        assert_eq!(plain.read(&mut [0; 8]).unwrap(), 3);
    });
}

/// Numbers that both sorts close and use again.
#[test]
fn numbers_are_used_again() {
    patched(1);
    green(|| {
        for round in 0..200 {
            let (mut here, mut there) = UnixStream::pair().unwrap();
            here.set_nonblocking(round % 2 == 0).unwrap();
            here.set_read_timeout(Some(ms(1))).unwrap();
            assert_eq!(here.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
            if round % 3 == 0 {
                there = std::os::unix::net::UnixStream::from(there).into();
            }
            drop((here, there));
            let (mut here, mut there) = std::os::unix::net::UnixStream::pair().unwrap();
            let reading = greenroom::spawn(move || here.read(&mut [0; 8]).unwrap());
            greenroom::sleep(ms(1));
            there.write_all(b"abc").unwrap();
            assert_eq!(done(reading), 3);
        }
    });
}
