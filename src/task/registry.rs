//! Which `pthread_t`s are green threads: a hash table whose chains run through
//! the control blocks, so that nothing is allocated under its locks.

use crate::green::record::{Record, RecordRef};
use crate::sys::lock::Lock;
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// A control block's part of the table.
pub(super) struct Entry {
    handle: Cell<usize>,
    record: Cell<*const Record>,
    /// The next in its bucket; under the bucket's lock.
    next: Cell<*const Entry>,
}

impl Entry {
    pub(super) fn new() -> Entry {
        Entry { handle: Cell::new(0), record: Cell::new(ptr::null()), next: Cell::new(ptr::null()) }
    }

    /// Its key; 0 before it is inserted.
    pub(super) fn handle(&self) -> usize {
        self.handle.get()
    }

    /// The thread it stands for.
    ///
    /// # Safety
    /// It is in the table, or was and the caller holds a reference.
    unsafe fn record(&self) -> RecordRef {
        // SAFETY: not null after `insert`, and counted by the table.
        unsafe { RecordRef::from_raw(NonNull::new_unchecked(self.record.get().cast_mut())) }
    }
}

/// Enough for short chains with 100,000 threads; untouched ones cost nothing.
const BUCKETS: usize = 1 << 14;

/// The first of a chain. The registry owns one reference to each.
struct Chain(*const Entry);

// SAFETY: reached under its bucket's lock.
unsafe impl Send for Chain {}

static TABLE: [Lock<Chain>; BUCKETS] = [const { Lock::new(Chain(ptr::null())) }; BUCKETS];

/// Fibonacci hashing (Knuth, volume 3, 6.4).
fn bucket(handle: usize) -> &'static Lock<Chain> {
    const GOLDEN: usize = 0x9e37_79b9_7f4a_7c15;
    &TABLE[(handle >> 6).wrapping_mul(GOLDEN) >> (usize::BITS - BUCKETS.trailing_zeros())]
}

/// Makes the handle of `record` known, whose reference is the table's now.
///
/// # Safety
/// `entry` lives as long as the record, and is in no table yet.
pub(super) unsafe fn insert(entry: &Entry, handle: usize, record: RecordRef) {
    entry.handle.set(handle);
    entry.record.set(record.into_raw().as_ptr());
    let mut chain = bucket(handle).lock();
    entry.next.set(chain.0);
    chain.0 = entry;
}

/// The thread with this handle.
pub(super) fn find(handle: usize) -> Option<RecordRef> {
    let chain = bucket(handle).lock();
    let mut at = chain.0;
    // SAFETY: those in a chain are alive: the table's reference.
    while let Some(this) = unsafe { at.as_ref() } {
        if this.handle() == handle {
            // SAFETY: in the table; forgotten again at once.
            let borrowed = unsafe { this.record() };
            let counted = borrowed.clone();
            std::mem::forget(borrowed);
            return Some(counted);
        }
        at = this.next.get();
    }
    None
}

/// Forgets a handle; returns the table's reference. For whoever holds another, so
/// that nothing is freed under the lock.
pub(super) fn remove(handle: usize) -> Option<RecordRef> {
    let mut chain = bucket(handle).lock();
    let mut before: *const Entry = ptr::null();
    let mut at = chain.0;
    // SAFETY: as in `find`.
    while let Some(this) = unsafe { at.as_ref() } {
        if this.handle() == handle {
            // SAFETY: as in `find`.
            match unsafe { before.as_ref() } {
                Some(before) => before.next.set(this.next.get()),
                None => chain.0 = this.next.get(),
            }
            // SAFETY: in no chain any more, so the table's reference is free.
            return Some(unsafe { this.record() });
        }
        before = at;
        at = this.next.get();
    }
    None
}
