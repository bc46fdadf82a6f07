//! Descriptor numbers that share a file, in rings: what the kernel keeps per
//! file, it keeps for all of them.

use super::entry::{Entry, FORCED_NONBLOCK, KNOWN, USER_NONBLOCK};
use super::table::peek;
use crate::sys::atomic::full_fence;
use crate::sys::lock::{Guard, Lock};
use std::sync::atomic::Ordering::*;

/// Guards them. Taken last: its holder takes no entry's lock.
static RINGS: Lock<()> = Lock::new(());

pub(super) fn lock() -> Guard<'static, ()> {
    RINGS.lock()
}

/// The mode of `fd`'s file as another number knows it. With the rings locked.
pub(super) fn mode(fd: i32, entry: &Entry) -> Option<u32> {
    let mut at = entry.sibling.load(Relaxed);
    while at != 0 && at != fd as u32 + 1 {
        let other = peek(at as i32 - 1)?;
        if other.flags() & KNOWN != 0 {
            return Some(other.flags() & (USER_NONBLOCK | FORCED_NONBLOCK));
        }
        at = other.sibling.load(Relaxed);
    }
    None
}

/// `new` means the same file as `old`. Then `copy` takes over what is known: a
/// change that it does not see comes after, to both (see `for_file`).
pub(super) fn join(old: i32, from: &Entry, new: i32, to: &Entry, copy: impl FnOnce()) {
    let _rings = RINGS.lock();
    let next = match from.sibling.load(Relaxed) {
        0 => old as u32 + 1,
        next => next,
    };
    to.sibling.store(next, Relaxed);
    from.sibling.store(new as u32 + 1, Relaxed);
    full_fence();
    copy();
}

/// Takes `fd` out of its ring; true if it was in one.
pub(super) fn leave(fd: i32, entry: &Entry) -> bool {
    // Most are in none, and then no lock is taken.
    if entry.sibling.load(Relaxed) == 0 {
        return false;
    }
    let _rings = RINGS.lock();
    let next = entry.sibling.swap(0, Relaxed);
    let mut at = next;
    while at != 0 {
        let Some(other) = peek(at as i32 - 1) else {
            break;
        };
        let after = other.sibling.load(Relaxed);
        if after == fd as u32 + 1 {
            // The last one left is alone.
            other.sibling.store(if next == at { 0 } else { next }, Relaxed);
            break;
        }
        at = after;
    }
    next != 0
}

/// Applies `change` to `fd`'s entry and to those of the same file: what the
/// kernel keeps per file, not per number.
pub(crate) fn for_file(fd: i32, change: impl Fn(&Entry)) {
    let Some(entry) = peek(fd) else { return };
    change(entry);
    // Either this sees the number that joins, or that sees the change.
    full_fence();
    if entry.sibling.load(Relaxed) == 0 {
        return;
    }
    let _rings = RINGS.lock();
    let mut at = entry.sibling.load(Relaxed);
    while at != 0 && at != fd as u32 + 1 {
        let Some(other) = peek(at as i32 - 1) else {
            break;
        };
        change(other);
        at = other.sibling.load(Relaxed);
    }
}
