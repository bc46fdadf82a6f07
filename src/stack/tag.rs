//! Whose a stack is: some words above its frames, for those who look from
//! outside (`inspect`), who find every stack by its slab (`atlas.rs`).
//!
//! | words | by | when |
//! |---|---|---|
//! | all | who starts a green thread there | before it runs; the owner last (Release) |
//! | owner becomes null | its worker | once it has ended, before anybody frees it |
//!
//! A reader may come at any time, and what it finds may be out of date at once:
//! it looks again after it has copied what the tag leads to. Owner and id
//! together stand for one green thread for ever, so if both are the same before
//! and after, it was alive in between. A stack's memory is never unmapped, and
//! one that was given back to the kernel reads as zero: nobody's.

use super::class::{SizeClass, usable_range};
use crate::sys::mem::page_size;
use std::mem::offset_of;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::*};

/// Stack tops differ by whole cache lines...
pub(super) const STAGGER_STEP: usize = 64;
/// ...in this many steps. All of them together stay under 1 KiB, so that the first frames of
/// a green thread (about 1.2 KiB when it sleeps) still fit the one top page.
pub(super) const STAGGER_STEPS: usize = 16;

/// How far below the end of its slot the stack at `low` begins. Neighbours differ because a
/// stride is an odd number of pages; without this the same frames of thousands of stacks
/// would compete for the same few cache sets.
#[inline]
fn stagger(low: usize) -> usize {
    // A shift: a division by a number that the compiler does not know is slow.
    (low >> page_size().trailing_zeros()) % STAGGER_STEPS * STAGGER_STEP
}

/// Where frames may be on the stack at `low`. A slot's end is page-aligned, and a
/// stagger whole cache lines; so frames begin beside the tag, in its line.
#[inline]
pub(super) fn frames(low: usize, class: SizeClass) -> Range<usize> {
    let usable = usable_range(low, class);
    usable.start..usable.end - stagger(low) - size_of::<Tag>()
}

/// The tag above the frames that end at `base`.
///
/// # Safety
/// The base of a slot that has its guard.
#[inline]
pub(super) unsafe fn above(base: usize) -> &'static Tag {
    // SAFETY: the slot stays mapped for ever, nobody else uses these bytes, and
    // any bytes are atomics.
    unsafe { &*ptr::with_exposed_provenance(base) }
}

/// See the module's head.
#[repr(C, align(64))]
pub(crate) struct Tag {
    owner: AtomicPtr<()>,
    id: AtomicU64,
    /// When its owner first ran.
    born: AtomicU64,
    /// Where the slot begins, with the guard page.
    low: AtomicUsize,
}

/// For a debugger: the size, how tops are staggered, the owner and its number.
pub(super) const PLACES: [usize; 5] =
    [size_of::<Tag>(), STAGGER_STEP, STAGGER_STEPS, offset_of!(Tag, owner), offset_of!(Tag, id)];

/// Who a tag names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    pub(crate) record: *const (),
    pub(crate) id: u64,
    pub(crate) born: u64,
}

impl Tag {
    /// A green thread is about to start here.
    #[inline]
    pub(crate) fn begin(&self, low: usize, record: *const (), id: u64, now: u64) {
        self.low.store(low, Relaxed);
        self.id.store(id, Relaxed);
        self.born.store(now, Relaxed);
        self.owner.store(record.cast_mut(), Release);
    }

    /// It has ended.
    #[inline]
    pub(crate) fn end(&self) {
        self.owner.store(ptr::null_mut(), Release);
    }

    /// Who runs here, if anybody does.
    pub(crate) fn owner(&self) -> Option<Owner> {
        let record = self.owner.load(Acquire).cast_const();
        let owner = Owner { record, id: self.id.load(Relaxed), born: self.born.load(Relaxed) };
        (!record.is_null()).then_some(owner)
    }

    /// The guard page. Async-signal-safe.
    pub(crate) fn guard(&self) -> Range<usize> {
        let low = self.low.load(Relaxed);
        low..low + page_size()
    }
}
