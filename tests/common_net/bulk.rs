//! Calls that move much at once, between a descriptor and a pipe or file of
//! their own; what came of them as a text to compare.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use super::c;
use libc::{c_int, c_uint, iovec, mmsghdr, timespec};
use std::mem::zeroed;
use std::ptr::null_mut;

/// A pipe with these bytes in it; both ends are for `close`.
fn pipe(bytes: &[u8]) -> [c_int; 2] {
    let mut ends = [-1; 2];
    assert_eq!(c!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC)), 0);
    assert_eq!(c::write(ends[1], bytes), bytes.len() as i64);
    ends
}

/// A file without a name, with these bytes in it.
pub(crate) fn file(bytes: &[u8]) -> c_int {
    let fd = c!(libc::memfd_create(c"bulk".as_ptr(), libc::MFD_CLOEXEC)) as c_int;
    assert_eq!(c::write(fd, bytes), bytes.len() as i64);
    assert_eq!(c!(libc::lseek(fd, 0, libc::SEEK_SET)), 0);
    fd
}

fn close(ends: [c_int; 2]) {
    let _ = ends.map(c::close);
}

/// Into a pipe, by `splice`.
pub(crate) fn splice_from(fd: c_int, flags: c_uint) -> String {
    let ends = pipe(b"");
    let n = c!(libc::splice(fd, null_mut(), ends[1], null_mut(), 100, flags));
    c::close(ends[1]);
    let mut buf = [0; 128];
    let got = c::read(ends[0], &mut buf).max(0) as usize;
    c::close(ends[0]);
    format!("{n} {}", buf[..got].escape_ascii())
}

/// Out of a pipe, by `splice`.
pub(crate) fn splice_to(fd: c_int, flags: c_uint) -> String {
    let ends = pipe(b"from a pipe");
    let n = c!(libc::splice(ends[0], null_mut(), fd, null_mut(), 100, flags));
    close(ends);
    n.to_string()
}

/// From a file, by `sendfile`: from its position, and from a place.
pub(crate) fn sendfile_to(fd: c_int) -> String {
    let file = file(b"0123456789");
    let first = c!(libc::sendfile(fd, file, null_mut(), 4));
    let mut at = 7;
    let second = c!(libc::sendfile(fd, file, &mut at, 100));
    let position = c!(libc::lseek(file, 0, libc::SEEK_CUR));
    c::close(file);
    format!("{first} {second} {at} {position}")
}

/// Into a file, by `sendfile` and by `copy_file_range`.
pub(crate) fn copy_from(fd: c_int) -> String {
    let file = file(b"");
    let first = c!(libc::sendfile(file, fd, null_mut(), 5));
    let mut at = 1;
    let second = c!(libc::copy_file_range(fd, &mut at, file, null_mut(), 5, 0));
    let mut buf = [0; 16];
    c!(libc::pread(file, buf.as_mut_ptr().cast(), 16, 0));
    c::close(file);
    format!("{first} {second} {at} {}", buf.escape_ascii())
}

/// `recvmmsg` into three messages of four bytes.
pub(crate) fn recvmmsg(fd: c_int, flags: c_int, millis: Option<i64>) -> String {
    let mut bufs = [[0_u8; 4]; 3];
    let mut parts = bufs.each_mut().map(|buf| c::iovec(buf));
    let mut list = parts.each_mut().map(message);
    let mut time = millis.map(|ms| timespec { tv_sec: 0, tv_nsec: ms * 1_000_000 });
    let at = time.as_mut().map_or(null_mut(), |time| time);
    let n = c!(libc::recvmmsg(fd, list.as_mut_ptr(), 3, flags, at));
    let lens = list.map(|one| one.msg_len);
    let flags = list.map(|one| one.msg_hdr.msg_flags);
    let some = n.max(0) as usize;
    format!("{n} {:?} {:?} {bufs:x?}", &lens[..some], &flags[..some])
}

/// `sendmmsg` of three messages.
pub(crate) fn sendmmsg(fd: c_int, flags: c_int) -> String {
    let mut bufs = [*b"one.", *b"two.", *b"more"];
    let mut parts = bufs.each_mut().map(|buf| c::iovec(buf));
    let mut list = parts.each_mut().map(message);
    let n = c!(libc::sendmmsg(fd, list.as_mut_ptr(), 3, flags));
    let lens = list.map(|one| one.msg_len);
    format!("{n} {:?}", &lens[..n.max(0) as usize])
}

fn message(part: &mut iovec) -> mmsghdr {
    // SAFETY: all zero is an empty one.
    let mut one: mmsghdr = unsafe { zeroed() };
    one.msg_hdr.msg_iov = part;
    one.msg_hdr.msg_iovlen = 1;
    one
}
