//! What the workers share: free stacks that some worker has too many of, and the slabs that
//! new ones are cut from. Caches come here once for many stacks, so the locks are idle.

use std::io;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use super::atlas;
use super::class::{self, CLASSES, SizeClass, stride};
use super::list::IdleList;
use super::slab::{self, Run, SlabPlan};
use crate::sys::lock::Lock;

/// How many stacks a cache fetches at once.
const BATCH: usize = 16;

/// For how long a stack must lie untouched before its pages go back to the kernel.
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// The depot of the process.
pub(super) static DEPOT: Depot = Depot::new();

/// Free stacks of every class, shared.
pub(super) struct Depot {
    shelves: [Lock<Shelf>; CLASSES],
}

/// Free stacks of one class.
///
/// `warm` and `cold` each have room for every slot of the class ever mapped, so that giving
/// a stack back allocates nothing.
struct Shelf {
    /// Stacks whose pages are likely still in memory.
    warm: IdleList,
    /// Stacks whose pages went back to the kernel.
    cold: IdleList,
    /// What is left of the newest slab.
    fresh: Run,
    /// Unused parts of older slabs, from caches that ended.
    returned: Vec<Run>,
    plan: SlabPlan,
    /// All slots ever mapped.
    slots: usize,
    /// When what `warm` calls idle has been idle for long enough.
    period_ends: Option<Instant>,
}

/// How many stacks there are.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Stacks ever made: those in use, in caches and in the depot.
    pub(crate) made: usize,
    /// Those in the depot that still hold memory.
    pub(crate) warm: usize,
    /// Those in the depot that gave their memory back.
    pub(crate) cold: usize,
}

/// Counts of the process. Stacks in use are `made` without `warm`, `cold` and what each
/// worker's cache holds (`StackCache::pooled`).
#[cfg(test)]
pub(crate) fn usage() -> Usage {
    let mut usage = Usage { made: super::guard::made(), ..Usage::default() };
    for class in SizeClass::all() {
        let (warm, cold) = DEPOT.count(class);
        usage.warm += warm;
        usage.cold += cold;
    }
    usage
}

/// Takes back a stack that was dropped instead of given to a cache.
pub(super) fn give_back(low: NonZeroUsize, class: SizeClass) {
    DEPOT.put(class, &[low]);
}

impl Depot {
    pub(super) const fn new() -> Self {
        Self { shelves: [const { Lock::new(Shelf::new()) }; CLASSES] }
    }

    /// Moves some ready stacks to `into`, or returns some fresh slots when there are none.
    ///
    /// # Errors
    /// No memory for another slab.
    pub(super) fn refill(&self, class: SizeClass, into: &mut IdleList) -> io::Result<Run> {
        // A failure here shows below as no room: then nothing is moved.
        let _ = into.reserve(BATCH);
        let mut shelf = self.shelves[class.index()].lock();
        if shelf.warm.move_top(BATCH, into) > 0 || shelf.cold.move_top(BATCH, into) > 0 {
            return Ok(Run::EMPTY);
        }
        class::fix();
        shelf.take_fresh(class)
    }

    /// Puts warm stacks on the shelf.
    pub(super) fn put(&self, class: SizeClass, slots: &[NonZeroUsize]) {
        put_all(&mut self.shelves[class.index()].lock().warm, slots);
    }

    /// Puts stacks on the shelf that hold no memory.
    pub(super) fn put_cold(&self, class: SizeClass, slots: &[NonZeroUsize]) {
        put_all(&mut self.shelves[class.index()].lock().cold, slots);
    }

    /// Takes back slots that a cache did not come to use.
    pub(super) fn put_fresh(&self, class: SizeClass, run: Run) {
        let mut shelf = self.shelves[class.index()].lock();
        // Without memory for the note these few addresses are lost, and nothing else.
        if run.len() > 0 && shelf.returned.try_reserve(1).is_ok() {
            shelf.returned.push(run);
        }
    }

    /// Takes stacks that lay idle for a whole period, to be cooled. Returns how many, and
    /// how many warm ones stay.
    pub(super) fn take_idle(
        &self,
        class: SizeClass,
        now: Instant,
        into: &mut [NonZeroUsize],
    ) -> (usize, usize) {
        let mut shelf = self.shelves[class.index()].lock();
        if shelf.period_ends.is_some_and(|end| now < end) {
            return (0, shelf.warm.len());
        }
        let idle = shelf.warm.idle().min(into.len());
        let taken = shelf.warm.take_bottom(&mut into[..idle]);
        if shelf.warm.idle() == 0 {
            shelf.warm.begin_period();
            shelf.period_ends = Some(now + PERIOD);
        }
        (taken, shelf.warm.len())
    }

    /// How many warm and cold stacks of `class` are here.
    #[cfg(test)]
    pub(super) fn count(&self, class: SizeClass) -> (usize, usize) {
        let shelf = self.shelves[class.index()].lock();
        (shelf.warm.len(), shelf.cold.len())
    }
}

impl Shelf {
    const fn new() -> Self {
        Self {
            warm: IdleList::new(),
            cold: IdleList::new(),
            fresh: Run::EMPTY,
            returned: Vec::new(),
            plan: SlabPlan::new(),
            slots: 0,
            period_ends: None,
        }
    }

    fn take_fresh(&mut self, class: SizeClass) -> io::Result<Run> {
        if self.fresh.len() == 0 {
            self.fresh = match self.returned.pop() {
                Some(run) => run,
                None => self.map_slab(class)?,
            };
        }
        Ok(self.fresh.split_front(BATCH, stride(class)))
    }

    fn map_slab(&mut self, class: SizeClass) -> io::Result<Run> {
        let stride = stride(class);
        let entry = atlas::Entry::new(self.plan.slots(stride))?;
        let slots = self.slots + self.plan.slots(stride);
        let reserved = self.warm.reserve(slots).and_then(|()| self.cold.reserve(slots));
        reserved.map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let slab = slab::map(&mut self.plan, stride)?;
        self.slots += slab.len();
        if let Some(low) = slab.first() {
            entry.fill(low.get(), slab.len(), class);
        }
        Ok(slab)
    }
}

fn put_all(list: &mut IdleList, slots: &[NonZeroUsize]) {
    for &slot in slots {
        // Room was reserved when the slab was mapped (see `Shelf`), except for stacks that
        // move between depots, as in tests. Without memory such a stack is lost, unharmed.
        if list.len() == list.capacity() {
            let _ = list.reserve(list.len() + 1);
        }
        let _ = list.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: SizeClass = SizeClass::DEFAULT;

    fn slots(range: std::ops::RangeInclusive<usize>) -> Vec<NonZeroUsize> {
        range.filter_map(NonZeroUsize::new).collect()
    }

    fn idle(depot: &Depot, now: Instant) -> Vec<NonZeroUsize> {
        let mut taken = slots(1..=4);
        let (count, _) = depot.take_idle(CLASS, now, &mut taken);
        taken.truncate(count);
        taken
    }

    #[test]
    fn warm_stacks_come_before_cold_ones_and_in_batches() {
        let depot = Depot::new();
        depot.put_cold(CLASS, &slots(1..=20));
        depot.put(CLASS, &slots(101..=120));
        let mut cache = IdleList::new();
        assert_eq!(depot.refill(CLASS, &mut cache).unwrap(), Run::EMPTY);
        assert_eq!((cache.len(), cache.pop()), (BATCH, NonZeroUsize::new(120)));
        assert_eq!(depot.count(CLASS), (4, 20));
        while cache.pop().is_some() {}
        depot.refill(CLASS, &mut cache).unwrap();
        assert_eq!((cache.len(), cache.pop()), (4, NonZeroUsize::new(104)));
        while cache.pop().is_some() {}
        depot.refill(CLASS, &mut cache).unwrap();
        assert_eq!((cache.len(), cache.pop()), (BATCH, NonZeroUsize::new(20)));
    }

    #[test]
    fn classes_do_not_mix() {
        let depot = Depot::new();
        depot.put(CLASS, &slots(1..=3));
        for class in SizeClass::all().filter(|class| *class != CLASS) {
            assert_eq!(depot.count(class), (0, 0));
        }
    }

    #[test]
    fn only_what_lay_for_a_whole_period_is_idle() {
        let (depot, start) = (Depot::new(), Instant::now());
        depot.put(CLASS, &slots(1..=6));
        assert_eq!(idle(&depot, start), [], "this begins the first period");
        assert_eq!(idle(&depot, start + PERIOD / 2), []);
        depot.put(CLASS, &slots(7..=7));
        // Four at a time, the longest unused first; the seventh waits for its own period.
        assert_eq!(idle(&depot, start + PERIOD), slots(1..=4));
        assert_eq!(idle(&depot, start + PERIOD), slots(5..=6));
        assert_eq!(idle(&depot, start + PERIOD), []);
        assert_eq!(idle(&depot, start + 2 * PERIOD), slots(7..=7));
        assert_eq!(depot.count(CLASS), (0, 0));
    }
}
