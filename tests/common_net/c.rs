//! libc's calls as C code makes them, with `-errno` for a failure.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use libc::{c_int, c_void, sockaddr, sockaddr_in, socklen_t, timeval};
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddr};

/// Calls libc; the value, or `-errno`.
macro_rules! c {
    ($call:expr) => {{
        // SAFETY: buffers outlive the call, or a pointer is wrong on purpose
        // in a way that the kernel answers with EFAULT.
        let value = unsafe { $call } as i64;
        if value == -1 { -i64::from($crate::common_net::c::errno()) } else { value }
    }};
}

pub(crate) fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap()
}

pub(crate) fn set_errno(value: i32) {
    // SAFETY: errno's place is valid for this thread.
    unsafe { *libc::__errno_location() = value }
}

/// `-EAGAIN`, as the macro gives it.
pub(crate) const AGAIN: i64 = -(libc::EAGAIN as i64);
pub(crate) const BADF: i64 = -(libc::EBADF as i64);

pub(crate) fn read(fd: c_int, buf: &mut [u8]) -> i64 {
    c!(libc::read(fd, buf.as_mut_ptr().cast(), buf.len()))
}

pub(crate) fn write(fd: c_int, buf: &[u8]) -> i64 {
    c!(libc::write(fd, buf.as_ptr().cast(), buf.len()))
}

pub(crate) fn recv(fd: c_int, buf: &mut [u8], flags: c_int) -> i64 {
    c!(libc::recv(fd, buf.as_mut_ptr().cast(), buf.len(), flags))
}

pub(crate) fn send(fd: c_int, buf: &[u8], flags: c_int) -> i64 {
    c!(libc::send(fd, buf.as_ptr().cast(), buf.len(), flags))
}

pub(crate) fn close(fd: c_int) -> i64 {
    c!(libc::close(fd))
}

pub(crate) fn socket(domain: c_int, ty: c_int) -> c_int {
    c!(libc::socket(domain, ty, 0)) as c_int
}

/// A pair of connected Unix sockets of that type.
pub(crate) fn unix_pair(ty: c_int) -> [c_int; 2] {
    let mut fds = [-1; 2];
    assert_eq!(c!(libc::socketpair(libc::AF_UNIX, ty, 0, fds.as_mut_ptr())), 0);
    fds
}

pub(crate) fn pipe() -> [c_int; 2] {
    let mut fds = [-1; 2];
    assert_eq!(c!(libc::pipe(fds.as_mut_ptr())), 0);
    fds
}

pub(crate) fn set<T>(fd: c_int, level: c_int, name: c_int, value: T) {
    let len = size_of::<T>() as socklen_t;
    assert_eq!(c!(libc::setsockopt(fd, level, name, (&raw const value).cast(), len)), 0);
}

/// SO_RCVTIMEO and SO_SNDTIMEO.
pub(crate) fn set_timeouts(fd: c_int, millis: i64) {
    let time = timeval { tv_sec: millis / 1000, tv_usec: millis % 1000 * 1000 };
    set(fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, time);
    set(fd, libc::SOL_SOCKET, libc::SO_SNDTIMEO, time);
}

/// Closing will send a reset.
pub(crate) fn set_reset(fd: c_int) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    set(fd, libc::SOL_SOCKET, libc::SO_LINGER, linger);
}

/// O_NONBLOCK as F_GETFL tells it.
pub(crate) fn is_nonblocking(fd: c_int) -> bool {
    let flags = c!(libc::fcntl(fd, libc::F_GETFL));
    assert!(flags >= 0);
    flags as c_int & libc::O_NONBLOCK != 0
}

pub(crate) fn set_nonblocking(fd: c_int, on: bool) {
    let on = c_int::from(on);
    assert_eq!(c!(libc::ioctl(fd, libc::FIONBIO, &raw const on)), 0);
}

/// `poll` of one descriptor: the value and what it reported.
pub(crate) fn poll(fd: c_int, events: i16, millis: c_int) -> (i64, i16) {
    let mut one = libc::pollfd { fd, events, revents: 0 };
    let n = c!(libc::poll(&mut one, 1, millis));
    (n, one.revents)
}

pub(crate) fn address(of: SocketAddr) -> sockaddr_in {
    let SocketAddr::V4(of) = of else { panic!("IPv4 only") };
    // SAFETY: all zero is an address.
    let mut addr: sockaddr_in = unsafe { zeroed() };
    addr.sin_family = libc::AF_INET as u16;
    addr.sin_port = of.port().to_be();
    addr.sin_addr.s_addr = u32::from_ne_bytes(of.ip().octets());
    addr
}

pub(crate) fn connect(fd: c_int, to: SocketAddr) -> i64 {
    let addr = address(to);
    let len = size_of::<sockaddr_in>() as socklen_t;
    c!(libc::connect(fd, (&raw const addr).cast::<sockaddr>(), len))
}

/// Binds to a free port of loopback.
pub(crate) fn bind(fd: c_int) -> SocketAddr {
    let mut addr = address(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let mut len = size_of::<sockaddr_in>() as socklen_t;
    assert_eq!(c!(libc::bind(fd, (&raw const addr).cast::<sockaddr>(), len)), 0);
    assert_eq!(c!(libc::getsockname(fd, (&raw mut addr).cast::<sockaddr>(), &mut len)), 0);
    SocketAddr::from((Ipv4Addr::LOCALHOST, u16::from_be(addr.sin_port)))
}

pub(crate) fn accept(fd: c_int) -> i64 {
    c!(libc::accept(fd, std::ptr::null_mut(), std::ptr::null_mut()))
}

pub(crate) fn iovec(buf: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: buf.as_mut_ptr().cast::<c_void>(), iov_len: buf.len() }
}

/// A header for these parts, with no name and no control data.
pub(crate) fn header(parts: &mut [libc::iovec]) -> libc::msghdr {
    // SAFETY: all zero is an empty header.
    let mut msg: libc::msghdr = unsafe { zeroed() };
    msg.msg_iov = parts.as_mut_ptr();
    msg.msg_iovlen = parts.len();
    msg
}
