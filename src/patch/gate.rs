//! Who passes straight through, and how results go back to C.

use super::family::{Family, is_patched};
use crate::green::current;
use crate::net::call::Socket;
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

/// How long a green thread waits that gives an absolute `time`.
pub(super) enum Until {
    Deadline(Nanos),
    /// It is no green thread, or the time or the clock is none: libc's to do or
    /// to refuse.
    Libc,
}

/// # Safety
/// `time` is null or valid.
#[inline]
pub(super) unsafe fn until(family: Family, clock: clockid_t, time: *const timespec) -> Until {
    let realtime = clock == libc::CLOCK_REALTIME;
    if !parks(family) || !(realtime || clock == libc::CLOCK_MONOTONIC) {
        return Until::Libc;
    }
    // SAFETY: the caller's promise.
    match unsafe { time.as_ref() } {
        Some(time) if time.tv_sec < 0 && (0..1_000_000_000).contains(&time.tv_nsec) => {
            Until::Deadline(0) // long ago
        }
        Some(time) => time::duration(*time)
            .map_or(Until::Libc, |time| Until::Deadline(time::deadline(realtime, time))),
        None => Until::Libc,
    }
}

/// `fd`, if the caller may park on it.
#[inline]
pub(super) fn socket(fd: i32) -> Option<Socket> {
    if parks(Family::Socket) { Socket::blocking(fd) } else { None }
}

/// Whether the table of descriptors is kept: on every thread, once sockets are
/// patched; not in a fork's child, which may have inherited a held lock.
#[inline]
pub(super) fn tracks() -> bool {
    is_patched(Family::Socket) && !start::is_forked()
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
