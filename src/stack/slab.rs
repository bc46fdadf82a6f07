//! Slabs: one mapping cut into many equal slots, so that a million stacks are a few dozen
//! mappings. A slab is never unmapped; its slots are reused for the life of the process.

use std::io;
use std::num::NonZeroUsize;

use crate::sys::mem;

/// Slots of the first slab of a class, and of any after the kernel has once refused.
const FIRST_SLOTS: usize = 64;
/// Slots of the largest slab: with default stacks 8 GiB of addresses.
const MAX_SLOTS: usize = 32_768;
/// No slab spans more, however large its slots are.
const MAX_SLAB_BYTES: usize = 16 << 30;

/// How many slots the next slab of a class gets: double each time, so that few and many
/// stacks alike waste at most half of the addresses they reserve.
#[derive(Debug)]
pub(super) struct SlabPlan {
    next: usize,
    ceiling: usize,
}

impl SlabPlan {
    pub(super) const fn new() -> Self {
        Self { next: FIRST_SLOTS, ceiling: MAX_SLOTS }
    }

    /// How many slots of `stride` bytes to ask for now.
    pub(super) fn slots(&self, stride: usize) -> usize {
        self.next.min(MAX_SLAB_BYTES / stride).max(1)
    }

    /// The kernel gave `slots` slots.
    pub(super) fn granted(&mut self, slots: usize) {
        self.next = (slots * 2).min(self.ceiling);
    }

    /// The kernel refused `slots` slots. Returns whether a smaller slab is worth a try.
    ///
    /// A limit is near, and the rest of the program needs what is left below it: so large
    /// slabs are over for good, and small ones halve down to a single slot. Neighbouring
    /// mappings merge, so that many small slabs do not cost many mappings.
    pub(super) fn refused(&mut self, slots: usize) -> bool {
        self.ceiling = FIRST_SLOTS;
        self.next = (slots / 2).clamp(1, FIRST_SLOTS);
        slots > 1
    }
}

/// Consecutive slots never used so far, without guards.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    low: usize,
    slots: usize,
}

impl Run {
    /// No slots.
    pub(super) const EMPTY: Self = Self { low: 0, slots: 0 };

    /// How many slots are left.
    pub(super) fn len(&self) -> usize {
        self.slots
    }

    /// The lowest slot left.
    pub(super) fn first(&self) -> Option<NonZeroUsize> {
        if self.slots == 0 { None } else { NonZeroUsize::new(self.low) }
    }

    /// Takes at most `slots` slots of `stride` bytes off the front.
    pub(super) fn split_front(&mut self, slots: usize, stride: usize) -> Self {
        let front = Self { low: self.low, slots: slots.min(self.slots) };
        self.low += front.slots * stride;
        self.slots -= front.slots;
        front
    }
}

/// Maps a slab of slots of `stride` bytes, as large as `plan` says and the kernel gives.
///
/// # Errors
/// Not even one slot can be mapped.
pub(super) fn map(plan: &mut SlabPlan, stride: usize) -> io::Result<Run> {
    map_with(plan, stride, mem::reserve)
}

fn map_with(
    plan: &mut SlabPlan,
    stride: usize,
    mut reserve: impl FnMut(usize) -> io::Result<NonZeroUsize>,
) -> io::Result<Run> {
    loop {
        let slots = plan.slots(stride);
        match reserve(slots * stride) {
            Ok(low) => {
                plan.granted(slots);
                return Ok(Run { low: low.get(), slots });
            }
            Err(_) if plan.refused(slots) => {}
            Err(error) => return Err(no_memory(stride, &error)),
        }
    }
}

fn no_memory(stride: usize, error: &io::Error) -> io::Error {
    io::Error::new(
        io::ErrorKind::OutOfMemory,
        format!(
            "no room for another green thread's stack: mapping {stride} bytes failed ({error}). \
             Run fewer green threads at once, give them smaller stacks \
             (Builder::stack_size), or raise the limit that was hit: `ulimit -v`, \
             vm.overcommit_memory or vm.max_map_count"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRIDE: usize = (256 << 10) + 4096;

    #[test]
    fn a_million_stacks_take_few_slabs() {
        let (mut plan, mut total, mut slabs) = (SlabPlan::new(), 0, 0);
        assert_eq!(plan.slots(STRIDE), FIRST_SLOTS);
        while total < 1_000_000 {
            let slots = plan.slots(STRIDE);
            plan.granted(slots);
            total += slots;
            slabs += 1;
        }
        assert_eq!(plan.slots(STRIDE), MAX_SLOTS);
        assert!(slabs < 50, "{slabs} slabs");
    }

    #[test]
    fn a_slab_never_spans_more_than_its_bound_unless_it_is_one_slot() {
        let mut plan = SlabPlan::new();
        assert_eq!(plan.slots(1 << 30), 16);
        assert_eq!(plan.slots(MAX_SLAB_BYTES + 1), 1);
        plan.granted(MAX_SLOTS);
        assert_eq!(plan.slots(8 << 20), 2048);
    }

    /// A kernel that has `left` bytes to give.
    fn kernel(left: &mut usize) -> impl FnMut(usize) -> io::Result<NonZeroUsize> {
        move |len| {
            *left = left.checked_sub(len).ok_or(io::ErrorKind::OutOfMemory)?;
            Ok(NonZeroUsize::new(4096).unwrap())
        }
    }

    #[test]
    fn refusals_shrink_the_slab_down_to_one_slot_before_giving_up() {
        let mut plan = SlabPlan::new();
        plan.granted(MAX_SLOTS);
        // 100 slots are left: a large slab is refused, then come 64, 32 and 4.
        let mut left = 100 * STRIDE;
        let mut sizes = Vec::new();
        let error = loop {
            match map_with(&mut plan, STRIDE, kernel(&mut left)) {
                Ok(run) => sizes.push(run.len()),
                Err(error) => break error,
            }
        };
        assert_eq!(sizes, [64, 32, 4]);
        assert_eq!(left, 0);
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        let text = error.to_string();
        assert!(text.contains("ulimit -v") && text.contains("Builder::stack_size"), "{text}");
    }

    #[test]
    fn after_a_refusal_slabs_stay_small_and_recover_up_to_the_first_size() {
        let mut plan = SlabPlan::new();
        plan.granted(MAX_SLOTS);
        assert!(plan.refused(MAX_SLOTS));
        assert_eq!(plan.slots(STRIDE), FIRST_SLOTS);
        assert!(plan.refused(2));
        assert_eq!(plan.slots(STRIDE), 1);
        assert!(!plan.refused(1));
        assert_eq!(plan.slots(STRIDE), 1);
        for _ in 0..10 {
            let slots = plan.slots(STRIDE);
            plan.granted(slots);
        }
        assert_eq!(plan.slots(STRIDE), FIRST_SLOTS);
    }

    #[test]
    fn a_run_hands_out_every_slot_once_in_order() {
        let mut run = Run { low: 4096, slots: 5 };
        let front = run.split_front(2, 100);
        assert_eq!(front, Run { low: 4096, slots: 2 });
        assert_eq!(run, Run { low: 4296, slots: 3 });
        assert_eq!(run.first().map(NonZeroUsize::get), Some(4296));
        assert_eq!(run.split_front(9, 100).len(), 3);
        assert_eq!((run.first(), run.len()), (None, 0));
        assert_eq!(Run::EMPTY.first(), None);
    }
}
