//! One stack. Its slot in a slab, from low to high addresses:
//!
//! ```text
//! low          low + page                                           low + stride
//!  | guard page | usable: the stack grows down ... | tag | stagger | reserved |
//!  ^ limit()                                       ^ base()
//! ```

use std::mem::ManuallyDrop;
use std::num::NonZeroUsize;
use std::ops::Range;

use corosensei::stack::{Stack, StackPointer};

use super::class::{SizeClass, stride};
use super::depot;
use super::tag::{self, Tag};
use crate::sys::mem::page_size;

/// A guarded stack, not in use by anybody else. Dropped, it goes back to the shared depot.
#[derive(Debug)]
pub(crate) struct GreenStack {
    low: NonZeroUsize,
    /// Kept, because each start and each resume of a generator asks for it, and
    /// working it out takes two divisions by the page size.
    base: StackPointer,
    class: SizeClass,
}

impl GreenStack {
    /// Takes over the slot at `low`.
    ///
    /// # Safety
    /// `low` is a slot of a slab of `class` whose guard is in place, and nobody else uses it
    /// or has it in a list.
    #[inline]
    pub(super) unsafe fn from_slot(low: NonZeroUsize, class: SizeClass) -> Self {
        Self { low, base: Self::base_of(low, class), class }
    }

    /// Where the stack in the slot at `low` begins.
    #[inline]
    pub(super) fn base_of(low: NonZeroUsize, class: SizeClass) -> StackPointer {
        low.saturating_add(tag::frames(low.get(), class).end - low.get())
    }

    /// The slot, which is the caller's to keep track of from here on.
    #[inline]
    pub(super) fn into_slot(self) -> NonZeroUsize {
        ManuallyDrop::new(self).low
    }

    /// The addresses whose access means that this stack has overflowed.
    pub(crate) fn guard(&self) -> Range<usize> {
        self.low.get()..self.low.get() + page_size()
    }

    /// Says whose it is.
    #[inline]
    pub(crate) fn tag(&self) -> &'static Tag {
        // SAFETY: the base of a slot that has its guard.
        unsafe { tag::above(self.base.get()) }
    }

    /// Where its slot ends; what was reserved lies below.
    pub(crate) fn end(&self) -> usize {
        self.low.get() + stride(self.class)
    }

    /// The size of this stack.
    #[inline]
    pub(crate) fn class(&self) -> SizeClass {
        self.class
    }
}

// SAFETY: `from_slot` demands a guarded slot; everything from the guard's lowest byte to the
// staggered top stays mapped for the life of the process, and is far above MIN_STACK_SIZE.
unsafe impl Stack for GreenStack {
    #[inline]
    fn base(&self) -> StackPointer {
        self.base
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.low
    }
}

impl Drop for GreenStack {
    fn drop(&mut self) {
        depot::give_back(self.low, self.class);
    }
}

#[cfg(test)]
mod tests {
    use super::super::class::usable_range;
    use super::super::tag::{STAGGER_STEP, STAGGER_STEPS};
    use super::*;

    /// A stack over made-up addresses: fine as long as nobody runs on it or drops it.
    fn made_up(low: usize, class: SizeClass) -> ManuallyDrop<GreenStack> {
        let low = NonZeroUsize::new(low).unwrap();
        // SAFETY: nothing reads the memory, and ManuallyDrop keeps it out of the depot.
        ManuallyDrop::new(unsafe { GreenStack::from_slot(low, class) })
    }

    #[test]
    fn the_parts_of_a_slot_fit_together() {
        for class in SizeClass::all() {
            let low = 1 << 32;
            let stack = made_up(low, class);
            assert_eq!(stack.limit().get(), low);
            assert_eq!(stack.guard(), low..low + page_size());
            assert_eq!(usable_range(low, class).start, stack.guard().end);
            assert!(usable_range(low, class).len() >= class.bytes());
            assert_eq!(tag::frames(low, class).end, stack.base().get());
            assert_eq!(stack.base().get() % align_of::<Tag>(), 0);
            let top = stack.base().get();
            assert_eq!(top % corosensei::stack::STACK_ALIGNMENT, 0);
            let end = usable_range(low, class).end;
            assert!(top <= end && end - top <= STAGGER_STEP * STAGGER_STEPS);
            assert_eq!(stack.class(), class);
        }
    }

    #[test]
    fn sixteen_neighbours_have_sixteen_tops() {
        // With larger pages the smallest classes alternate between fewer tops.
        for class in SizeClass::all().filter(|class| class.bytes() > page_size()) {
            let top = |slot: usize| made_up((1 << 40) + slot * stride(class), class).base();
            let lines = (0..16).map(|slot| top(slot).get() % page_size() / STAGGER_STEP);
            let distinct: std::collections::BTreeSet<_> = lines.collect();
            assert_eq!(distinct.len(), STAGGER_STEPS);
        }
    }

    #[test]
    fn the_stagger_leaves_room_for_a_sleeping_green_thread_in_one_page() {
        const { assert!(STAGGER_STEP * STAGGER_STEPS + 1536 < 4096) }
    }
}
