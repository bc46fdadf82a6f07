//! Waiting on a word in the kernel, for OS threads only.
//!
//! rustix makes the system call itself, so nothing here goes through a symbol
//! that the patch defines.

use super::clock::{self, Nanos};
use rustix::thread::futex::{self, Flags, Timespec};
use std::sync::atomic::AtomicU32;

/// A word to wait on, where the models have another (`quick_loom.rs`).
pub(crate) type Word = AtomicU32;

/// Sleeps while `word` holds `expected`, until woken or `deadline`; may return
/// early for no reason.
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Option<Nanos>) {
    let left = deadline.map(|d| {
        let left = d.saturating_sub(clock::now());
        Timespec { tv_sec: (left / 1_000_000_000) as i64, tv_nsec: (left % 1_000_000_000) as _ }
    });
    // Every error (changed already, interrupted, timed out) means "look again".
    let _ = futex::wait(word, Flags::PRIVATE, expected, left.as_ref());
}

/// Wakes one waiter of `word`.
pub(crate) fn wake_one(word: &AtomicU32) {
    let _ = futex::wake(word, Flags::PRIVATE, 1);
}

/// Wakes all waiters of `word`.
pub(crate) fn wake_all(word: &AtomicU32) {
    let _ = futex::wake(word, Flags::PRIVATE, i32::MAX as u32);
}
