//! `sendfile`. From a file to what may be slow it is a read and a write; from
//! what is no file to a pipe, where alone the kernel allows that, a `splice`.

use super::apart::{self, apart};
use super::call::Socket;
use super::disk::elsewhere;
use super::plain;
use super::splice::{PIECE, splice};
use crate::sched::entry::{Dir, Kind};
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{SYS_sendfile, c_int, iovec};

/// As much as one step of `sendfile` reads.
const STEP: usize = 64 * 1024;

impl Socket {
    /// A pipe takes a few bytes more in a page that it has, which `write` uses
    /// and `sendfile` does not.
    fn until_room(self) -> Result<(), Errno> {
        if self.is_pipe() { self.until_ready(Dir::Write) } else { Ok(()) }
    }

    /// Sends all of it, or writes it, as far as it goes.
    fn push(self, bytes: &[u8]) -> Option<Result<usize, Errno>> {
        if self.entry.kind().is_socket() {
            // SAFETY: bytes that live until it returns.
            return Some(unsafe { self.send(bytes.as_ptr(), bytes.len(), 0, std::ptr::null(), 0) });
        }
        let list = [iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }];
        // SAFETY: as above; they are only read.
        unsafe { plain::transfer_on(self, Dir::Write, &list, None, 0) }
    }
}

/// As `sendfile`; `None`: libc's.
///
/// # Safety
/// `at` is null or valid.
pub(crate) unsafe fn send_file(
    to: c_int,
    file: c_int,
    at: *mut i64,
    count: usize,
) -> Option<Result<usize, Errno>> {
    let from = Socket::any(file)?;
    if from.entry.kind() != Kind::File {
        return if at.is_null() { from_no_file(file, to, count) } else { None };
    }
    let to = Socket::sink(to).filter(|to| !to.would_not_wait())?;
    if !from.allows(Dir::Read) || !to.allows(Dir::Write) {
        return None; // the kernel refuses it at once
    }
    // SAFETY: the caller's promise.
    if let Err(e) = unsafe { check(to, file, at) } {
        return Some(Err(e));
    }
    // SAFETY: as above.
    let start = match unsafe { at.as_ref() } {
        Some(at) => *at,
        None => seek(file, 0, libc::SEEK_CUR).ok()?,
    };
    let result = match to.entry.kind() {
        Kind::Waitable if !to.is_pipe() => {
            let may_wait = to.is_terminal() || !to.is_ready(Dir::Write);
            may_wait.then(|| apart([from, to], move || between_files(from, to, start, count)))?
        }
        Kind::File => {
            elsewhere([from, to], move || between_files(from, to, start, count.min(PIECE)))
        }
        _ => copy(from, to, start, count)?,
    };
    if let Ok(done) = result {
        let end = start + done as i64;
        // SAFETY: as above.
        match unsafe { at.as_mut() } {
            Some(at) => *at = end,
            None if from.is_open() => _ = seek(file, end, libc::SEEK_SET),
            None => {}
        }
    }
    Some(result)
}

/// The kernel's `sendfile`, which may wait.
fn between_files(from: Socket, to: Socket, start: i64, count: usize) -> Result<usize, Errno> {
    let mut at = start;
    let args = [to.fd as usize, from.fd as usize, &raw mut at as usize, count, 0, 0];
    // SAFETY: an offset that lives here.
    unsafe { raw::syscall(SYS_sendfile, args) }
}

/// Sends no bytes: the kernel says what is wrong with the arguments. To a full
/// pipe even that waits, so /dev/null takes its place.
///
/// # Safety
/// As `send_file`.
unsafe fn check(to: Socket, file: c_int, at: *mut i64) -> Result<(), Errno> {
    let send = |to: usize| {
        // SAFETY: the caller's promise.
        unsafe { raw::syscall(SYS_sendfile, [to, file as usize, at as usize, 0, 0, 0]) }.map(|_| ())
    };
    if !to.is_pipe() {
        return send(to.fd as usize);
    }
    let how = (libc::O_WRONLY | libc::O_CLOEXEC) as usize;
    let args = [libc::AT_FDCWD as usize, c"/dev/null".as_ptr() as usize, how, 0, 0, 0];
    // SAFETY: a C string.
    let Ok(null) = (unsafe { raw::syscall(libc::SYS_openat, args) }) else {
        return Ok(()); // then a wrong pointer is what it is elsewhere
    };
    let checked = send(null);
    // SAFETY: opened above.
    let _ = unsafe { raw::syscall(libc::SYS_close, [null, 0, 0, 0, 0, 0]) };
    checked
}

fn seek(file: c_int, by: i64, whence: c_int) -> Result<i64, Errno> {
    let args = [file as usize, by as usize, whence as usize, 0, 0, 0];
    // SAFETY: takes no pointer.
    unsafe { raw::syscall(libc::SYS_lseek, args) }.map(|at| at as i64)
}

/// Reads the file from `start`, and pushes what came.
fn copy(from: Socket, to: Socket, start: i64, count: usize) -> Option<Result<usize, Errno>> {
    let mut memory = Vec::new();
    if memory.try_reserve_exact(count.min(STEP)).is_err() {
        return Some(Err(Errno(libc::ENOMEM)));
    }
    memory.resize(count.min(STEP), 0);
    let mut done = 0;
    while done < count {
        let want = memory.len().min(count - done);
        let list = [iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: want }];
        let at = Some(start + done as i64);
        // SAFETY: memory of that length.
        let step = match unsafe { plain::transfer_on(from, Dir::Read, &list, at, 0) }? {
            Ok(0) => break,
            Ok(got) => match to.until_room() {
                Ok(()) => to.push(&memory[..got])?.map(|sent| (sent, got)),
                Err(e) => Err(e),
            },
            Err(e) => Err(e),
        };
        match step {
            Ok((sent, got)) => {
                done += sent;
                if sent < got {
                    break;
                }
            }
            Err(e) if done == 0 => return Some(Err(e)),
            Err(_) => break,
        }
    }
    Some(Ok(done))
}

/// From a socket or a terminal.
fn from_no_file(from: c_int, to: c_int, count: usize) -> Option<Result<usize, Errno>> {
    if !Socket::sink(to)?.is_pipe() || Socket::any(from)?.is_pipe() {
        return None; // the kernel refuses it at once
    }
    let call = |len: usize, flags: u32| {
        let args = [from as usize, 0, to as usize, 0, len, flags as usize];
        // SAFETY: takes no pointer.
        unsafe { raw::syscall(libc::SYS_splice, args) }
    };
    // SAFETY: it moves as many as it is told.
    let moved = unsafe { splice(from, to, count, 0, call) };
    moved.or_else(|| apart::splice(from, to, count, 0))
}
