//! TCP as C code uses it: flags, low-water marks, messages of many parts,
//! timeouts of whole calls, and errors after a part went through.

#[macro_use]
mod common_net;

use common_net::c::{self, AGAIN};
use common_net::{done, green, ms, os, os_thread, patched, pattern, settle, tcp_pair, timed};
use libc::{MSG_DONTWAIT, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, MSG_WAITALL, SOL_SOCKET};
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::thread;

/// Sends `parts` one after another from a green thread, with pauses in which
/// the reader gets to wait.
fn drip(mut to: TcpStream, parts: Vec<Vec<u8>>) -> greenroom::JoinHandle<TcpStream> {
    greenroom::spawn(move || {
        for part in parts {
            thread::sleep(ms(3));
            to.write_all(&part).unwrap();
        }
        to
    })
}

#[test]
fn all_means_all() {
    patched(1);
    green(|| {
        let (here, there) = tcp_pair();
        let parts: Vec<_> = (0..10).map(|i| pattern(100, i)).collect();
        let all = parts.concat();
        let writer = drip(here, parts);
        let mut buf = vec![0; 1000];
        assert_eq!(c::recv(there.as_raw_fd(), &mut buf, MSG_WAITALL), 1000);
        assert_eq!(buf, all);
        // At the end of the stream, what there is.
        let writer = drip(done(writer), vec![b"abc".to_vec()]);
        let closer = greenroom::spawn(move || drop(done(writer)));
        assert_eq!(c::recv(there.as_raw_fd(), &mut buf, MSG_WAITALL), 3);
        assert_eq!(c::recv(there.as_raw_fd(), &mut buf, MSG_WAITALL), 0);
        done(closer);
    });
}

#[test]
fn all_of_a_message_in_parts() {
    patched(1);
    green(|| {
        let (here, there) = tcp_pair();
        let parts: Vec<_> = (0..10).map(|i| pattern(33, i)).collect();
        let all = parts.concat();
        let writer = drip(here, parts);
        let (mut a, mut b, mut d) = (vec![0; 50], vec![0; 200], vec![0; 80]);
        let mut list = [c::iovec(&mut a), c::iovec(&mut []), c::iovec(&mut b), c::iovec(&mut d)];
        let mut msg = c::header(&mut list);
        assert_eq!(c!(libc::recvmsg(there.as_raw_fd(), &mut msg, MSG_WAITALL)), 330);
        assert_eq!([a, b, d].concat(), all);
        done(writer);
    });
}

#[test]
fn peeking_at_all_waits_for_all() {
    patched(1);
    green(|| {
        let (here, there) = tcp_pair();
        let writer = drip(here, vec![b"ab".to_vec(), b"cd".to_vec(), b"ef".to_vec()]);
        let mut buf = [0; 6];
        assert_eq!(c::recv(there.as_raw_fd(), &mut buf, MSG_WAITALL | MSG_PEEK), 6);
        assert_eq!(c::recv(there.as_raw_fd(), &mut buf, 0), 6);
        assert_eq!(&buf, b"abcdef");
        done(writer);
    });
}

#[test]
fn a_low_water_mark_holds_back() {
    patched(1);
    green(|| {
        let (here, there) = tcp_pair();
        let fd = there.as_raw_fd();
        c::set(fd, SOL_SOCKET, libc::SO_RCVLOWAT, 6);
        let writer = drip(here, vec![b"ab".to_vec(), b"cd".to_vec(), b"ef".to_vec()]);
        let mut buf = [0; 100];
        assert_eq!(c::recv(fd, &mut buf, 0), 6);
        let here = done(writer);
        // What is asked for may be less; one byte is then enough.
        let writer = drip(here, vec![b"gh".to_vec()]);
        let mut here = done(writer);
        assert_eq!(c::read(fd, &mut buf[..1]), 1);
        c::set(fd, SOL_SOCKET, libc::SO_RCVLOWAT, 1);
        assert_eq!(c::read(fd, &mut buf), 1);
        here.write_all(b"i").unwrap();
        assert_eq!(c::read(fd, &mut buf), 1);
        // The end comes whatever the mark.
        c::set(fd, SOL_SOCKET, libc::SO_RCVLOWAT, 50);
        here.write_all(b"jkl").unwrap();
        drop(here);
        assert_eq!((c::read(fd, &mut buf), c::read(fd, &mut buf)), (3, 0));
    });
}

#[test]
fn urgent_data_is_a_boundary() {
    patched(1);
    green(|| {
        for _ in 0..50 {
            let (here, there) = tcp_pair();
            let (from, to) = (here.as_raw_fd(), there.as_raw_fd());
            let mut buf = [0; 64];
            // Waits once, so that short reads would be taken for the end of the data.
            let first = drip(here, vec![b"x".to_vec()]);
            assert_eq!(c::read(to, &mut buf), 1);
            let here = done(first);
            assert_eq!(c::send(from, b"ab", 0), 2);
            assert_eq!(c::send(from, b"!", MSG_OOB), 1);
            assert_eq!(c::send(from, b"cd", 0), 2);
            assert_eq!(c::read(to, &mut buf), 2);
            assert_eq!(c::recv(to, &mut buf, MSG_OOB), 1);
            assert_eq!(c::read(to, &mut buf), 2);
            assert_eq!(&buf[..2], b"cd");
            assert_eq!(c::send(from, b"ef", 0), 2);
            assert_eq!(c::read(to, &mut buf), 2);
            drop(here);
            assert_eq!(c::read(to, &mut buf), 0);
        }
    });
}

#[test]
fn at_once_never_waits() {
    patched(1);
    green(|| {
        let (here, there) = tcp_pair();
        let (from, to) = (here.as_raw_fd(), there.as_raw_fd());
        let mut buf = [0; 64];
        assert_eq!(c::recv(to, &mut buf, MSG_DONTWAIT), AGAIN);
        assert_eq!(c::send(from, b"abc", MSG_DONTWAIT), 3);
        common_net::until(|| c::recv(to, &mut buf, MSG_DONTWAIT | MSG_PEEK) == 3);
        assert_eq!(c::recv(to, &mut buf[..2], MSG_DONTWAIT), 2);
        assert_eq!(c::recv(to, &mut buf, 0), 1);
        let sent = (0..).map(|_| c::send(from, &[0; 65536], MSG_DONTWAIT)).take_while(|n| *n > 0);
        assert!(sent.count() > 1);
        // What the other end acknowledges late makes a little room.
        common_net::until(|| c::send(from, b"x", MSG_DONTWAIT) == AGAIN);
    });
}

#[test]
fn a_long_message_is_sent_whole() {
    patched(1);
    green(|| {
        let (here, mut there) = tcp_pair();
        let bytes = pattern(6_000_001, 9);
        let mut copy = bytes.clone();
        let sender = greenroom::spawn(move || {
            let mut list: Vec<_> = copy.chunks_mut(700_001).map(c::iovec).collect();
            let n = c!(libc::sendmsg(here.as_raw_fd(), &c::header(&mut list), 0));
            assert_eq!(n, 6_000_001);
        });
        let mut got = Vec::new();
        std::io::Read::read_to_end(&mut there, &mut got).unwrap();
        assert!(got == bytes);
        done(sender);
    });
}

/// A reset while a call has moved a part: that part is its result, and the
/// error is the next call's.
fn reset_after_a_part() -> Vec<i64> {
    let (here, there) = tcp_pair();
    let (from, to) = (here.as_raw_fd(), there.as_raw_fd());
    c::set(to, SOL_SOCKET, libc::SO_RCVBUF, 4096);
    c::set_reset(to);
    let closing = os_thread(move || {
        settle();
        settle();
        drop(there);
    });
    let sent = c::send(from, &vec![0; 64 << 20], MSG_NOSIGNAL);
    common_net::os_done(closing);
    let again = c::send(from, b"x", MSG_NOSIGNAL);
    vec![i64::from(sent > 0 && sent < 64 << 20), again, c::send(from, b"x", MSG_NOSIGNAL)]
}

#[test]
fn an_error_after_a_part_is_the_next_calls() {
    patched(1);
    assert_eq!(green(reset_after_a_part), os(reset_after_a_part));
    assert_eq!(green(reset_after_a_part)[0], 1);
}

fn reset_while_collecting() -> Vec<i64> {
    let (here, there) = tcp_pair();
    let (from, to) = (here.as_raw_fd(), there.as_raw_fd());
    c::set_reset(from);
    assert_eq!(c::send(from, b"abc", 0), 3);
    let closing = os_thread(move || {
        settle();
        settle();
        drop(here);
    });
    let mut buf = [0; 10];
    let all = (0..3).map(|_| c::recv(to, &mut buf, MSG_WAITALL)).collect();
    common_net::os_done(closing);
    all
}

#[test]
fn an_error_while_collecting_is_the_next_calls() {
    patched(1);
    let expected = vec![3, -i64::from(libc::ECONNRESET), 0];
    assert_eq!(os(reset_while_collecting), expected);
    assert_eq!(green(reset_while_collecting), expected);
}

/// Sends from a buffer whose second page cannot be read.
fn half_a_buffer() -> (i64, i64) {
    let page = 4096;
    // SAFETY: a fresh mapping; its second page is never touched by us.
    let base = unsafe {
        let (prot, flags) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let base = libc::mmap(std::ptr::null_mut(), 2 * page, prot, flags, -1, 0);
        assert_ne!(base, libc::MAP_FAILED);
        assert_eq!(libc::mprotect(base.byte_add(page), page, libc::PROT_NONE), 0);
        base
    };
    let (here, _there) = tcp_pair();
    let fd = here.as_raw_fd();
    let n = c!(libc::send(fd, base, 2 * page, 0));
    (n, c!(libc::send(fd, base.byte_add(page), page, 0)))
}

#[test]
fn a_fault_in_the_middle_of_a_buffer_is_no_wait() {
    patched(1);
    assert_eq!(green(half_a_buffer), os(half_a_buffer));
}

/// SO_SNDTIMEO and SO_RCVTIMEO limit the whole call, however often it waits.
#[test]
fn a_timeout_is_for_the_whole_call() {
    patched(1);
    green(|| {
        let (here, there) = tcp_pair();
        let to = there.as_raw_fd();
        c::set_timeouts(to, 60);
        let writer = greenroom::spawn(move || {
            while c::send(here.as_raw_fd(), b"x", MSG_NOSIGNAL) == 1 {
                thread::sleep(ms(10));
            }
        });
        let mut buf = [0; 1000];
        let (took, n) = timed(|| c::recv(to, &mut buf, MSG_WAITALL));
        // Renewed by each byte, it would take ten seconds and all of them.
        assert!((1..1000).contains(&n), "{n}");
        assert!((ms(50)..ms(8000)).contains(&took), "{took:?}");
        drop(there);
        done(writer);
    });
}

/// A call that succeeds leaves errno alone, also if it had to wait.
#[test]
fn errno_survives_waiting() {
    patched(1);
    green(|| {
        let (here, there) = tcp_pair();
        let writer = greenroom::spawn(move || {
            c::set_errno(libc::ENOENT);
            assert_eq!(c::send(here.as_raw_fd(), b"x", 0), 1);
            c::set_errno(libc::ENOENT);
            here
        });
        c::set_errno(libc::ENOTTY);
        assert_eq!((c::read(there.as_raw_fd(), &mut [0; 4]), c::errno()), (1, libc::ENOTTY));
        drop(done(writer));
        assert_eq!((c::read(there.as_raw_fd(), &mut [0; 4]), c::errno()), (0, libc::ENOTTY));
    });
}
