//! Each call in a state in which it waits, and what ends the wait.

use crate::common_net::bulk;
use crate::common_net::c::{self, unix_pair};
use crate::makers::made::{self, close};
use libc::{
    SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM, c_char, c_int, c_void, mode_t, size_t, ssize_t,
};
use std::ptr::null_mut;

pub(crate) struct Wait {
    pub(crate) name: &'static str,
    pub(crate) make: fn() -> Made,
}

/// A call that waits; what lets it go on; what is closed after both.
pub(crate) struct Made {
    pub(crate) fds: Vec<c_int>,
    pub(crate) run: Box<dyn FnOnce() -> String + Send>,
    pub(crate) release: Box<dyn FnOnce() + Send>,
}

fn made<const N: usize>(
    fds: [c_int; N],
    run: impl FnOnce() -> String + Send + 'static,
    release: impl FnOnce() + Send + 'static,
) -> Made {
    Made { fds: fds.to_vec(), run: Box::new(run), release: Box::new(release) }
}

const fn wait(name: &'static str, make: fn() -> Made) -> Wait {
    Wait { name, make }
}

unsafe extern "C" {
    fn __read_chk(fd: c_int, buf: *mut c_void, len: size_t, room: size_t) -> ssize_t;
    fn __recv_chk(fd: c_int, buf: *mut c_void, len: size_t, room: size_t, flags: c_int) -> ssize_t;
    fn __recvfrom_chk(
        fd: c_int,
        buf: *mut c_void,
        len: size_t,
        room: size_t,
        flags: c_int,
        addr: *mut libc::sockaddr,
        addr_len: *mut libc::socklen_t,
    ) -> ssize_t;
    fn __open_2(path: *const c_char, flags: c_int) -> c_int;
    fn __open64_2(path: *const c_char, flags: c_int) -> c_int;
    fn __openat_2(dir: c_int, path: *const c_char, flags: c_int) -> c_int;
    fn __openat64_2(dir: c_int, path: *const c_char, flags: c_int) -> c_int;
    fn creat64(path: *const c_char, mode: mode_t) -> c_int;
}

/// Reads from the first of `fds` by `call`, until `what` is sent.
fn reading(
    fds: [c_int; 2],
    what: &'static [u8],
    call: impl FnOnce(c_int) -> String + Send + 'static,
) -> Made {
    let [fd, peer] = fds;
    made(fds, move || call(fd), move || assert_eq!(c::write(peer, what), what.len() as i64))
}

/// Writes to the first of `fds`, which is full, by `call`, until there is room.
fn writing(fds: [c_int; 2], call: impl FnOnce(c_int) -> String + Send + 'static) -> Made {
    let [fd, peer] = fds;
    made::fill(fd);
    made(fds, move || call(fd), move || made::drain(peer))
}

/// By a call that fills a buffer of eight.
fn got(call: impl FnOnce(*mut c_void) -> i64) -> String {
    let mut buf = [0u8; 8];
    let n = call(buf.as_mut_ptr().cast());
    format!("{n} {}", buf.escape_ascii())
}

/// Opens a FIFO by `call`, until it is opened at the other end.
fn opening(other: c_int, call: impl FnOnce(*const c_char) -> i64 + Send + 'static) -> Made {
    let path = made::fifo();
    let there = made::c_path(&path);
    let run = move || {
        let fd = call(made::c_path(&path).as_ptr()) as c_int;
        let flags = c!(libc::fcntl(fd, libc::F_GETFL));
        std::fs::remove_file(path).unwrap();
        close([fd]);
        format!("{flags:x}")
    };
    // Who waits is let in by the other, which would not wait for long.
    made([], run, move || close([c!(libc::open(there.as_ptr(), other)) as c_int]))
}

fn pipes([first, second]: [[c_int; 2]; 2]) -> [c_int; 4] {
    [first[0], first[1], second[0], second[1]]
}

/// From the first pipe to the second, by `call`.
fn between(ends: [[c_int; 2]; 2], call: fn(c_int, c_int) -> i64, release: fn([c_int; 4])) -> Made {
    let fds = pipes(ends);
    made(fds, move || call(fds[0], fds[3]).to_string(), move || release(fds))
}

fn splice(from: c_int, to: c_int) -> i64 {
    c!(libc::splice(from, null_mut(), to, null_mut(), 100, 0))
}

fn sendfile(from: c_int, to: c_int) -> i64 {
    c!(libc::sendfile(to, from, null_mut(), 100))
}

fn tee(from: c_int, to: c_int) -> i64 {
    c!(libc::tee(from, to, 100, 0))
}

fn vmsplice(fd: c_int) -> String {
    let list = [c::iovec(&mut [b'v'; 10])];
    c!(libc::vmsplice(fd, list.as_ptr(), 1, 0)).to_string()
}

/// Sends a small file to `fd`.
fn sendfile_to(fd: c_int) -> String {
    bulk::sendfile_to(fd)
}

fn fed(fds: [c_int; 4]) {
    assert_eq!(c::write(fds[1], b"some bytes"), 10);
}

fn drained(fds: [c_int; 4]) {
    made::drain(fds[2]);
}

fn nonblocking(ends: [c_int; 2]) -> [c_int; 2] {
    c::set_nonblocking(ends[0], true);
    ends
}

fn turned([one, other]: [c_int; 2]) -> [c_int; 2] {
    [other, one]
}

/// `lockf` of what another description of the file has locked.
fn locking() -> Made {
    let path = made::new_path("lock");
    let [fd, holder] = [(); 2].map(|()| {
        let flags = libc::O_RDWR | libc::O_CREAT;
        c!(libc::open(made::c_path(&path).as_ptr(), flags, 0o600)) as c_int
    });
    std::fs::remove_file(&path).unwrap();
    // SAFETY: all zero is a read lock on everything.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as i16;
    assert_eq!(c!(libc::fcntl(holder, libc::F_OFD_SETLK, &raw const lock)), 0);
    made(
        [fd, holder],
        move || c!(libc::lockf(fd, libc::F_LOCK, 0)).to_string(),
        move || {
            lock.l_type = libc::F_UNLCK as i16;
            assert_eq!(c!(libc::fcntl(holder, libc::F_OFD_SETLK, &raw const lock)), 0);
        },
    )
}

/// Output of a terminal that was stopped.
fn output(call: fn(c_int) -> String) -> Made {
    let fds = made::stopped_terminal();
    made(fds, move || call(fds[0]), move || made::go_on(fds[0]))
}

pub(crate) static WAITS: &[Wait] = &[
    wait("recvmmsg, udp", || {
        reading(made::udp(), b"abc", |fd| bulk::recvmmsg(fd, libc::MSG_WAITFORONE, None))
    }),
    wait("recvmmsg, packets", || {
        let fds = unix_pair(SOCK_SEQPACKET);
        reading(fds, b"abc", |fd| bulk::recvmmsg(fd, libc::MSG_WAITFORONE, None))
    }),
    wait("recvmmsg, its own timeout", || {
        reading(made::udp(), b"abc", |fd| bulk::recvmmsg(fd, 0, Some(0)))
    }),
    wait("sendmmsg, stream", || writing(unix_pair(SOCK_STREAM), |fd| bulk::sendmmsg(fd, 0))),
    wait("sendmmsg, datagrams", || writing(unix_pair(SOCK_DGRAM), |fd| bulk::sendmmsg(fd, 0))),
    wait("peek", || {
        reading(made::tcp(), b"abc", |fd| got(|to| c!(libc::recv(fd, to, 8, libc::MSG_PEEK))))
    }),
    wait("packets", || {
        let all = libc::MSG_WAITALL;
        reading(unix_pair(SOCK_SEQPACKET), b"abc", move |fd| {
            got(|to| c!(libc::recv(fd, to, 8, all)))
        })
    }),
    wait("all of it", || {
        let fds = made::tcp();
        assert_eq!(c::write(fds[1], b"ab"), 2);
        reading(fds, b"cdefgh", |fd| got(|to| c!(libc::recv(fd, to, 8, libc::MSG_WAITALL))))
    }),
    wait("splice from a socket", || reading(made::tcp(), b"abc", |fd| bulk::splice_from(fd, 0))),
    wait("splice from a terminal", || {
        reading(made::terminal(), b"abc", |fd| bulk::splice_from(fd, 0))
    }),
    wait("splice to a socket", || writing(unix_pair(SOCK_STREAM), |fd| bulk::splice_to(fd, 0))),
    wait("splice to a terminal", || output(|fd| bulk::splice_to(fd, 0))),
    wait("splice, empty", || between([made::pipe(b""), made::pipe(b"")], splice, fed)),
    wait("splice, full", || between([made::pipe(b"ab"), made::full_pipe()], splice, drained)),
    wait("splice from a nonblocking socket, full", || {
        between([nonblocking(made::tcp()), made::full_pipe()], splice, drained)
    }),
    wait("tee, empty", || between([made::pipe(b""), made::pipe(b"")], tee, fed)),
    wait("tee, full", || between([made::pipe(b"ab"), made::full_pipe()], tee, drained)),
    wait("vmsplice", || writing(turned(c::pipe()), vmsplice)),
    wait("sendfile to a socket", || writing(unix_pair(SOCK_STREAM), sendfile_to)),
    wait("sendfile to a pipe", || writing(turned(c::pipe()), sendfile_to)),
    wait("sendfile to a terminal", || output(sendfile_to)),
    wait("sendfile from a socket", || between([made::tcp(), made::pipe(b"")], sendfile, fed)),
    wait("sendfile from a terminal", || {
        between([made::terminal(), made::pipe(b"")], sendfile, fed)
    }),
    wait("sendfile from a socket, full", || {
        let fds = made::tcp();
        assert_eq!(c::write(fds[1], b"ab"), 2);
        between([fds, made::full_pipe()], sendfile, drained)
    }),
    wait("lockf", locking),
    wait("__read_chk", || reading(c::pipe(), b"abc", |fd| got(|to| c!(__read_chk(fd, to, 8, 8))))),
    wait("__recv_chk", || {
        reading(made::tcp(), b"abc", |fd| got(|to| c!(__recv_chk(fd, to, 8, 8, 0))))
    }),
    wait("__recvfrom_chk", || {
        let call = |fd| got(|to| c!(__recvfrom_chk(fd, to, 8, 8, 0, null_mut(), null_mut())));
        reading(made::tcp(), b"abc", call)
    }),
    wait("open", || opening(libc::O_WRONLY, |path| c!(libc::open(path, libc::O_RDONLY)))),
    wait("open to write", || opening(libc::O_RDONLY, |path| c!(libc::open(path, libc::O_WRONLY)))),
    wait("creat", || opening(libc::O_RDONLY, |path| c!(libc::creat(path, 0o600)))),
    wait("creat64", || opening(libc::O_RDONLY, |path| c!(creat64(path, 0o600)))),
    wait("__open_2", || opening(libc::O_WRONLY, |path| c!(__open_2(path, libc::O_RDONLY)))),
    wait("__open64_2", || opening(libc::O_RDONLY, |path| c!(__open64_2(path, libc::O_WRONLY)))),
    wait("__openat_2", || {
        opening(libc::O_WRONLY, |path| c!(__openat_2(libc::AT_FDCWD, path, libc::O_RDONLY)))
    }),
    wait("__openat64_2", || {
        opening(libc::O_RDONLY, |path| c!(__openat64_2(libc::AT_FDCWD, path, libc::O_WRONLY)))
    }),
];
