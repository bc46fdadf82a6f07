//! SO_RCVTIMEO and SO_SNDTIMEO, and connecting: what takes time takes about
//! the right time.

#[macro_use]
mod common_net;

use common_net::c;
use common_net::{
    about, all_done, alone, done, green, ms, os, os_thread, patched, settle, tcp_pair, timed,
};
use libc::{AF_INET, SOCK_STREAM};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;

#[test]
fn reading_and_writing_time_out() {
    patched(1);
    let _alone = alone();
    green(|| {
        let (mut here, _there) = tcp_pair();
        here.set_read_timeout(Some(ms(40))).unwrap();
        for _ in 0..2 {
            let (took, e) = timed(|| here.read(&mut [0; 8]).unwrap_err());
            about(took, 40);
            assert_eq!((e.kind(), e.raw_os_error()), (ErrorKind::WouldBlock, Some(libc::EAGAIN)));
        }
        here.set_write_timeout(Some(ms(40))).unwrap();
        let (took, e) = timed(|| here.write_all(&vec![0; 64 << 20]).unwrap_err());
        assert_eq!(e.kind(), ErrorKind::WouldBlock);
        assert!(took >= ms(38), "{took:?}");
        // A few single bytes may still fit into the last segment.
        let took = loop {
            match timed(|| here.write(b"x")) {
                (_, Ok(n)) => assert_eq!(n, 1),
                (took, Err(e)) if e.kind() == ErrorKind::WouldBlock => break took,
                (_, Err(e)) => panic!("{e}"),
            }
        };
        about(took, 40);
    });
}

#[test]
fn many_time_out_together() {
    patched(1);
    let _alone = alone();
    let sleepers = (0..100).map(|_| {
        greenroom::spawn(|| {
            let (mut here, _there) = tcp_pair();
            here.set_read_timeout(Some(ms(100))).unwrap();
            here.read(&mut [0; 8]).unwrap_err().kind()
        })
    });
    let (took, kinds) = timed(|| all_done(sleepers));
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::WouldBlock));
    about(took, 100);
}

#[test]
fn data_in_time_ends_the_wait() {
    patched(1);
    green(|| {
        let (mut here, mut there) = tcp_pair();
        here.set_read_timeout(Some(ms(20_000))).unwrap();
        let writer = greenroom::spawn(move || {
            thread::sleep(ms(10));
            there.write_all(b"abc").unwrap();
            there
        });
        assert_eq!(here.read(&mut [0; 8]).unwrap(), 3);
        done(writer);
        // And once it is taken away again, it is no more.
        here.set_read_timeout(Some(ms(1))).unwrap();
        here.set_read_timeout(None).unwrap();
        assert_eq!(here.read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn accepting_times_out() {
    patched(1);
    let _alone = alone();
    green(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        c::set_timeouts(listener.as_raw_fd(), 40);
        let (took, e) = timed(|| listener.accept().unwrap_err());
        about(took, 40);
        assert_eq!(e.kind(), ErrorKind::WouldBlock);
        // What it accepts has the timeout as well, as the kernel has it.
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(stream.read_timeout().unwrap(), Some(ms(40)));
        let (took, e) = timed(|| stream.read(&mut [0; 8]).unwrap_err());
        about(took, 40);
        assert_eq!(e.kind(), ErrorKind::WouldBlock);
    });
}

/// A listener whose queue is full, and what fills it: more connections to it
/// stay under way.
fn full_listener() -> (SocketAddr, TcpListener, Vec<i32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(c!(libc::listen(listener.as_raw_fd(), 0)), 0);
    let address = listener.local_addr().unwrap();
    let fillers = (0..2).map(|_| {
        let fd = c!(libc::socket(AF_INET, SOCK_STREAM | libc::SOCK_NONBLOCK, 0)) as i32;
        c::connect(fd, address);
        fd
    });
    let fillers = fillers.collect();
    settle();
    (address, listener, fillers)
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn connecting_within_a_time() {
    patched(1);
    let _alone = alone();
    let (full, _listener, fillers) = full_listener();
    green(move || {
        let (took, e) = timed(|| TcpStream::connect_timeout(&full, ms(60)).unwrap_err());
        about(took, 60);
        assert_eq!(e.kind(), ErrorKind::TimedOut);
        let e = TcpStream::connect_timeout(&nobody(), ms(5000)).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::ConnectionRefused);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let mut stream = TcpStream::connect_timeout(&to, ms(5000)).unwrap();
        assert!(!c::is_nonblocking(stream.as_raw_fd()));
        let (mut accepted, _) = listener.accept().unwrap();
        accepted.write_all(b"abc").unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 3);
    });
    fillers.into_iter().for_each(|fd| assert_eq!(c::close(fd), 0));
}

/// What `connect` answers, over time, to one who asks in every way.
fn connects() -> Vec<i64> {
    let (full, _listener, fillers) = full_listener();
    let refused = c::socket(AF_INET, SOCK_STREAM);
    let to = nobody();
    let mut answers = vec![c::connect(refused, to)];
    // SO_SNDTIMEO: under way, and still when asked again.
    let slow = c::socket(AF_INET, SOCK_STREAM);
    c::set_timeouts(slow, 40);
    answers.extend([c::connect(slow, full), c::connect(slow, full)]);
    answers.push(i64::from(c::is_nonblocking(slow)));
    // Started without blocking, waited for with it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fd = c::socket(AF_INET, SOCK_STREAM);
    c::set_nonblocking(fd, true);
    answers.push(c::connect(fd, listener.local_addr().unwrap()));
    c::set_nonblocking(fd, false);
    answers.extend((0..2).map(|_| c::connect(fd, listener.local_addr().unwrap())));
    // To itself: both sides of the handshake at once.
    let own = c::socket(AF_INET, SOCK_STREAM);
    let address = c::bind(own);
    answers.extend([c::connect(own, address), c::write(own, b"abc"), c::read(own, &mut [0; 8])]);
    for fd in fillers.into_iter().chain([refused, slow, fd, own]) {
        assert_eq!(c::close(fd), 0);
    }
    answers
}

#[test]
fn connect_answers_as_on_os_threads() {
    patched(1);
    let _alone = alone();
    let there = os(connects);
    assert_eq!(green(connects), there);
    assert_eq!(there[0], -i64::from(libc::ECONNREFUSED));
}

/// MPTCP is a stream that is no TCP, and connects like it.
#[test]
fn another_stream_protocol_connects() {
    patched(1);
    const MPTCP: i32 = 262;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let connect = move || {
        let fd = c!(libc::socket(AF_INET, SOCK_STREAM, MPTCP)) as i32;
        if fd < 0 {
            return i64::from(fd); // a kernel without it
        }
        let answer = c::connect(fd, to);
        assert_eq!(c::close(fd), 0);
        answer
    };
    assert_eq!(green(connect), os(connect));
}

/// A green thread that connects, on a worker where others go on.
#[test]
fn a_connection_under_way_lets_others_run() {
    patched(1);
    let _alone = alone();
    let (full, listener, fillers) = full_listener();
    let connecting = greenroom::spawn(move || {
        let stream = TcpStream::connect(full).unwrap();
        assert!(!c::is_nonblocking(stream.as_raw_fd()));
    });
    let (took, ()) = timed(|| green(|| thread::sleep(ms(50))));
    about(took, 50);
    assert!(!connecting.is_finished());
    // Room: the next retry of the handshake gets through.
    let accepting = os_thread(move || (0..3).for_each(|_| drop(listener.accept().unwrap())));
    done(connecting);
    fillers.into_iter().for_each(|fd| assert_eq!(c::close(fd), 0));
    drop(accepting);
}

/// A writer whose reader takes a little at a time: the timeout is for all of
/// one call, as on an OS thread.
#[test]
fn a_slow_reader_does_not_renew_the_writers_timeout() {
    patched(1);
    let _alone = alone();
    let slow = || {
        let (here, mut there) = tcp_pair();
        c::set_timeouts(here.as_raw_fd(), 150);
        let reader = os_thread(move || {
            let mut buf = vec![0; 200_000];
            while there.read(&mut buf).is_ok_and(|n| n > 0) {
                thread::sleep(ms(20));
            }
        });
        let (took, n) = timed(|| c::send(here.as_raw_fd(), &vec![0; 64 << 20], 0));
        assert!(n > 0 && n < 64 << 20, "{n}");
        drop(here);
        drop(reader);
        took
    };
    let (there, here) = (os(slow), green(slow));
    assert!(there < ms(5000) && here < ms(5000), "{there:?} {here:?}");
}
