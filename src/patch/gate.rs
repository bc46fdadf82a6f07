//! Who passes straight through, and how results go back to C.

use super::family::{Family, is_patched};
use crate::calls::call::Socket;
use crate::green::current;
use crate::sched::start;
use crate::sys::clock::Nanos;
use crate::sys::errno::Errno;
use crate::time;
use libc::{clockid_t, timespec};

/// A shim's address, so that it can be referred to.
#[derive(Clone, Copy)]
pub(super) struct Shim(#[allow(dead_code, reason = "it only has to be there")] *const ());

// SAFETY: an address, never used.
unsafe impl Sync for Shim {}

impl Shim {
    pub(super) const fn new(address: *const ()) -> Shim {
        Shim(address)
    }
}

/// Whether the caller is a green thread, outside the runtime, with `family`
/// patched. On a plain OS thread: one load.
#[inline]
pub(super) fn parks(family: Family) -> bool {
    current::patched().is_some() && is_patched(family)
}

/// The deadline that `time` on `clock` is; `None` if one of them is none, which
/// libc may then say.
///
/// # Safety
/// `time` is null or valid.
#[inline]
pub(super) unsafe fn deadline(clock: clockid_t, time: *const timespec) -> Option<Nanos> {
    let realtime = clock == libc::CLOCK_REALTIME;
    if !realtime && clock != libc::CLOCK_MONOTONIC {
        return None;
    }
    // SAFETY: the caller's promise.
    let time = unsafe { time.as_ref() }?;
    if time.tv_sec < 0 && (0..1_000_000_000).contains(&time.tv_nsec) {
        return Some(0); // long ago
    }
    Some(time::deadline(realtime, time::duration(*time)?))
}

/// As `deadline`, on a green thread that may park.
///
/// # Safety
/// As `deadline`.
#[inline]
pub(super) unsafe fn until(clock: clockid_t, time: *const timespec) -> Option<Nanos> {
    // SAFETY: the caller's promise.
    if parks(Family::Sync) { unsafe { deadline(clock, time) } } else { None }
}

/// Whether the locks of C are ours on all threads; not in a fork's child, which
/// may have inherited a held lock.
#[inline]
pub(super) fn minds_locks() -> bool {
    is_patched(Family::Sync) && !start::is_forked()
}

/// `fd`, if the caller may park on it.
#[inline]
pub(super) fn socket(fd: i32) -> Option<Socket> {
    if parks(Family::Socket) { Socket::blocking(fd) } else { None }
}

/// Whether the table of descriptors is kept: on every thread, once sockets or
/// files are patched; not in a fork's child, which may have inherited a held lock.
#[inline]
pub(super) fn tracks() -> bool {
    remembers() && !start::is_forked()
}

/// Whether the table may know a descriptor's true mode. In a fork's child, too:
/// the listeners that it inherited stay non-blocking files.
#[inline]
pub(super) fn remembers() -> bool {
    is_patched(Family::Socket) || is_patched(Family::File)
}

/// A transfer's result as C wants it.
#[inline]
pub(super) fn count(result: Result<usize, Errno>) -> isize {
    match result {
        Ok(n) => n as isize,
        Err(e) => {
            e.set();
            -1
        }
    }
}

/// As `count`, for an `int`.
#[inline]
pub(super) fn int(result: Result<i32, Errno>) -> i32 {
    match result {
        Ok(n) => n,
        Err(e) => {
            e.set();
            -1
        }
    }
}
