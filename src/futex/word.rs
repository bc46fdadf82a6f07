//! Futex waits of green threads, in the table of addresses.

use super::table;
use crate::sys::clock::Nanos;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

pub(crate) use super::table::{ANY, Waited, seems_awaited, wake_waiting};

/// Waits, if `word` holds `expected`, until a `wake` that has a bit in common,
/// at most until `deadline`. On a green thread.
///
/// # Panics
/// On a plain OS thread.
pub(crate) fn wait(word: &AtomicU32, expected: u32, bits: u32, deadline: Option<Nanos>) -> Waited {
    let address = ptr::from_ref(word).addr();
    table::wait(address, bits, deadline, || word.load(SeqCst) == expected)
}
