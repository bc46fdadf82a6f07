//! Green threads and OS threads use the same sockets, at the same time and one
//! after the other, and each blocks as its own sort does.

#[macro_use]
mod common_net;

use common_net::c::{self, AGAIN};
use common_net::{
    alone, done, green, ms, os, os_done, os_thread, patched, settle, tcp_pair, timed, until_awaited,
};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;

#[test]
fn a_listener_of_both() {
    patched(1);
    let _alone = alone();
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let accept = |listener: &Arc<TcpListener>| {
        let listener = listener.clone();
        move || drop(listener.accept().unwrap())
    };
    // A green thread first, so that the listener is not as it was.
    let waiting = greenroom::spawn(accept(&listener));
    settle();
    assert!(!c::is_nonblocking(listener.as_raw_fd()));
    drop(TcpStream::connect(address).unwrap());
    done(waiting);
    for _ in 0..20 {
        let waiting = os_thread(accept(&listener));
        settle();
        assert!(!waiting.is_finished(), "an OS thread's accept has to block");
        drop(TcpStream::connect(address).unwrap());
        os_done(waiting);
    }
    // Both sorts wait, and as many connections come.
    let greens: Vec<_> = (0..10).map(|_| greenroom::spawn(accept(&listener))).collect();
    let others: Vec<_> = (0..10).map(|_| os_thread(accept(&listener))).collect();
    settle();
    let clients: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    common_net::all_done(greens);
    others.into_iter().for_each(os_done);
    drop(clients);
}

#[test]
fn an_os_threads_accept_keeps_its_timeout() {
    patched(1);
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fd = listener.as_raw_fd();
    c::set_timeouts(fd, 50);
    assert_eq!(green(move || c::accept(fd)), AGAIN);
    for _ in 0..3 {
        let (took, answer) = os(move || timed(|| c::accept(fd)));
        assert_eq!(answer, AGAIN);
        assert!((ms(45)..ms(10_000)).contains(&took), "{took:?}");
    }
}

/// The mode that the user set, whoever set it and whoever asks.
#[test]
fn the_mode_of_a_listener_is_its_users() {
    patched(1);
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fd = listener.as_raw_fd();
    let address = listener.local_addr().unwrap();
    let accepting = greenroom::spawn(move || c::accept(fd));
    until_awaited(fd);
    for _ in 0..3 {
        for setter in [|f: Box<dyn FnOnce() + Send>| os(f), |f| green(f)] {
            for on in [true, false] {
                setter(Box::new(move || c::set_nonblocking(fd, on)));
                assert_eq!((c::is_nonblocking(fd), green(move || c::is_nonblocking(fd))), (on, on));
                let status = c!(libc::fcntl(fd, libc::F_GETFL));
                // What one read is what one may write back.
                assert_eq!(c!(libc::fcntl(fd, libc::F_SETFL, status)), 0);
                assert_eq!(c::is_nonblocking(fd), on);
                if on {
                    assert_eq!((c::accept(fd), green(move || c::accept(fd))), (AGAIN, AGAIN));
                }
            }
        }
    }
    assert!(!accepting.is_finished(), "it began to wait when the listener blocked");
    drop(TcpStream::connect(address).unwrap());
    let accepted = done(accepting);
    assert!(accepted > 0 && c::close(accepted as i32) == 0);
    // And still blocks for an OS thread.
    let waiting = os_thread(move || c::accept(fd));
    settle();
    assert!(!waiting.is_finished());
    drop(TcpStream::connect(address).unwrap());
    assert_eq!(c::close(os_done(waiting) as i32), 0);
}

/// One stream goes from hand to hand; each side waits, and times out.
#[test]
fn a_stream_goes_from_hand_to_hand() {
    patched(1);
    let _alone = alone();
    let (mut here, mut there) = tcp_pair();
    for turn in 0..10u8 {
        let hand = move || {
            here.set_read_timeout(Some(ms(20))).unwrap();
            let (took, e) = timed(|| here.read(&mut [0; 8]).unwrap_err());
            assert!(e.kind() == ErrorKind::WouldBlock && took >= ms(18), "{e} {took:?}");
            here.set_read_timeout(None).unwrap();
            assert!(!c::is_nonblocking(here.as_raw_fd()));
            here.write_all(&[turn]).unwrap();
            let mut buf = [0; 2];
            here.read_exact(&mut buf).unwrap();
            assert_eq!(buf, [turn, turn]);
            here
        };
        let peer = move || {
            let mut buf = [0];
            there.read_exact(&mut buf).unwrap();
            thread::sleep(ms(5)); // the other waits by then
            there.write_all(&[buf[0], buf[0]]).unwrap();
            there
        };
        if turn % 2 == 0 {
            let peer = os_thread(peer);
            here = green(hand);
            there = os_done(peer);
        } else {
            let peer = greenroom::spawn(peer);
            here = os(hand);
            there = done(peer);
        }
    }
}

/// A green and an OS thread read the same stream: each byte goes to one.
#[test]
fn both_read_one_stream() {
    patched(1);
    let _alone = alone();
    let (mut here, there) = tcp_pair();
    let copy = there.try_clone().unwrap();
    fn count(mut stream: TcpStream) -> usize {
        let (mut buf, mut sum) = ([0; 3], 0);
        loop {
            match stream.read(&mut buf).unwrap() {
                0 => return sum,
                n => sum += n,
            }
        }
    }
    let on_green = greenroom::spawn(move || count(there));
    let on_os = os_thread(move || count(copy));
    for i in 0..3000 {
        here.write_all(b"ab").unwrap();
        if i % 100 == 0 {
            thread::sleep(ms(1));
        }
    }
    drop(here);
    assert_eq!(done(on_green) + os_done(on_os), 6000);
}

/// While a green thread connects, and afterwards.
#[test]
fn connecting_leaves_the_mode_alone() {
    patched(1);
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Its port is nobody else's.
    let silent = c::socket(libc::AF_INET, libc::SOCK_STREAM);
    let refused = c::bind(silent);
    for (to, expected) in [(address, 0), (refused, -i64::from(libc::ECONNREFUSED))] {
        let fd = c::socket(libc::AF_INET, libc::SOCK_STREAM);
        assert_eq!(green(move || c::connect(fd, to)), expected);
        assert!(!c::is_nonblocking(fd));
        // As the kernel has it, too.
        let status = c!(libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFL));
        assert_eq!(status as i32 & libc::O_NONBLOCK, 0);
        assert_eq!(c::close(fd), 0);
    }
    assert_eq!(c::close(silent), 0);
}
