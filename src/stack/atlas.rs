//! All slabs, and which of their slots have ever been used: how the fault
//! handler finds the slot of an address, and how those who look from outside
//! find every stack, without a list on the way of each spawn.
//!
//! Slabs are added and never removed, so a reader needs no lock. A slot is
//! marked when it gets its guard, once in its life; those never used are passed
//! over, because to look at their tags would bring their pages in.

use super::class::{SizeClass, stride, usable_range};
use super::tag::{self, Tag};
use crate::sys::mem::page_size;
use std::io;
use std::mem::offset_of;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};

struct Slab {
    low: usize,
    stride: usize,
    slots: usize,
    class: SizeClass,
    /// How far a slot's usable part ends above its beginning, and the size of a
    /// page: for a debugger.
    top: usize,
    page: usize,
    /// A bit for each slot that has its guard.
    made: &'static [AtomicU64],
    next: *const Slab,
}

/// Where a debugger finds all that; see `green/debugger.rs`.
#[repr(C)]
pub(crate) struct Places {
    slabs: &'static AtomicPtr<Slab>,
    slab: [usize; 7],
    tag: [usize; 5],
}

impl Places {
    pub(crate) const fn new() -> Places {
        let slab = [
            offset_of!(Slab, low),
            offset_of!(Slab, stride),
            offset_of!(Slab, slots),
            offset_of!(Slab, top),
            offset_of!(Slab, page),
            offset_of!(Slab, made),
            offset_of!(Slab, next),
        ];
        Places { slabs: &SLABS, slab, tag: tag::PLACES }
    }
}

/// The newest slab.
static SLABS: AtomicPtr<Slab> = AtomicPtr::new(ptr::null_mut());

/// Room for one more slab of at most so many slots.
pub(super) struct Entry(Vec<Slab>, Vec<AtomicU64>);

impl Entry {
    /// # Errors
    /// No memory.
    pub(super) fn new(slots: usize) -> io::Result<Entry> {
        let (mut slab, mut made) = (Vec::new(), Vec::new());
        let reserved = slab.try_reserve_exact(1).and_then(|()| {
            let words = slots.div_ceil(64);
            made.try_reserve_exact(words)
        });
        reserved.map_err(|_| io::ErrorKind::OutOfMemory)?;
        made.resize_with(slots.div_ceil(64), || AtomicU64::new(0));
        Ok(Entry(slab, made))
    }

    /// Makes the slab of `slots` slots from `low` on known, before any is used.
    pub(super) fn fill(self, low: usize, slots: usize, class: SizeClass) {
        let Entry(mut place, made) = self;
        let mut next = SLABS.load(Acquire);
        let (stride, top) = (stride(class), usable_range(0, class).end);
        let (made, page) = (made.leak(), page_size());
        place.push(Slab { low, stride, slots, class, top, page, made, next });
        let slab: *mut Slab = place.leak().as_mut_ptr();
        // Release: who finds the slab finds it filled, and those behind it,
        // which it was Acquire that found.
        while let Err(now) = SLABS.compare_exchange_weak(next, slab, AcqRel, Acquire) {
            next = now;
            // SAFETY: leaked above, and known to nobody yet.
            unsafe { (*slab).next = now };
        }
    }
}

fn slabs() -> impl Iterator<Item = &'static Slab> {
    // SAFETY: null, or leaked by `fill`, and not changed any more.
    let first = unsafe { SLABS.load(Acquire).as_ref() };
    // SAFETY: as above.
    std::iter::successors(first, |slab| unsafe { slab.next.as_ref() })
}

/// The slab around `address`, and which of its slots it is.
fn find(address: usize) -> Option<(&'static Slab, usize)> {
    slabs().find_map(|slab| Some((slab, slab.index(address)?)))
}

impl Slab {
    fn index(&self, address: usize) -> Option<usize> {
        let index = address.checked_sub(self.low)? / self.stride;
        (index < self.slots).then_some(index)
    }

    fn is_made(&self, index: usize) -> bool {
        self.made[index / 64].load(Acquire) & 1 << (index % 64) != 0
    }

    fn slot(&self, index: usize) -> Slot {
        Slot { low: self.low + index * self.stride, class: self.class }
    }
}

/// The slot at `low` has got its guard.
pub(super) fn made(low: usize) {
    if let Some((slab, index)) = find(low) {
        slab.made[index / 64].fetch_or(1 << (index % 64), Release);
    }
}

/// The slot around `address`, used or not. Async-signal-safe.
pub(super) fn slot(address: usize) -> Option<(NonZeroUsize, SizeClass)> {
    let (slab, index) = find(address)?;
    let Slot { low, class } = slab.slot(index);
    Some((NonZeroUsize::new(low)?, class))
}

/// Whose stack has overflowed, if code that stands on it has touched its guard page at
/// `address`. Async-signal-safe.
pub(crate) fn overflown_of(address: usize, stack_pointer: usize) -> Option<*const ()> {
    let (slab, index) = find(address)?;
    let slot = slab.is_made(index).then(|| slab.slot(index))?;
    let stands_there = (slot.low..slot.low + slab.stride).contains(&stack_pointer);
    let is_guard = address - slot.low < page_size();
    (stands_there && is_guard).then(|| slot.tag().owner())?.map(|owner| owner.record)
}

/// A stack that has been used, whether or not it is now.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    low: usize,
    class: SizeClass,
}

/// All stacks that have ever been used.
pub(crate) fn slots() -> impl Iterator<Item = Slot> {
    slabs()
        .flat_map(|slab| (0..slab.slots).filter(|i| slab.is_made(*i)).map(|index| slab.slot(index)))
}

/// The used stack that `address` lies in.
pub(crate) fn containing(address: usize) -> Option<Slot> {
    let (slab, index) = find(address)?;
    slab.is_made(index).then(|| slab.slot(index))
}

impl Slot {
    /// Whose it is.
    pub(crate) fn tag(self) -> &'static Tag {
        // SAFETY: a slot that has its guard.
        unsafe { tag::above(self.frames().end) }
    }

    /// Where frames may be.
    pub(crate) fn frames(self) -> Range<usize> {
        tag::frames(self.low, self.class)
    }

    /// The usable size.
    pub(crate) fn bytes(self) -> usize {
        self.class.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_found_by_any_of_their_addresses() {
        // Addresses that no mapping has.
        let (small, large) = (SizeClass::for_size(0).unwrap(), SizeClass::DEFAULT);
        let (first, second) = (1 << 60, 1 << 61);
        Entry::new(3).unwrap().fill(first, 3, small);
        Entry::new(2).unwrap().fill(second, 2, large);
        let found = |addr| slot(addr).map(|(low, class)| (low.get(), class));
        for n in 0..3 {
            let low = first + n * stride(small);
            assert_eq!(found(low), Some((low, small)));
            assert_eq!(found(low + stride(small) - 1), Some((low, small)));
            assert!(containing(low).is_none(), "not used yet");
        }
        assert_eq!(found(second + stride(large)), Some((second + stride(large), large)));
        for outside in [first - 1, first + 3 * stride(small), second + 2 * stride(large), 0] {
            assert_eq!(found(outside), None);
        }
    }
}
