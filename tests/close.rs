//! Closing a descriptor that green threads wait for, or putting another file
//! in its place: they get EBADF, and nothing else.

#[macro_use]
mod common_net;

use common_net::c::{self, BADF};
use common_net::{all_done, alone, done, green, os, os_thread, patched, settle, tcp_pair};
use greenroom::JoinHandle;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

fn listener() -> i32 {
    TcpListener::bind("127.0.0.1:0").unwrap().into_raw_fd()
}

/// Nothing comes; the peer stays open for good.
fn silent() -> i32 {
    let (here, there) = tcp_pair();
    let _ = there.into_raw_fd();
    here.into_raw_fd()
}

/// What the other end acknowledges late makes room once more.
fn full() -> i32 {
    let fd = silent();
    let fill = || std::iter::repeat_with(|| c::send(fd, &[0; 65536], libc::MSG_DONTWAIT));
    while fill().take_while(|n| *n > 0).count() > 0 {
        std::thread::sleep(std::time::Duration::from_millis(60));
    }
    fd
}

fn udp() -> i32 {
    let fd = c::socket(libc::AF_INET, libc::SOCK_DGRAM);
    c::bind(fd);
    fd
}

type Blocking = fn(i32) -> i64;

type Wait = (&'static str, fn() -> i32, Blocking);

/// What waits, on what.
const WAITS: &[Wait] = &[
    ("read", silent, |fd| c::read(fd, &mut [0; 8])),
    ("recv", silent, |fd| c::recv(fd, &mut [0; 8], 0)),
    ("recv all", silent, |fd| c::recv(fd, &mut [0; 8], libc::MSG_WAITALL)),
    ("readv", silent, |fd| {
        let mut buf = [0; 8];
        c!(libc::readv(fd, &c::iovec(&mut buf), 1))
    }),
    ("recvmsg", silent, |fd| {
        let mut buf = [0; 8];
        c!(libc::recvmsg(fd, &mut c::header(&mut [c::iovec(&mut buf)]), 0))
    }),
    ("write", full, |fd| c::write(fd, b"hello")),
    ("send", full, |fd| c::send(fd, b"hello", libc::MSG_NOSIGNAL)),
    ("accept", listener, c::accept),
    ("datagram", udp, |fd| c::read(fd, &mut [0; 8])),
    // The kernel reports it in the list: POLLNVAL.
    ("poll", silent, |fd| match c::poll(fd, libc::POLLIN, -1) {
        (1, libc::POLLNVAL) => BADF,
        other => panic!("{other:?}"),
    }),
];

/// Waits with `count` green threads in each way, does `end` to each descriptor
/// from `from`, and expects EBADF for all.
fn ends_with_badf(count: usize, end: fn(i32), from: fn(Box<dyn FnOnce() + Send>)) {
    for (name, make, wait) in WAITS {
        common_net::doing(name);
        let fd = make();
        let waiting = Arc::new(AtomicU32::new(0));
        let waiters: Vec<JoinHandle<i64>> = (0..count)
            .map(|_| {
                let (waiting, wait) = (waiting.clone(), *wait);
                greenroom::spawn(move || {
                    waiting.fetch_add(1, SeqCst);
                    wait(fd)
                })
            })
            .collect();
        common_net::until(|| waiting.load(SeqCst) as usize == count);
        settle();
        from(Box::new(move || end(fd)));
        assert_eq!(all_done(waiters), vec![BADF; count], "{name}");
    }
}

fn close(fd: i32) {
    assert_eq!(c::close(fd), 0);
}

#[test]
fn closed_by_an_os_thread() {
    patched(2);
    let _alone = alone(); // no other test may take up a number
    ends_with_badf(3, close, os);
}

#[test]
fn closed_by_a_green_thread() {
    patched(2);
    let _alone = alone(); // no other test may take up a number
    // More than one, so that both workers are among those that close.
    for _ in 0..2 {
        ends_with_badf(2, close, green);
    }
}

#[test]
fn replaced_by_dup2() {
    patched(2);
    let _alone = alone(); // no other test may take up a number
    fn replace(fd: i32) {
        let other = silent();
        assert_eq!(c!(libc::dup2(other, fd)), i64::from(fd));
        assert_eq!(c::close(other), 0);
        os_thread(move || {
            settle();
            c::close(fd)
        });
    }
    ends_with_badf(2, replace, green);
}

#[test]
fn replaced_by_dup3_with_itself_is_refused_and_wakes_nobody() {
    patched(2);
    let _alone = alone(); // no other test may take up a number
    let (here, mut there) = tcp_pair();
    let fd = here.as_raw_fd();
    let reader = greenroom::spawn(move || c::read(fd, &mut [0; 8]));
    settle();
    assert_eq!(c!(libc::dup3(fd, fd, 0)), -i64::from(libc::EINVAL));
    assert_eq!(c!(libc::dup2(fd, fd)), i64::from(fd));
    assert_eq!(c!(libc::dup2(-1, fd)), BADF);
    settle();
    assert!(!reader.is_finished());
    there.write_all(b"abc").unwrap();
    assert_eq!(done(reader), 3);
}

#[test]
fn a_connect_under_way_gets_ebadf() {
    patched(2);
    let _alone = alone(); // no other test may take up a number
    // Its queue is full, so that connections to it stay under way.
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(c!(libc::listen(full.as_raw_fd(), 0)), 0);
    let address = full.local_addr().unwrap();
    let filler = c::socket(libc::AF_INET, libc::SOCK_STREAM);
    assert_eq!(c::connect(filler, address), 0);
    let fds = [(); 3].map(|()| c::socket(libc::AF_INET, libc::SOCK_STREAM));
    let waiters = fds.map(|fd| greenroom::spawn(move || c::connect(fd, address)));
    settle();
    fds.into_iter().for_each(close);
    let answers = all_done(waiters);
    assert!(
        answers.contains(&BADF) && answers.iter().all(|a| [BADF, 0].contains(a)),
        "{answers:?}"
    );
    close(filler);
}

/// Closing one of two numbers of a file leaves those who wait on the other.
#[test]
fn a_clone_outlives_the_original() {
    patched(2);
    let _alone = alone(); // no other test may take up a number
    let (here, mut there) = tcp_pair();
    let mut copy = here.try_clone().unwrap();
    let mut fd = here.into_raw_fd();
    let first = greenroom::spawn(move || c::read(fd, &mut [0; 8]));
    let second = greenroom::spawn(move || {
        let mut buf = [0; 5];
        copy.read_exact(&mut buf).unwrap();
        (buf, copy)
    });
    settle();
    close(fd);
    assert_eq!(done(first), BADF);
    settle();
    assert!(!second.is_finished());
    there.write_all(b"hello").unwrap();
    let (buf, mut copy) = done(second);
    assert_eq!(&buf, b"hello");
    // And a copy of the copy, when that is closed in turn.
    for _ in 0..10 {
        fd = c!(libc::dup(copy.as_raw_fd())) as i32;
        let third = greenroom::spawn(move || c::read(fd, &mut [0; 8]));
        settle();
        there.write_all(b"abc").unwrap();
        assert_eq!(done(third), 3);
        close(fd);
    }
    drop(there);
    assert_eq!(green(move || copy.read(&mut [0; 8]).unwrap()), 0);
}

/// Two green threads read one stream; every byte reaches one of them.
#[test]
fn two_readers_of_one_stream() {
    patched(2);
    let _alone = alone(); // no other test may take up a number
    for same_number in [false, true] {
        let (mut here, there) = tcp_pair();
        let copy = if same_number { None } else { Some(there.try_clone().unwrap()) };
        let fds = [there.as_raw_fd(), copy.as_ref().unwrap_or(&there).as_raw_fd()];
        let readers = fds.map(|fd| {
            greenroom::spawn(move || {
                let (mut buf, mut sum) = ([0; 7], 0);
                loop {
                    match c::read(fd, &mut buf) {
                        0 => return sum,
                        n if n > 0 => {
                            sum += buf[..n as usize].iter().map(|b| *b as u64).sum::<u64>()
                        }
                        e => panic!("{e}"),
                    }
                }
            })
        });
        for i in 0..2000u32 {
            here.write_all(&[(i % 251) as u8]).unwrap();
            if i % 100 == 0 {
                thread::yield_now();
            }
        }
        drop(here);
        let expected = (0..2000u64).map(|i| i % 251).sum::<u64>();
        assert_eq!(all_done(readers).into_iter().sum::<u64>(), expected);
        drop((there, copy));
    }
}

/// Eight accept on one listener. Each holds what it took until all eight of a
/// round are taken, so that a wake-up that goes astray shows.
#[test]
fn eight_acceptors() {
    patched(2);
    let _alone = alone();
    const ROUNDS: u32 = 100;
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let taken = Arc::new(AtomicU32::new(0));
    let acceptors: Vec<_> = (0..8)
        .map(|_| {
            let (listener, taken) = (listener.clone(), taken.clone());
            greenroom::spawn(move || {
                for round in 0..ROUNDS {
                    let (mut stream, _) = listener.accept().unwrap();
                    taken.fetch_add(1, SeqCst);
                    while taken.load(SeqCst) < (round + 1) * 8 {
                        thread::yield_now();
                    }
                    stream.write_all(&[round as u8]).unwrap();
                }
            })
        })
        .collect();
    for round in 0..ROUNDS {
        let clients = (0..8).map(|_| {
            greenroom::spawn(move || {
                let mut all = Vec::new();
                TcpStream::connect(address).unwrap().read_to_end(&mut all).unwrap();
                all
            })
        });
        assert_eq!(all_done(clients), vec![[round as u8]; 8]);
    }
    all_done(acceptors);
}
