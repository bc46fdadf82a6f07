//! Descriptors in every state that matters.

use crate::common_net::c::{self, set_nonblocking, set_reset, set_timeouts, socket, unix_pair};
use libc::{AF_INET, AF_UNIX, MSG_DONTWAIT, MSG_OOB, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Milliseconds after which blocking calls in a scene give up.
pub(crate) const TIMEOUT: i64 = 12;

pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) make: fn() -> SetUp,
}

/// The descriptor to try, and what has to stay open meanwhile.
pub(crate) struct SetUp {
    pub(crate) fd: i32,
    _keep: Vec<OwnedFd>,
}

fn set_up<const N: usize>(fds: [i32; N]) -> SetUp {
    // SAFETY: the scene has made them, and gives them away.
    let keep = fds.iter().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) }).collect();
    SetUp { fd: fds[0], _keep: keep }
}

/// A descriptor that is none.
fn no_descriptor(fd: i32) -> SetUp {
    SetUp { fd, _keep: Vec::new() }
}

fn tcp() -> [i32; 2] {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (there, _) = listener.accept().unwrap();
    let fds = [here.into_raw_fd(), there.into_raw_fd()];
    fds.iter().for_each(|fd| set_timeouts(*fd, TIMEOUT));
    fds
}

fn listener() -> [i32; 2] {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    set_timeouts(listener.as_raw_fd(), TIMEOUT);
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    [listener.into_raw_fd(), client.into_raw_fd()]
}

fn unix(ty: i32) -> [i32; 2] {
    let fds = unix_pair(ty);
    fds.iter().for_each(|fd| set_timeouts(*fd, TIMEOUT));
    fds
}

fn udp() -> [i32; 2] {
    let fds = [socket(AF_INET, SOCK_DGRAM), socket(AF_INET, SOCK_DGRAM)];
    let to = fds.map(c::bind);
    assert_eq!(c::connect(fds[0], to[1]), 0);
    assert_eq!(c::connect(fds[1], to[0]), 0);
    fds.iter().for_each(|fd| set_timeouts(*fd, TIMEOUT));
    fds
}

fn say(fds: [i32; 2], what: &[u8]) -> [i32; 2] {
    assert_eq!(c::send(fds[1], what, 0), what.len() as i64);
    c::poll(fds[0], libc::POLLIN, 1000);
    fds
}

/// The other side closes.
fn ended([fd, peer]: [i32; 2]) -> SetUp {
    assert_eq!(c::close(peer), 0);
    c::poll(fd, libc::POLLRDHUP, 1000);
    set_up([fd])
}

fn reset(fds: [i32; 2]) -> SetUp {
    set_reset(fds[1]);
    ended(fds)
}

fn nonblocking(fds: [i32; 2]) -> [i32; 2] {
    set_nonblocking(fds[0], true);
    fds
}

/// Nothing fits any more, also not when the other side has settled.
fn full(fds: [i32; 2]) -> [i32; 2] {
    // Sizes that the kernel does not tune later.
    c::set(fds[0], libc::SOL_SOCKET, libc::SO_SNDBUF, 20_000);
    c::set(fds[1], libc::SOL_SOCKET, libc::SO_RCVBUF, 20_000);
    let mut quiet = 0;
    // Longer than an acknowledgement is delayed (40 ms), which makes room.
    while quiet < 8 {
        quiet += 1;
        for len in [65536, 1] {
            while c::send(fds[0], &vec![b'x'; len], MSG_DONTWAIT) > 0 {
                quiet = 0;
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
    fds
}

fn shut(fds: [i32; 2], how: i32) -> [i32; 2] {
    assert_eq!(c!(libc::shutdown(fds[0], how)), 0);
    fds
}

fn unconnected(ty: i32, domain: i32) -> SetUp {
    let fd = socket(domain, ty);
    set_timeouts(fd, TIMEOUT);
    set_up([fd])
}

fn file(path: &str) -> SetUp {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    set_up([file.into_raw_fd()])
}

fn regular() -> SetUp {
    let fd = c!(libc::memfd_create(c"greenroom".as_ptr(), 0)) as i32;
    assert_eq!(c::write(fd, b"0123456789abcdef"), 16);
    assert_eq!(c!(libc::lseek(fd, 0, libc::SEEK_SET)), 0);
    set_up([fd])
}

fn pipe_with(what: &[u8]) -> SetUp {
    let [fd, writer] = c::pipe();
    assert_eq!(c::write(writer, what), what.len() as i64);
    assert_eq!(c::close(writer), 0);
    set_up([fd])
}

/// A number that was a socket's, and is nobody's now.
fn closed() -> SetUp {
    static NEXT: AtomicI32 = AtomicI32::new(3000);
    let (fd, new) = (socket(AF_INET, SOCK_STREAM), NEXT.fetch_add(1, Relaxed));
    assert_eq!(c!(libc::dup2(fd, new)), i64::from(new));
    assert_eq!((c::close(new), c::close(fd)), (0, 0));
    no_descriptor(new)
}

const fn scene(name: &'static str, make: fn() -> SetUp) -> Scene {
    Scene { name, make }
}

pub(crate) static SCENES: &[Scene] = &[
    scene("tcp, data", || set_up(say(tcp(), b"ab"))),
    scene("tcp, more data", || set_up(say(tcp(), b"0123456789abcdefghijklmnopqrstuvwxyz"))),
    scene("tcp, nothing", || set_up(tcp())),
    scene("tcp, nonblocking, nothing", || set_up(nonblocking(tcp()))),
    scene("tcp, nonblocking, data", || set_up(nonblocking(say(tcp(), b"ab")))),
    scene("tcp, end", || ended(tcp())),
    scene("tcp, data and end", || ended(say(tcp(), b"abc"))),
    scene("tcp, reset", || reset(tcp())),
    scene("tcp, data and reset", || reset(say(tcp(), b"abc"))),
    scene("tcp, nonblocking, reset", || reset(nonblocking(tcp()))),
    scene("tcp, full", || set_up(full(tcp()))),
    scene("tcp, full, nonblocking", || set_up(nonblocking(full(tcp())))),
    scene("tcp, shut for writing", || set_up(shut(tcp(), libc::SHUT_WR))),
    scene("tcp, shut for reading", || set_up(shut(say(tcp(), b"ab"), libc::SHUT_RD))),
    scene("tcp, urgent", || {
        let fds = say(tcp(), b"ab");
        assert_eq!(c::send(fds[1], b"!", MSG_OOB), 1);
        set_up(say(fds, b"cd"))
    }),
    scene("tcp, low-water mark", || {
        let fds = tcp();
        c::set(fds[0], libc::SOL_SOCKET, libc::SO_RCVLOWAT, 4);
        assert_eq!(c::send(fds[1], b"ab", 0), 2);
        set_up(fds)
    }),
    scene("tcp, not connected", || unconnected(SOCK_STREAM, AF_INET)),
    scene("tcp, negative timeout", || {
        let fds = tcp();
        let time = libc::timeval { tv_sec: -1, tv_usec: 0 };
        c::set(fds[0], libc::SOL_SOCKET, libc::SO_RCVTIMEO, time);
        set_up(fds)
    }),
    scene("listener", || set_up(listener())),
    scene("listener, nonblocking", || set_up(nonblocking(listener()))),
    scene("listener, shut", || set_up(shut(listener(), libc::SHUT_RDWR))),
    scene("udp, nothing", || set_up(udp())),
    scene("udp, data", || set_up(say(say(udp(), b"abc"), b"0123456789abcdef"))),
    scene("udp, empty datagram", || set_up(say(udp(), b""))),
    scene("udp, nonblocking", || set_up(nonblocking(udp()))),
    scene("udp, shut for reading", || set_up(shut(udp(), libc::SHUT_RD))),
    scene("udp, refused", || {
        let [fd, peer] = udp();
        assert_eq!(c::close(peer), 0);
        assert_eq!(c::send(fd, b"x", 0), 1);
        set_up([fd])
    }),
    scene("udp, not connected", || unconnected(SOCK_DGRAM, AF_INET)),
    scene("unix stream, nothing", || set_up(unix(SOCK_STREAM))),
    scene("unix stream, data", || set_up(say(unix(SOCK_STREAM), b"abc"))),
    scene("unix stream, data twice", || set_up(say(say(unix(SOCK_STREAM), b"abc"), b"defghi"))),
    scene("unix stream, data and end", || ended(say(unix(SOCK_STREAM), b"abc"))),
    scene("unix stream, unread and end", || {
        let fds = unix(SOCK_STREAM);
        assert_eq!(c::send(fds[0], b"x", 0), 1);
        ended(fds)
    }),
    scene("unix stream, full", || set_up(full(unix(SOCK_STREAM)))),
    scene("unix stream, not connected", || unconnected(SOCK_STREAM, AF_UNIX)),
    scene("unix packets, nothing", || set_up(unix(SOCK_SEQPACKET))),
    scene("unix packets, two", || set_up(say(say(unix(SOCK_SEQPACKET), b"abc"), b"de"))),
    scene("unix packets, end", || ended(say(unix(SOCK_SEQPACKET), b"abc"))),
    scene("unix datagrams, two", || set_up(say(say(unix(SOCK_DGRAM), b"abc"), b"de"))),
    scene("unix datagrams, nothing", || set_up(unix(SOCK_DGRAM))),
    scene("unix datagrams, full", || set_up(full(unix(SOCK_DGRAM)))),
    scene("unix datagrams, end", || {
        let [fd, peer] = unix(SOCK_DGRAM);
        assert_eq!(c::close(peer), 0);
        set_up([fd])
    }),
    scene("unix datagrams, shut for reading", || set_up(shut(unix(SOCK_DGRAM), libc::SHUT_RD))),
    scene("no descriptor", || no_descriptor(-1)),
    scene("no such descriptor", || no_descriptor(i32::MAX)),
    scene("closed", closed),
    scene("pipe", || pipe_with(b"0123456789abcdefghijklmnopqrstuvwxyz0123456789")),
    scene("pipe, end", || pipe_with(b"")),
    scene("pipe's writing end", || {
        let [reader, writer] = c::pipe();
        set_up([writer, reader])
    }),
    scene("/dev/null", || file("/dev/null")),
    scene("regular file", regular),
];
