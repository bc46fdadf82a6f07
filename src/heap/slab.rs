//! A slab: 64 KiB, of which a head is the beginning and blocks of one size the rest.
//! Passive: no kernel, no locks.
//!
//! All but `owner` is its owner's. Who has a block finds the slab by the block's address,
//! and through `owner` the list in which others leave what they give back.

use super::class::Class;
use crate::sys::atomic::AtomicPtr;
use crate::sys::inbox::{Drain, Inbox, Linked};
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::Relaxed;

/// How long a slab is, and what it is aligned to.
pub(super) const SLAB: usize = 64 << 10;
const HEAD: usize = size_of::<Slab>();

/// The beginning of a block that nobody has.
#[repr(C)]
pub(crate) struct Block {
    next: AtomicPtr<Block>,
}

// SAFETY: one field; a block that is given back stands in one list.
unsafe impl Linked for Block {
    fn link(&self) -> &AtomicPtr<Block> {
        &self.next
    }
}

/// Blocks that others than their owner gave back, in a cache line of their own. It lives as
/// long as any of those does.
#[repr(align(64))]
pub(crate) struct Returned(Inbox<Block>);

impl Returned {
    pub(crate) fn new() -> Returned {
        Returned(Inbox::new())
    }

    /// Takes them all, at once.
    pub(super) fn take(&self) -> Drain<Block> {
        self.0.take()
    }
}

/// Where a slab stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The one that blocks of its class come from.
    Current,
    /// In the list of those that have free blocks, and others.
    Partial,
    /// In none: nothing is free in it.
    Full,
    /// In the list of those of which everything is free.
    Empty,
}

/// The head of a slab.
#[repr(C, align(64))]
pub(super) struct Slab {
    /// Blocks given back, the last one first.
    free: Cell<*mut Block>,
    /// Where those begin that were never taken.
    fresh: Cell<usize>,
    /// How many are taken.
    taken: Cell<u32>,
    size: u32,
    pub(super) place: Cell<Place>,
    /// Its neighbours in the list it stands in.
    pub(super) before: Cell<Option<NonNull<Slab>>>,
    pub(super) after: Cell<Option<NonNull<Slab>>>,
    owner: Apart,
}

/// In a cache line that is only read.
#[repr(align(64))]
struct Apart(&'static Returned);

impl Slab {
    /// Begins a slab of `class`, from which nothing is taken.
    ///
    /// # Safety
    /// `start` is aligned to `SLAB`, `SLAB` bytes from it can be written, and nobody has
    /// any of them; and so it stays for as long as the slab is used.
    pub(super) unsafe fn begin(
        start: NonNull<u8>,
        class: Class,
        owner: &'static Returned,
    ) -> NonNull<Slab> {
        let slab = start.cast::<Slab>();
        let head = Slab {
            free: Cell::new(ptr::null_mut()),
            fresh: Cell::new(HEAD),
            taken: Cell::new(0),
            size: class.size() as u32,
            place: Cell::new(Place::Full),
            before: Cell::new(None),
            after: Cell::new(None),
            owner: Apart(owner),
        };
        // SAFETY: the caller's promise.
        unsafe { slab.write(head) };
        slab
    }

    /// A free block of it.
    ///
    /// # Safety
    /// By its owner.
    #[inline]
    pub(super) unsafe fn take(slab: NonNull<Slab>) -> Option<NonNull<u8>> {
        // SAFETY: it was begun, and what changes in it is in cells, its owner's.
        let head = unsafe { slab.as_ref() };
        let block = match NonNull::new(head.free.get()) {
            Some(block) => {
                // SAFETY: free, so what lies there is a `Block`.
                head.free.set(unsafe { block.as_ref() }.next.load(Relaxed));
                block.cast()
            }
            None => head.next_fresh(slab)?,
        };
        head.taken.set(head.taken.get() + 1);
        Some(block)
    }

    #[inline]
    fn next_fresh(&self, slab: NonNull<Slab>) -> Option<NonNull<u8>> {
        let (at, size) = (self.fresh.get(), self.size as usize);
        if at + size > SLAB {
            return None;
        }
        self.fresh.set(at + size);
        // SAFETY: within the slab, by the comparison.
        Some(unsafe { slab.cast::<u8>().add(at) })
    }

    /// Takes back `block`; how many are taken still.
    ///
    /// # Safety
    /// By its owner, of a block that came from `take` of this slab, once each time.
    #[inline]
    pub(super) unsafe fn give(slab: NonNull<Slab>, block: NonNull<Block>) -> u32 {
        // SAFETY: as in `take`.
        let head = unsafe { slab.as_ref() };
        // SAFETY: nobody's any more, and as large as a cache line at least.
        unsafe { block.write(Block { next: AtomicPtr::new(head.free.get()) }) };
        head.free.set(block.as_ptr());
        let taken = head.taken.get() - 1;
        head.taken.set(taken);
        taken
    }

    /// # Safety
    /// By its owner.
    pub(super) unsafe fn class_index(slab: NonNull<Slab>) -> usize {
        // SAFETY: as in `take`.
        let size = unsafe { slab.as_ref() }.size;
        size as usize / size_of::<Apart>() - 1
    }
}

/// The slab that `block` lies in.
///
/// # Safety
/// It lies in one.
#[inline]
pub(super) unsafe fn of(block: NonNull<u8>) -> NonNull<Slab> {
    let slab = block.as_ptr().map_addr(|at| at & !(SLAB - 1)).cast();
    // SAFETY: a slab does not begin at zero.
    unsafe { NonNull::new_unchecked(slab) }
}

/// Who owns the slab that `block` lies in.
///
/// # Safety
/// The caller has the block, which came from a slab. Any thread.
#[inline]
unsafe fn owner(block: NonNull<u8>) -> &'static Returned {
    // SAFETY: while one of its blocks is taken the slab stays what it is, and this field
    // does not change. No reference to all of it, the rest being its owner's.
    unsafe { (&raw const (*of(block).as_ptr()).owner.0).read() }
}

/// Whether `block` is from a slab of who owns `returned`.
///
/// # Safety
/// As `owner`.
#[inline]
pub(crate) unsafe fn is_of(block: NonNull<u8>, returned: &Returned) -> bool {
    // SAFETY: the caller's promise.
    ptr::eq(unsafe { owner(block) }, returned)
}

/// Leaves `block` to its owner.
///
/// # Safety
/// As `owner`; and nobody uses it any more.
pub(crate) unsafe fn return_to_owner(block: NonNull<u8>) {
    let free = block.cast::<Block>();
    // SAFETY: nobody's any more; it stays valid until its owner drains it, since its slab
    // counts it as taken until then.
    unsafe {
        free.write(Block { next: AtomicPtr::new(ptr::null_mut()) });
        owner(block).0.push(free);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::alloc::{Layout, alloc_zeroed, dealloc};

    const MEMORY: Layout = match Layout::from_size_align(SLAB, SLAB) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    };

    fn with_slab(size: usize, f: impl FnOnce(NonNull<Slab>, &'static Returned)) {
        let returned: &'static Returned = Box::leak(Box::new(Returned::new()));
        let class = Class::of(Layout::from_size_align(size, 8).unwrap()).unwrap();
        // SAFETY: of that layout, and freed when nobody uses it any more.
        unsafe {
            let memory = NonNull::new(alloc_zeroed(MEMORY)).unwrap();
            f(Slab::begin(memory, class, returned), returned);
            dealloc(memory.as_ptr(), MEMORY);
        }
    }

    fn take_all(slab: NonNull<Slab>) -> Vec<NonNull<u8>> {
        // SAFETY: this thread owns it.
        std::iter::from_fn(|| unsafe { Slab::take(slab) }).collect()
    }

    #[test]
    fn blocks_are_apart_aligned_and_in_the_slab() {
        for size in [64, 320, 1024] {
            with_slab(size, |slab, returned| {
                let blocks = take_all(slab);
                assert_eq!(blocks.len(), (SLAB - HEAD) / size);
                let first = blocks[0].as_ptr().addr();
                for (n, &block) in blocks.iter().enumerate() {
                    assert_eq!(block.as_ptr().addr(), first + n * size);
                    assert!(block.as_ptr().addr().is_multiple_of(64));
                    // SAFETY: a block of the slab.
                    unsafe {
                        block.write_bytes(0xff, size);
                        assert_eq!(of(block), slab);
                        assert!(is_of(block, returned) && !is_of(block, &Returned::new()));
                    }
                }
                // SAFETY: this thread owns it.
                assert_eq!(unsafe { Slab::class_index(slab) }, size / 64 - 1);
            });
        }
    }

    #[test]
    fn what_is_given_back_comes_again_the_last_one_first() {
        with_slab(512, |slab, _| {
            let blocks = take_all(slab);
            // SAFETY: of this slab, each once; this thread owns it.
            unsafe {
                assert_eq!(Slab::give(slab, blocks[3].cast()) as usize, blocks.len() - 1);
                assert_eq!(Slab::give(slab, blocks[7].cast()) as usize, blocks.len() - 2);
                assert_eq!(take_all(slab), [blocks[7], blocks[3]]);
                let left = blocks.iter().map(|block| Slab::give(slab, block.cast())).min();
                assert_eq!(left, Some(0));
            }
            assert_eq!(take_all(slab).len(), blocks.len());
        });
    }

    #[test]
    fn what_others_return_reaches_the_owner() {
        with_slab(128, |slab, returned| {
            let blocks = take_all(slab);
            // SAFETY: blocks of the slab, returned once.
            unsafe {
                return_to_owner(blocks[5]);
                return_to_owner(blocks[2]);
            }
            let back: Vec<NonNull<u8>> = returned.take().map(NonNull::cast).collect();
            assert_eq!(back, [blocks[2], blocks[5]]);
        });
    }
}
