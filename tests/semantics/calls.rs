//! Every patched call, with good and with bad arguments.

use crate::common_net::c::{header, iovec};
use crate::common_net::{bulk, many};
use libc::{MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, c_int};
use std::ptr::{null, null_mut};

pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) run: fn(c_int) -> String,
}

const fn call(name: &'static str, run: fn(c_int) -> String) -> Call {
    Call { name, run }
}

/// The value, and the bytes that came.
fn got(value: i64, buf: &[u8]) -> String {
    format!("{value} {}", buf.escape_ascii())
}

fn recv(fd: c_int, flags: c_int) -> String {
    let mut buf = [0; 8];
    let n = c!(libc::recv(fd, buf.as_mut_ptr().cast(), 8, flags));
    got(n, &buf)
}

/// Into parts of so many bytes.
fn readv(fd: c_int, lengths: &[usize]) -> String {
    let mut buf = vec![0; lengths.iter().sum()];
    let mut parts = split(&mut buf, lengths);
    let n = c!(libc::readv(fd, parts.as_mut_ptr(), parts.len() as c_int));
    got(n, &buf)
}

fn writev(fd: c_int, lengths: &[usize]) -> String {
    let mut buf = vec![b'w'; lengths.iter().sum()];
    let parts = split(&mut buf, lengths);
    c!(libc::writev(fd, parts.as_ptr(), parts.len() as c_int)).to_string()
}

fn recvmsg(fd: c_int, lengths: &[usize], flags: c_int) -> String {
    let mut buf = vec![0; lengths.iter().sum()];
    let mut parts = split(&mut buf, lengths);
    let mut msg = header(&mut parts);
    let mut control = [0u8; 64];
    msg.msg_control = control.as_mut_ptr().cast();
    msg.msg_controllen = control.len();
    let n = c!(libc::recvmsg(fd, &mut msg, flags));
    format!("{} flags {:x} control {}", got(n, &buf), msg.msg_flags, msg.msg_controllen)
}

fn sendmsg(fd: c_int, lengths: &[usize], flags: c_int) -> String {
    let mut buf = vec![b'm'; lengths.iter().sum()];
    let mut parts = split(&mut buf, lengths);
    c!(libc::sendmsg(fd, &header(&mut parts), flags)).to_string()
}

fn split(mut buf: &mut [u8], lengths: &[usize]) -> Vec<libc::iovec> {
    let mut parts = Vec::new();
    for len in lengths {
        let (part, rest) = buf.split_at_mut(*len);
        parts.push(iovec(part));
        buf = rest;
    }
    parts
}

fn poll(fd: c_int, events: i16) -> String {
    let mut one = libc::pollfd { fd, events, revents: 0 };
    let n = c!(libc::poll(&mut one, 1, 12));
    format!("{n} {:x}", one.revents)
}

/// Accepts, and says how the new socket is.
fn accept4(fd: c_int, flags: c_int) -> String {
    let new = c!(libc::accept4(fd, null_mut(), null_mut(), flags)) as c_int;
    if new < 0 {
        return new.to_string();
    }
    let status = c!(libc::fcntl(new, libc::F_GETFL));
    let on_exec = c!(libc::fcntl(new, libc::F_GETFD));
    c!(libc::close(new));
    format!("accepted, {status:x} {on_exec:x}")
}

fn dup(fd: c_int) -> String {
    let new = c!(libc::dup(fd)) as c_int;
    if new < 0 {
        return new.to_string();
    }
    let status = c!(libc::fcntl(new, libc::F_GETFL));
    c!(libc::close(new));
    format!("duplicated, {status:x}")
}

fn flags(fd: c_int) -> String {
    c!(libc::fcntl(fd, libc::F_GETFL)).to_string()
}

/// Toggles O_NONBLOCK, looks, and reads.
fn toggle(fd: c_int) -> String {
    let before = c!(libc::fcntl(fd, libc::F_GETFL)) as c_int;
    let set = c!(libc::fcntl(fd, libc::F_SETFL, before ^ libc::O_NONBLOCK));
    let after = c!(libc::fcntl(fd, libc::F_GETFL));
    format!("{set} {before:x} {after:x} {}", recv(fd, 0))
}

pub(crate) static CALLS: &[Call] = &[
    call("read", |fd| {
        let mut buf = [0; 8];
        got(c!(libc::read(fd, buf.as_mut_ptr().cast(), 8)), &buf)
    }),
    call("read of nothing", |fd| c!(libc::read(fd, [0u8].as_mut_ptr().cast(), 0)).to_string()),
    call("read to null", |fd| c!(libc::read(fd, null_mut(), 8)).to_string()),
    call("readv", |fd| readv(fd, &[1, 0, 1, 20])),
    call("readv of nothing", |fd| readv(fd, &[0, 0])),
    call("readv of no parts", |fd| readv(fd, &[])),
    call("readv of too many parts", |fd| readv(fd, &[1; 1025])),
    call("readv of -1 parts", |fd| c!(libc::readv(fd, null(), -1)).to_string()),
    call("readv of null", |fd| c!(libc::readv(fd, null(), 3)).to_string()),
    call("recv", |fd| recv(fd, 0)),
    call("recv of nothing", |fd| c!(libc::recv(fd, [0u8].as_mut_ptr().cast(), 0, 0)).to_string()),
    call("recv to null", |fd| c!(libc::recv(fd, null_mut(), 8, 0)).to_string()),
    call("recv, peek", |fd| recv(fd, MSG_PEEK)),
    call("recv, all", |fd| recv(fd, MSG_WAITALL)),
    call("recv, peek at all", |fd| recv(fd, MSG_WAITALL | MSG_PEEK)),
    call("recv, at once", |fd| recv(fd, MSG_DONTWAIT)),
    call("recv, real length", |fd| {
        let mut buf = [0; 4];
        got(c!(libc::recv(fd, buf.as_mut_ptr().cast(), 4, MSG_TRUNC)), &[])
    }),
    call("recv, all, real length", |fd| {
        let mut buf = [0; 4];
        got(c!(libc::recv(fd, buf.as_mut_ptr().cast(), 4, MSG_TRUNC | MSG_WAITALL)), &[])
    }),
    call("recv, urgent", |fd| recv(fd, MSG_OOB)),
    call("recv, errors", |fd| recv(fd, libc::MSG_ERRQUEUE)),
    call("recvfrom", |fd| {
        let (mut buf, mut addr, mut len) = ([0; 8], [0u8; 128], 128);
        let from = addr.as_mut_ptr().cast();
        let n = c!(libc::recvfrom(fd, buf.as_mut_ptr().cast(), 8, 0, from, &mut len));
        format!("{} {len}", got(n, &buf))
    }),
    call("recvmsg", |fd| recvmsg(fd, &[1, 0, 3, 20], 0)),
    call("recvmsg, all", |fd| recvmsg(fd, &[1, 0, 3, 3], MSG_WAITALL)),
    call("recvmsg, peek", |fd| recvmsg(fd, &[2, 3], MSG_PEEK)),
    call("recvmsg, at once", |fd| recvmsg(fd, &[2, 3], MSG_DONTWAIT)),
    call("recvmsg of nothing", |fd| recvmsg(fd, &[], 0)),
    call("recvmsg of too many parts", |fd| recvmsg(fd, &[1; 1025], 0)),
    call("recvmsg of null", |fd| c!(libc::recvmsg(fd, null_mut(), 0)).to_string()),
    call("write", |fd| c!(libc::write(fd, b"hello".as_ptr().cast(), 5)).to_string()),
    call("write of nothing", |fd| c!(libc::write(fd, b"".as_ptr().cast(), 0)).to_string()),
    call("write from null", |fd| c!(libc::write(fd, null(), 5)).to_string()),
    call("writev", |fd| writev(fd, &[1, 0, 5])),
    call("writev of nothing", |fd| writev(fd, &[0, 0])),
    call("writev of no parts", |fd| writev(fd, &[])),
    call("writev of too many parts", |fd| writev(fd, &[1; 1025])),
    call("writev of null", |fd| c!(libc::writev(fd, null(), 2)).to_string()),
    call("send", |fd| c!(libc::send(fd, b"hello".as_ptr().cast(), 5, 0)).to_string()),
    call("send of nothing", |fd| c!(libc::send(fd, b"".as_ptr().cast(), 0, 0)).to_string()),
    call("send, no signal", |fd| {
        c!(libc::send(fd, b"hello".as_ptr().cast(), 5, libc::MSG_NOSIGNAL)).to_string()
    }),
    call("send, at once", |fd| {
        c!(libc::send(fd, b"hello".as_ptr().cast(), 5, MSG_DONTWAIT)).to_string()
    }),
    call("send, urgent", |fd| c!(libc::send(fd, b"h".as_ptr().cast(), 1, MSG_OOB)).to_string()),
    call("send from null", |fd| c!(libc::send(fd, null(), 5, 0)).to_string()),
    call("sendmsg", |fd| sendmsg(fd, &[1, 0, 5], 0)),
    call("sendmsg of nothing", |fd| sendmsg(fd, &[], libc::MSG_NOSIGNAL)),
    call("sendmsg of too many parts", |fd| sendmsg(fd, &[1; 1025], 0)),
    call("sendmsg of null", |fd| c!(libc::sendmsg(fd, null(), 0)).to_string()),
    call("accept", |fd| accept4(fd, 0)),
    call("accept4", |fd| accept4(fd, libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)),
    call("accept4, rubbish", |fd| accept4(fd, 1)),
    call("accept, then recv", |fd| format!("{} {} {}", accept4(fd, 0), recv(fd, 0), flags(fd))),
    call("connect to null", |fd| c!(libc::connect(fd, null(), 16)).to_string()),
    call("shutdown", |fd| {
        format!("{} {}", c!(libc::shutdown(fd, libc::SHUT_WR)), recv(fd, MSG_DONTWAIT))
    }),
    call("shutdown both", |fd| {
        format!("{} {}", c!(libc::shutdown(fd, libc::SHUT_RDWR)), recv(fd, 0))
    }),
    call("poll to read", |fd| poll(fd, libc::POLLIN)),
    call("poll to write", |fd| poll(fd, libc::POLLOUT)),
    call("poll for urgent data", |fd| poll(fd, libc::POLLPRI)),
    call("poll for the end", |fd| poll(fd, libc::POLLRDHUP)),
    call("poll for nothing", |fd| poll(fd, 0)),
    call("each way to poll to read", |fd| many::all(fd, many::READ, 12)),
    call("each way to poll to write", |fd| many::all(fd, many::WRITE, 12)),
    call("recvmmsg", |fd| bulk::recvmmsg(fd, 0, None)),
    call("recvmmsg for one", |fd| bulk::recvmmsg(fd, libc::MSG_WAITFORONE, None)),
    call("recvmmsg for some time", |fd| bulk::recvmmsg(fd, 0, Some(0))),
    call("recvmmsg for no time", |fd| bulk::recvmmsg(fd, 0, Some(-1))),
    call("recvmmsg at once", |fd| bulk::recvmmsg(fd, MSG_DONTWAIT, None)),
    call("recvmmsg of all", |fd| bulk::recvmmsg(fd, MSG_WAITALL, None)),
    call("sendmmsg", |fd| bulk::sendmmsg(fd, libc::MSG_NOSIGNAL)),
    call("splice into a pipe", |fd| bulk::splice_from(fd, 0)),
    call("splice into a pipe at once", |fd| bulk::splice_from(fd, libc::SPLICE_F_NONBLOCK)),
    call("splice out of a pipe", |fd| bulk::splice_to(fd, 0)),
    call("sendfile", bulk::sendfile_to),
    call("dup", dup),
    call("F_GETFL", flags),
    call("F_SETFL", toggle),
    call("FIONBIO of null", |fd| {
        c!(libc::ioctl(fd, libc::FIONBIO, null_mut::<c_int>())).to_string()
    }),
];
