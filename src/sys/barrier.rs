//! A full barrier that one thread runs for all others (membarrier(2)), so that
//! what they do often needs none.
//!
//! One thread stores, calls `everywhere` and loads; the others store, call `here`
//! and load: as with a full barrier on both sides, at least one of two that meet
//! sees what the other has stored.

use super::{clock, raw};
use std::sync::atomic::{Ordering::SeqCst, compiler_fence, fence};

fn ask(command: i32) -> bool {
    if cfg!(miri) {
        return false; // it knows no such call
    }
    // SAFETY: takes no pointers.
    unsafe { raw::syscall(libc::SYS_membarrier, [command as usize, 0, 0, 0, 0, 0]) }.is_ok()
}

/// Lets `everywhere` work in this process; false on kernels before 4.14.
pub(crate) fn prepare() -> bool {
    ask(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
}

/// The side that costs nothing. For the CPU `everywhere` orders what is before and
/// behind this; for the compiler, this does.
#[inline(always)]
pub(crate) fn here() {
    compiler_fence(SeqCst);
}

/// A full barrier on every CPU that runs this process; false if there can be
/// none.
pub(crate) fn everywhere() -> bool {
    // Mostly that is all. A fork's child may have to ask for it again.
    ask(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
        || prepare() && ask(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
}

/// Longer than any store takes to be seen.
pub(crate) const UNSEEN: clock::Nanos = 1_000_000;

/// As `everywhere`; where there is none, waits for longer than any store takes to
/// be seen. Async-signal-safe.
pub(crate) fn everywhere_in_time() {
    if everywhere() {
        return;
    }
    fence(SeqCst);
    let end = clock::now() + UNSEEN;
    // By the clock: a signal ends a sleep, and a sandbox may refuse it.
    while clock::now() < end {
        let time = libc::timespec { tv_sec: 0, tv_nsec: UNSEEN as i64 };
        // SAFETY: a valid duration, no remainder asked for.
        let _ =
            unsafe { raw::syscall(libc::SYS_nanosleep, [&raw const time as usize, 0, 0, 0, 0, 0]) };
    }
}
