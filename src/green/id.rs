//! Numbers that tell green threads apart.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number no other green thread of this process has. Each OS thread takes
/// blocks of them, so that spawning shares no cache line.
pub(super) fn next() -> u64 {
    const BLOCK: u64 = 1024;
    static BLOCKS: AtomicU64 = AtomicU64::new(0);
    thread_local!(static NEXT: Cell<u64> = const { Cell::new(0) });
    NEXT.with(|next| {
        let mut id = next.get();
        if id.is_multiple_of(BLOCK) {
            id = BLOCKS.fetch_add(1, Relaxed) * BLOCK;
        }
        next.set(id + 1);
        id + 1
    })
}

/// That of plain OS threads; in a fork's child, that of the green thread which went
/// on there as one.
static OS: AtomicU64 = AtomicU64::new(0);

/// See `OS`. By the only thread that there is.
pub(super) fn forked(id: u64) {
    OS.store(id, Relaxed);
}

/// A number that all plain OS threads share, and no green thread.
#[inline]
pub(crate) fn os() -> u64 {
    OS.load(Relaxed)
}
