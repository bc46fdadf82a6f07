//! The slabs of one worker.
//!
//! | a slab is | until |
//! |---|---|
//! | current | nothing is free in it |
//! | full | one of its blocks comes back |
//! | partial | it becomes current, or all its blocks are back |
//! | empty | it is used again, as any class; or lay idle for a period |
//!
//! All of that is the owner's. Others leave blocks in `returned`, whose slabs count them as
//! taken until the owner collects them: a slab that is empty is known to nobody else. One
//! of which a single block is taken stays as it is: blocks do not move.

use super::class::{CLASSES, Class};
use super::list::Slabs;
use super::region::{self, Regions};
use super::slab::{self, Block, Place, Returned, Slab};
use crate::sys::inbox::Drain;
use std::array;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

/// For how long a slab must lie empty before its memory goes back to the kernel.
const PERIOD: Duration = Duration::from_secs(1);
/// How many one call of `trim` gives back at most: about 100 microseconds of work.
const TRIM_BUDGET: usize = 16;
/// How many blocks that others returned are taken back at a time, for the same reason.
const COLLECT_BUDGET: usize = 256;
/// Whose heap has more slabs comes round though it has nothing to do, since others may
/// have returned all of it; less and less often while they have not.
const FEW: usize = 16;
const LONGEST: Duration = Duration::from_secs(64);

/// See the module's head.
pub(crate) struct Heap {
    returned: &'static Returned,
    /// Of those, what has been taken from there, and is still to be taken back.
    collected: Drain<Block>,
    current: [Option<NonNull<Slab>>; CLASSES],
    partial: [Slabs; CLASSES],
    empty: Slabs,
    /// The fewest that were empty since the period began.
    idle: usize,
    period_ends: Option<Instant>,
    /// When to look whether anything was returned, and how long after the last time that is.
    look_at: Option<Instant>,
    patience: Duration,
    regions: Regions,
    /// How many slabs have memory.
    slabs: usize,
}

// SAFETY: its slabs are reached through it alone; blocks, through `returned`, are others'.
unsafe impl Send for Heap {}

impl Heap {
    /// One without memory, whose blocks come back through `returned` if need be.
    pub(crate) fn new(returned: &'static Returned) -> Heap {
        Heap {
            returned,
            collected: Drain::EMPTY,
            current: [None; CLASSES],
            partial: array::from_fn(|_| Slabs::new()),
            empty: Slabs::new(),
            idle: 0,
            period_ends: None,
            look_at: None,
            patience: PERIOD,
            regions: Regions::new(),
            slabs: 0,
        }
    }

    /// A block of `class`, the one given back last, if the current slab has one.
    #[inline]
    pub(crate) fn take(&mut self, class: Class) -> Option<NonNull<u8>> {
        // SAFETY: this heap's.
        self.current[class.index()].and_then(|slab| unsafe { Slab::take(slab) })
    }

    /// A block of `class`, when `take` has none. `None`: there is no memory.
    #[cold]
    pub(crate) fn take_elsewhere(&mut self, class: Class) -> Option<NonNull<u8>> {
        if self.collect() > 0
            && let Some(block) = self.take(class)
        {
            return Some(block);
        }
        // SAFETY: this heap's slabs, in this heap's lists.
        unsafe {
            // Most of the oldest one's blocks have come back by now.
            let next = match self.partial[class.index()].pop_oldest() {
                Some(slab) => slab,
                None => self.another(class)?,
            };
            if let Some(full) = self.current[class.index()].replace(next) {
                full.as_ref().place.set(Place::Full);
            }
            next.as_ref().place.set(Place::Current);
        }
        self.take(class)
    }

    /// A slab of which nothing is taken.
    fn another(&mut self, class: Class) -> Option<NonNull<Slab>> {
        // SAFETY: this heap's slabs; what is empty, or comes from a region, nobody has.
        unsafe {
            let start = match self.empty.pop() {
                Some(empty) => {
                    self.idle = self.idle.min(self.empty.len());
                    empty.cast()
                }
                None => {
                    let start = self.regions.take()?;
                    self.slabs += 1;
                    self.expect_more();
                    if self.current[class.index()].is_some() {
                        region::populate(start); // one is full: there will be many
                    }
                    start
                }
            };
            Some(Slab::begin(start, class, self.returned))
        }
    }

    /// Takes back a block of this heap.
    ///
    /// # Safety
    /// It came from this heap, and nobody uses it any more.
    #[inline]
    pub(crate) unsafe fn give(&mut self, block: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe {
            let slab = slab::of(block);
            let taken = Slab::give(slab, block.cast::<Block>());
            match slab.as_ref().place.get() {
                Place::Current => {}
                Place::Partial if taken > 0 => {}
                _ => self.put_elsewhere(slab, taken),
            }
        }
    }

    /// # Safety
    /// `slab` is this heap's, full or partial, and one of its blocks has come back.
    unsafe fn put_elsewhere(&mut self, slab: NonNull<Slab>, taken: u32) {
        // SAFETY: the caller's promise; a slab's place says which list it is in.
        unsafe {
            let head = slab.as_ref();
            let partial = &mut self.partial[Slab::class_index(slab)];
            if head.place.get() == Place::Partial {
                partial.remove(slab);
            }
            if taken > 0 {
                head.place.set(Place::Partial);
                partial.push(slab);
            } else {
                head.place.set(Place::Empty);
                self.empty.push(slab);
            }
        }
    }

    /// Takes back a part of what others have returned; how many blocks.
    fn collect(&mut self) -> usize {
        for count in 0..COLLECT_BUDGET {
            let next = self.collected.next().or_else(|| {
                self.collected = self.returned.take();
                self.collected.next()
            });
            let Some(block) = next else { return count };
            // SAFETY: it came from here, and who returned it has done with it.
            unsafe { self.give(block.cast()) };
        }
        COLLECT_BUDGET
    }

    /// Takes back what others have returned, and gives the memory of slabs that were empty
    /// for a whole period back to the kernel: a bounded part of the work at each call.
    ///
    /// Returns when to call again: `now` if there is more to do already, later if there may
    /// be, `None` if there is little that could come back.
    pub(crate) fn trim(&mut self, now: Instant) -> Option<Instant> {
        let collected = self.collect();
        if collected > 0 {
            self.expect_more();
        }
        if self.period_ends.is_none_or(|end| end <= now) {
            for _ in 0..self.idle.min(TRIM_BUDGET) {
                // SAFETY: this heap's, of which nobody has a block.
                unsafe { self.empty.pop_oldest().inspect(|slab| self.regions.put(slab.cast())) };
                self.idle -= 1;
                self.slabs -= 1;
            }
            if self.idle > 0 {
                return Some(now);
            }
            self.idle = self.empty.len();
            self.period_ends = Some(now + PERIOD);
        }
        if collected == COLLECT_BUDGET {
            Some(now)
        } else if self.empty.len() > 0 {
            self.period_ends
        } else {
            (self.slabs > FEW).then(|| self.next_look(now))
        }
    }

    /// When to look whether anything was returned.
    fn next_look(&mut self, now: Instant) -> Instant {
        match self.look_at {
            Some(at) if now < at => return at,
            Some(_) => self.patience = (2 * self.patience).min(LONGEST),
            None => {}
        }
        *self.look_at.insert(now + self.patience)
    }

    /// Something was mapped, or returned: what comes will come soon.
    fn expect_more(&mut self) {
        (self.look_at, self.patience) = (None, PERIOD);
    }
}

#[cfg(all(test, not(miri), not(loom)))]
#[path = "owned_tests.rs"]
mod tests;
