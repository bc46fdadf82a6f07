//! The calls of the family *file*, with good and with bad arguments.

use super::scenes::{BIG, READ, WRITE};
use crate::common_net::c::{self, iovec};
use crate::common_net::{bulk, many};
use libc::{c_int, iovec};
use std::ptr::{null, null_mut};

pub(crate) struct Call {
    pub(crate) name: &'static str,
    /// The scenes that it is for.
    pub(crate) sort: u32,
    pub(crate) run: fn(c_int) -> String,
}

const fn call(name: &'static str, sort: u32, run: fn(c_int) -> String) -> Call {
    Call { name, sort, run }
}

/// The value, and the bytes that came.
fn got(value: i64, buf: &[u8]) -> String {
    format!("{value} {}", buf.escape_ascii())
}

fn read(fd: c_int, len: usize) -> String {
    let mut buf = vec![0; len];
    got(c::read(fd, &mut buf), &buf)
}

fn pread(fd: c_int, at: i64) -> String {
    let mut buf = [0; 10];
    got(c!(libc::pread(fd, buf.as_mut_ptr().cast(), 10, at)), &buf)
}

/// By `how`, into parts of these lengths.
fn parted(lengths: &[usize], fill: u8, how: impl FnOnce(*const iovec, c_int) -> i64) -> String {
    let mut buf = vec![fill; lengths.iter().sum()];
    let (mut rest, mut list) = (&mut buf[..], Vec::new());
    for len in lengths {
        let (part, others) = rest.split_at_mut(*len);
        list.push(iovec(part));
        rest = others;
    }
    let n = how(list.as_ptr(), list.len() as c_int);
    got(n, &buf)
}

pub(crate) static CALLS: &[Call] = &[
    call("read", READ, |fd| read(fd, 8)),
    call("read more", READ, |fd| read(fd, 100)),
    call("read much", READ, |fd| read(fd, 20_000)),
    call("read of nothing", READ, |fd| c!(libc::read(fd, null_mut(), 0)).to_string()),
    call("read to null", READ, |fd| c!(libc::read(fd, null_mut(), 8)).to_string()),
    call("readv", READ, |fd| parted(&[1, 0, 7, 40], 0, |l, n| c!(libc::readv(fd, l, n)))),
    call("readv of no parts", READ, |fd| c!(libc::readv(fd, null(), 0)).to_string()),
    call("readv of null", READ, |fd| c!(libc::readv(fd, null(), 2)).to_string()),
    call("readv of too many", READ, |fd| parted(&[1; 1025], 0, |l, n| c!(libc::readv(fd, l, n)))),
    call("splice into a pipe", READ, |fd| bulk::splice_from(fd, 0)),
    call("splice into a pipe at once", READ, |fd| bulk::splice_from(fd, libc::SPLICE_F_NONBLOCK)),
    call("splice out of a pipe", WRITE, |fd| bulk::splice_to(fd, 0)),
    call("sendfile", WRITE, bulk::sendfile_to),
    call("copy to a file", READ, bulk::copy_from),
    call("lockf", READ | WRITE, |fd| c!(libc::lockf(fd, libc::F_LOCK, 3)).to_string()),
    call("each way to poll", READ, |fd| many::all(fd, many::READ, 100)),
    call("each way to poll to write", WRITE, |fd| many::all(fd, many::WRITE, 100)),
    call("pread", READ, |fd| pread(fd, 5)),
    call("pread behind the end", READ, |fd| pread(fd, 1 << 30)),
    call("pread before the start", READ, |fd| pread(fd, -1)),
    call("preadv", READ, |fd| parted(&[3, 4], 0, |l, n| c!(libc::preadv(fd, l, n, 2)))),
    call("preadv2", READ, |fd| parted(&[3, 9], 0, |l, n| c!(libc::preadv2(fd, l, n, -1, 0)))),
    call("preadv2, at once", READ, |fd| {
        parted(&[3, 9], 0, |l, n| c!(libc::preadv2(fd, l, n, -1, libc::RWF_NOWAIT)))
    }),
    call("preadv2, rubbish", READ, |fd| {
        parted(&[3, 9], 0, |l, n| c!(libc::preadv2(fd, l, n, -1, 1 << 20)))
    }),
    call("write", WRITE, |fd| c::write(fd, &7u64.to_ne_bytes()).to_string()),
    call("write text", WRITE, |fd| c::write(fd, b"twelve bytes").to_string()),
    call("write of nothing", WRITE, |fd| c::write(fd, b"").to_string()),
    call("write from null", WRITE, |fd| c!(libc::write(fd, null(), 8)).to_string()),
    call("writev", WRITE, |fd| parted(&[4, 0, 4], 1, |l, n| c!(libc::writev(fd, l, n)))),
    call("writev of null", WRITE, |fd| c!(libc::writev(fd, null(), 2)).to_string()),
    call("pwrite", WRITE, |fd| c!(libc::pwrite(fd, b"12345678".as_ptr().cast(), 8, 3)).to_string()),
    call("pwritev", WRITE, |fd| parted(&[3, 5], b'v', |l, n| c!(libc::pwritev(fd, l, n, 1)))),
    call("pwritev2", WRITE, |fd| parted(&[3, 5], 1, |l, n| c!(libc::pwritev2(fd, l, n, -1, 0)))),
    call("pwritev2, to disk", WRITE, |fd| {
        parted(&[3, 5], 1, |l, n| c!(libc::pwritev2(fd, l, n, -1, libc::RWF_DSYNC)))
    }),
    call("write a page", BIG, |fd| c::write(fd, &[b'p'; 4096]).to_string()),
    call("write much", BIG, |fd| c::write(fd, &[b'w'; 300_000]).to_string()),
    call("write very much", BIG, |fd| c::write(fd, &vec![b'v'; 5_000_000]).to_string()),
    call("write much in parts", BIG, |fd| {
        let mut buf = vec![b'p'; 100_000];
        let list = [iovec(&mut buf[..70_001]), iovec(&mut []), iovec(&mut [b'q'; 50_000])];
        c!(libc::writev(fd, list.as_ptr(), 3)).to_string()
    }),
    call("write much from null", BIG, |fd| c!(libc::write(fd, null(), 2_000_000)).to_string()),
    call("fsync", WRITE, |fd| c!(libc::fsync(fd)).to_string()),
    call("fdatasync", WRITE, |fd| c!(libc::fdatasync(fd)).to_string()),
    call("sync_file_range", WRITE, |fd| c!(libc::sync_file_range(fd, 0, 4096, 7)).to_string()),
    call("sync_file_range, rubbish", WRITE, |fd| {
        c!(libc::sync_file_range(fd, -1, 4096, 99)).to_string()
    }),
    call("flock", READ | WRITE, |fd| c!(libc::flock(fd, libc::LOCK_EX)).to_string()),
    call("flock, rubbish", READ | WRITE, |fd| c!(libc::flock(fd, 77)).to_string()),
    call("F_SETLKW of null", READ | WRITE, |fd| {
        c!(libc::fcntl(fd, libc::F_SETLKW, null::<libc::flock>())).to_string()
    }),
    call("F_OFD_SETLKW", READ | WRITE, |fd| {
        // SAFETY: all zero is a read lock on everything.
        let lock: libc::flock = unsafe { std::mem::zeroed() };
        c!(libc::fcntl(fd, libc::F_OFD_SETLKW, &raw const lock)).to_string()
    }),
];
