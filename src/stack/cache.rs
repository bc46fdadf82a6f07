//! A worker's own free stacks. Taking and giving back touch nothing shared: a reused stack
//! costs a pop and a push. The depot is visited once for many stacks.

use std::io;
use std::num::NonZeroUsize;
use std::time::Instant;

use super::atlas;
use super::class::{CLASSES, SizeClass, stride, usable_range};
use super::depot::{DEPOT, Depot, PERIOD};
use super::guard;
use super::list::IdleList;
use super::slab::Run;
use super::slot::GreenStack;
use crate::sys::mem;

/// A cache keeps at most this many free stacks of a class; beyond, half go to the depot.
const BOUND: usize = 1024;
/// What a free list has room for at first.
const FIRST_ROOM: usize = 64;
/// How many stacks one call of `trim` cools at most: about 100 microseconds of work.
const TRIM_BUDGET: usize = 256;

/// The free stacks of one worker.
pub(crate) struct StackCache {
    pools: [Pool; CLASSES],
    depot: &'static Depot,
    /// When what the free lists call idle has been idle for long enough.
    period_ends: Option<Instant>,
}

/// Free stacks of one class.
struct Pool {
    ready: IdleList,
    /// Slots that were never used: each gets its guard when it is taken.
    fresh: Run,
}

impl StackCache {
    /// An empty cache.
    pub(crate) const fn new() -> Self {
        Self::on(&DEPOT)
    }

    const fn on(depot: &'static Depot) -> Self {
        let pools = [const { Pool { ready: IdleList::new(), fresh: Run::EMPTY } }; CLASSES];
        Self { pools, depot, period_ends: None }
    }

    /// A stack of `class`, the one given back last if there is any.
    ///
    /// # Errors
    /// No memory, no addresses or no mappings left for another stack; the text says which
    /// and what to do.
    #[inline]
    pub(crate) fn take(&mut self, class: SizeClass) -> io::Result<GreenStack> {
        match self.pools[class.index()].ready.pop() {
            // SAFETY: what is in `ready` was a GreenStack before, and is nobody's now.
            Some(low) => Ok(unsafe { GreenStack::from_slot(low, class) }),
            None => self.take_elsewhere(class),
        }
    }

    #[cold]
    fn take_elsewhere(&mut self, class: SizeClass) -> io::Result<GreenStack> {
        let pool = &mut self.pools[class.index()];
        if pool.fresh.len() == 0 {
            pool.fresh = self.depot.refill(class, &mut pool.ready)?;
        }
        if let Some(low) = pool.ready.pop() {
            // SAFETY: the depot's stacks were GreenStacks before, and are nobody's now.
            return Ok(unsafe { GreenStack::from_slot(low, class) });
        }
        let low = pool.fresh.first().ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: a fresh slot has never been used.
        unsafe { guard::install(low)? };
        pool.fresh.split_front(1, stride(class));
        atlas::made(low.get());
        // SAFETY: the slot has its guard now, and has just left the only list it was in.
        Ok(unsafe { GreenStack::from_slot(low, class) })
    }

    /// Takes back a stack on which nothing runs any more. Never fails.
    #[inline]
    pub(crate) fn give(&mut self, stack: GreenStack) {
        let class = stack.class();
        let low = stack.into_slot();
        if self.pools[class.index()].ready.push(low).is_err() {
            self.give_elsewhere(low, class);
        }
    }

    #[cold]
    fn give_elsewhere(&mut self, low: NonZeroUsize, class: SizeClass) {
        let ready = &mut self.pools[class.index()].ready;
        let room = ready.capacity();
        if room < BOUND {
            // Without memory to grow, the depot takes the stack.
            let _ = ready.reserve((room * 2).max(FIRST_ROOM));
        } else {
            let mut oldest = [low; BOUND / 2];
            let count = ready.take_bottom(&mut oldest);
            self.depot.put(class, &oldest[..count]);
        }
        if ready.push(low).is_err() {
            self.depot.put(class, &[low]);
        }
    }

    /// How many free stacks this cache holds.
    #[cfg(test)]
    pub(crate) fn pooled(&self) -> usize {
        self.pools.iter().map(|pool| pool.ready.len()).sum()
    }

    /// Gives the memory of stacks that lay idle for a whole period back to the kernel: a
    /// bounded part of the work at each call.
    ///
    /// Returns when to call again: `now` if more is idle already, later if something may
    /// become idle, `None` if no free stack holds memory. Calling early costs a comparison.
    pub(crate) fn trim(&mut self, now: Instant) -> Option<Instant> {
        if let Some(end) = self.period_ends.filter(|end| now < *end) {
            return Some(end);
        }
        let mut chunk = [NonZeroUsize::MIN; TRIM_BUDGET];
        let mut budget = TRIM_BUDGET;
        let mut warm = 0;
        for class in SizeClass::all() {
            let ready = &mut self.pools[class.index()].ready;
            let idle = ready.idle().min(budget);
            let own = ready.take_bottom(&mut chunk[..idle]);
            let (shared, left) = self.depot.take_idle(class, now, &mut chunk[own..budget]);
            let count = own + shared;
            cool(class, &mut chunk[..count]);
            self.depot.put_cold(class, &chunk[..count]);
            budget -= count;
            warm += ready.len() + left;
            if budget == 0 {
                return Some(now);
            }
        }
        self.pools.iter_mut().for_each(|pool| pool.ready.begin_period());
        let end = now + PERIOD;
        self.period_ends = Some(end);
        (warm > 0).then_some(end)
    }
}

impl Drop for StackCache {
    fn drop(&mut self) {
        for class in SizeClass::all() {
            let pool = &mut self.pools[class.index()];
            while let Some(low) = pool.ready.pop() {
                self.depot.put(class, &[low]);
            }
            let fresh = std::mem::replace(&mut pool.fresh, Run::EMPTY);
            self.depot.put_fresh(class, fresh);
        }
    }
}

/// Gives the pages of free stacks back to the kernel. Neighbours go in one call, guards
/// between them included: those survive.
fn cool(class: SizeClass, slots: &mut [NonZeroUsize]) {
    slots.sort_unstable();
    // What is reserved between two neighbours is not ours to discard.
    let together = |a: &NonZeroUsize, b: &NonZeroUsize| {
        usable_range(a.get(), class).end == b.get() && a.get() + stride(class) == b.get()
    };
    for group in slots.chunk_by(together) {
        let start = usable_range(group[0].get(), class).start;
        let end = usable_range(group[group.len() - 1].get(), class).end;
        // Refused, as for locked memory, the stacks merely keep their pages.
        // SAFETY: free slots of a slab: nothing runs on them, and the next green thread to
        // do so expects nothing in them.
        let _ = unsafe { mem::discard(start, end - start) };
    }
}

#[cfg(all(test, not(miri)))]
pub(super) mod tests {
    use super::*;

    /// A cache with a depot of its own, undisturbed by tests that run at the same time.
    pub(in crate::stack) fn lone_cache() -> StackCache {
        StackCache::on(Box::leak(Box::new(Depot::new())))
    }
}
