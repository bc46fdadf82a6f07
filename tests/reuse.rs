//! A descriptor number that is used again starts from nothing: no timeout, no
//! mode, no readiness and no waiter of the one before.

#[macro_use]
mod common_net;

use common_net::c::{self, AGAIN};
use common_net::{
    all_done, alone, done, green, ms, open_fds, os, patched, settle, tcp_pair, timed, until_awaited,
};
use libc::{AF_INET, SOCK_STREAM};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::thread;

/// Closes `fd` and makes another socket of the same number by `make`.
fn again<T: AsRawFd>(fd: i32, close: impl Fn(i32), make: impl Fn() -> T) -> T {
    let _plugs = Plugs::below(fd);
    close(fd);
    let made = make();
    assert_eq!(made.as_raw_fd(), fd, "the lowest free number");
    made
}

fn closed(fd: i32) {
    assert_eq!(c::close(fd), 0);
}

/// Behind the patch's back, as a library that makes its own system calls.
fn closed_unseen(fd: i32) {
    assert_eq!(c!(libc::syscall(libc::SYS_close, fd)), 0);
}

/// A stream that has waited, has timeouts, is non-blocking and has met its end.
fn used_up() -> i32 {
    let (here, there) = tcp_pair();
    let fd = here.into_raw_fd();
    c::set_timeouts(fd, 5);
    assert_eq!(c::read(fd, &mut [0; 4]), AGAIN);
    drop(there);
    assert_eq!(c::read(fd, &mut [0; 4]), 0);
    c::set_nonblocking(fd, true);
    fd
}

/// Takes every number below `fd`, so that it is the next one when it is free.
struct Plugs(Vec<i32>);

impl Plugs {
    fn below(fd: i32) -> Plugs {
        let mut plugs = Vec::new();
        while plugs.last().is_none_or(|last| *last < fd) {
            plugs.push(c!(libc::dup(2)) as i32);
        }
        Plugs(plugs)
    }
}

impl Drop for Plugs {
    fn drop(&mut self) {
        self.0.iter().for_each(|fd| closed(*fd));
    }
}

/// Blocks without limit, and wakes when something comes.
fn is_as_new(mut here: impl Read, mut there: impl Write + Send + 'static) {
    let writer = greenroom::spawn(move || {
        thread::sleep(ms(15));
        there.write_all(b"hello").unwrap();
    });
    let mut buf = [0; 8];
    let (took, n) = timed(|| here.read(&mut buf).unwrap());
    assert_eq!(n, 5);
    assert!(took >= ms(10), "{took:?}");
    done(writer);
    assert_eq!(here.read(&mut buf).unwrap(), 0);
}

#[test]
fn a_new_stream_inherits_nothing() {
    patched(1);
    let _alone = alone();
    for close in [closed, closed_unseen] {
        green(move || {
            for _ in 0..3 {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let to = listener.local_addr().unwrap();
                let here = again(used_up(), close, || TcpStream::connect(to).unwrap());
                is_as_new(here, listener.accept().unwrap().0);
            }
        });
    }
}

#[test]
fn an_accepted_stream_inherits_nothing() {
    patched(1);
    let _alone = alone();
    for close in [closed, closed_unseen] {
        green(move || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let here = again(used_up(), close, || listener.accept().unwrap().0);
            is_as_new(here, client);
        });
    }
}

#[test]
fn a_unix_pair_inherits_nothing() {
    patched(1);
    let _alone = alone();
    for close in [closed, closed_unseen] {
        green(move || {
            let fd = used_up();
            let _plugs = Plugs::below(fd);
            close(fd);
            let (here, there) = UnixStream::pair().unwrap();
            assert_eq!(here.as_raw_fd(), fd);
            is_as_new(here, there);
        });
    }
}

/// A pipe or a file where a socket was: calls on it are not taken for a
/// socket's.
#[test]
fn what_is_no_socket_inherits_nothing() {
    patched(1);
    let _alone = alone();
    for close in [closed, closed_unseen] {
        green(move || {
            let fd = used_up();
            let _plugs = Plugs::below(fd);
            close(fd);
            let [reader, writer] = c::pipe();
            assert_eq!(reader, fd);
            assert_eq!(c::write(writer, b"hello"), 5);
            assert!(!c::is_nonblocking(reader));
            assert_eq!(c::read(reader, &mut [0; 8]), 5);
            [reader, writer].into_iter().for_each(closed);
        });
    }
}

/// A waiter is of the descriptor, not of the number.
#[test]
fn old_waiters_do_not_take_from_a_new_one() {
    patched(2);
    let _alone = alone();
    for _ in 0..50 {
        let (here, _there) = tcp_pair();
        let fd = here.into_raw_fd();
        let waiter = greenroom::spawn(move || c::read(fd, &mut [0; 8]));
        until_awaited(fd);
        // In one call, so that there is no moment at which it is free.
        let (new, mut other) = tcp_pair();
        assert_eq!(c!(libc::dup2(new.as_raw_fd(), fd)), i64::from(fd));
        assert_eq!(done(waiter), c::BADF);
        other.write_all(b"hello").unwrap();
        assert_eq!(green(move || c::read(fd, &mut [0; 8])), 5);
        closed(fd);
    }
}

#[test]
fn timeouts_and_modes_are_of_the_file() {
    patched(1);
    let _alone = alone();
    for on_os_thread in [false, true] {
        let (here, _there) = tcp_pair();
        let copy = here.try_clone().unwrap();
        let fd = here.as_raw_fd();
        let set = move || {
            copy.set_read_timeout(Some(ms(20))).unwrap();
            copy
        };
        let copy = if on_os_thread { os(set) } else { green(set) };
        let (took, n) = green(move || timed(|| c::read(fd, &mut [0; 8])));
        assert!(n == AGAIN && took >= ms(15), "{n} {took:?}");
        copy.set_read_timeout(None).unwrap();
        copy.set_nonblocking(true).unwrap();
        assert!(c::is_nonblocking(fd) && green(move || c::is_nonblocking(fd)));
        assert_eq!(green(move || c::read(fd, &mut [0; 8])), AGAIN);
        green(move || copy.set_nonblocking(false).unwrap());
        assert!(!c::is_nonblocking(fd));
        c::set_timeouts(fd, 10);
        assert_eq!(os(move || c::read(fd, &mut [0; 8])), AGAIN);
        // A clone of one with a timeout has it too.
        let late = here.try_clone().unwrap();
        assert_eq!(green(move || c::read(late.as_raw_fd(), &mut [0; 8])), AGAIN);
    }
}

#[test]
fn a_non_blocking_file_stays_so_in_its_clones() {
    patched(1);
    let _alone = alone();
    green(|| {
        let fd = c!(libc::socket(AF_INET, SOCK_STREAM | libc::SOCK_NONBLOCK, 0)) as i32;
        c::bind(fd);
        assert_eq!(c!(libc::listen(fd, 5)), 0);
        let copies = [
            c!(libc::dup(fd)) as i32,
            c!(libc::fcntl(fd, libc::F_DUPFD, 0)) as i32,
            c!(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 100)) as i32,
            c!(libc::dup3(fd, 200, 0)) as i32,
        ];
        for copy in copies {
            assert!(c::is_nonblocking(copy));
            assert_eq!(c::accept(copy), AGAIN);
        }
        c::set_nonblocking(copies[2], false);
        assert!(![fd, copies[0], copies[3]].into_iter().any(c::is_nonblocking));
        c::set_timeouts(copies[1], 5);
        for one in copies.into_iter().chain([fd]) {
            assert_eq!(c::accept(one), AGAIN);
            assert!(!c::is_nonblocking(one));
            closed(one);
        }
    });
}

/// Thousands of connections, so that numbers are reused in every order.
#[test]
fn short_connections_by_thousands() {
    patched(1);
    let _alone = alone();
    let before = open_fds();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = greenroom::spawn(move || {
        all_done((0..3000u32).map(|i| {
            let (mut stream, _) = listener.accept().unwrap();
            greenroom::spawn(move || {
                let mut buf = [0; 4];
                // Every third is dropped unread, and so resets.
                if i % 3 == 0 {
                    stream.set_read_timeout(Some(ms(1))).unwrap();
                    return;
                }
                stream.read_exact(&mut buf).unwrap();
                let _ = stream.write_all(&buf);
            })
        }));
    });
    let clients = (0..30).map(|_| {
        greenroom::spawn(move || {
            let mut answers = 0;
            for i in 0..100u32 {
                let mut stream = TcpStream::connect(address).unwrap();
                if stream.write_all(&i.to_be_bytes()).is_err() {
                    continue;
                }
                let mut buf = [0; 4];
                if stream.read_exact(&mut buf).is_ok() {
                    assert_eq!(buf, i.to_be_bytes());
                    answers += 1;
                }
            }
            answers
        })
    });
    assert_eq!(all_done(clients).into_iter().sum::<u32>(), 2000);
    done(server);
    settle();
    assert_eq!(open_fds(), before);
}

/// Taking a raw number in and out of std's types changes nothing.
#[test]
fn raw_numbers_come_and_go() {
    patched(1);
    let _alone = alone();
    green(|| {
        let (here, mut there) = tcp_pair();
        let mut fd = here.into_raw_fd();
        for i in 0..100u8 {
            there.write_all(&[i]).unwrap();
            // SAFETY: it was taken out of the stream before.
            let mut stream = unsafe { TcpStream::from_raw_fd(fd) };
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            assert_eq!(byte, [i]);
            fd = stream.into_raw_fd();
        }
        closed(fd);
    });
}
