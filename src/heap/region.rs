//! Regions: 4 MiB of addresses each, cut into slabs. Its first slab is its head, of which
//! one page is used. Regions are never unmapped.

use super::slab::SLAB;
use crate::sys::mem;
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// How long a region is, and what it is aligned to: as many slabs as a word has bits.
const REGION: usize = SLAB * u64::BITS as usize;

/// The head of a region.
struct Region {
    /// Which slabs nobody uses and have no memory, a bit each.
    cold: Cell<u64>,
    /// The next one that has such.
    next: Cell<Option<NonNull<Region>>>,
}

/// The regions of one owner.
pub(super) struct Regions {
    /// Of those that have a cold slab.
    first: Option<NonNull<Region>>,
}

impl Regions {
    pub(super) const fn new() -> Regions {
        Regions { first: None }
    }

    /// The start of a slab that nobody uses; `None`: there is no memory for another region.
    pub(super) fn take(&mut self) -> Option<NonNull<u8>> {
        let region = match self.first {
            Some(region) => region,
            None => self.map()?,
        };
        // SAFETY: regions live for ever, and their heads are their owner's.
        let head = unsafe { region.as_ref() };
        let (cold, index) = (head.cold.get(), head.cold.get().trailing_zeros() as usize);
        head.cold.set(cold & (cold - 1));
        if head.cold.get() == 0 {
            self.first = head.next.get();
        }
        // SAFETY: within the region, being the place of one of its bits.
        Some(unsafe { region.cast::<u8>().add(index * SLAB) })
    }

    /// Takes back a slab, and gives its memory to the kernel.
    ///
    /// # Safety
    /// It came from `take` here, and nobody uses it.
    pub(super) unsafe fn put(&mut self, slab: NonNull<u8>) {
        let start = slab.as_ptr().addr();
        // Refused, as for locked memory, the slab merely keeps its pages.
        // SAFETY: the caller's promise.
        let _ = unsafe { mem::discard(start, SLAB) };
        let region = slab.as_ptr().map_addr(|at| at & !(REGION - 1)).cast::<Region>();
        // SAFETY: as in `take`; a region does not begin at zero.
        let (region, head) = unsafe { (NonNull::new_unchecked(region), &*region) };
        let cold = head.cold.get();
        head.cold.set(cold | 1 << (start % REGION / SLAB));
        if cold == 0 {
            head.next.set(self.first);
            self.first = Some(region);
        }
    }

    #[cold]
    fn map(&mut self) -> Option<NonNull<Region>> {
        let start = mem::reserve_aligned(REGION).ok()?;
        let region = NonNull::new(ptr::with_exposed_provenance_mut::<Region>(start.get()))?;
        // All but the head.
        let head = Region { cold: Cell::new(!1), next: Cell::new(None) };
        // SAFETY: mapped a line ago, and nobody knows it.
        unsafe { region.write(head) };
        self.first = Some(region);
        Some(region)
    }
}

/// Has the kernel find memory for the slab at `start` now, all at once: to be asked for
/// each page when it is touched takes several times as long. A hint.
///
/// # Safety
/// It came from `Regions::take`.
pub(super) unsafe fn populate(start: NonNull<u8>) {
    // SAFETY: the caller's promise.
    unsafe { mem::populate(start.as_ptr().addr(), SLAB) };
}
