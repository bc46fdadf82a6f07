//! Slabs in a row, linked through their heads. Passive.

use super::slab::Slab;
use std::ptr::NonNull;

/// Their owner's; each slab stands in one at most.
pub(super) struct Slabs {
    first: Option<NonNull<Slab>>,
    last: Option<NonNull<Slab>>,
    len: usize,
}

impl Slabs {
    pub(super) const fn new() -> Slabs {
        Slabs { first: None, last: None, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// # Safety
    /// By its owner; it stands in no list.
    pub(super) unsafe fn push(&mut self, slab: NonNull<Slab>) {
        // SAFETY: slabs in lists stay begun, and their links are their owner's.
        unsafe {
            slab.as_ref().before.set(None);
            slab.as_ref().after.set(self.first);
            match self.first.replace(slab) {
                Some(first) => first.as_ref().before.set(Some(slab)),
                None => self.last = Some(slab),
            }
        }
        self.len += 1;
    }

    /// # Safety
    /// By its owner; it stands in this list.
    pub(super) unsafe fn remove(&mut self, slab: NonNull<Slab>) {
        // SAFETY: as in `push`.
        unsafe {
            let (before, after) = (slab.as_ref().before.get(), slab.as_ref().after.get());
            match before {
                Some(before) => before.as_ref().after.set(after),
                None => self.first = after,
            }
            match after {
                Some(after) => after.as_ref().before.set(before),
                None => self.last = before,
            }
        }
        self.len -= 1;
    }

    /// The one that was pushed last.
    ///
    /// # Safety
    /// By its owner.
    pub(super) unsafe fn pop(&mut self) -> Option<NonNull<Slab>> {
        // SAFETY: it is in this list.
        self.first.inspect(|&first| unsafe { self.remove(first) })
    }

    /// The one that was pushed first.
    ///
    /// # Safety
    /// By its owner.
    pub(super) unsafe fn pop_oldest(&mut self) -> Option<NonNull<Slab>> {
        // SAFETY: it is in this list.
        self.last.inspect(|&last| unsafe { self.remove(last) })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::class::Class;
    use super::super::slab::Returned;
    use super::*;
    use std::alloc::Layout;

    #[test]
    fn any_can_be_removed_and_the_last_pushed_comes_first() {
        let returned: &'static Returned = Box::leak(Box::new(Returned::new()));
        let class = Class::of(Layout::new::<u64>()).unwrap();
        // Heads are enough: no block is taken.
        let mut heads = [const { std::mem::MaybeUninit::<Slab>::uninit() }; 4];
        let heads = heads.each_mut().map(|head| {
            // SAFETY: it has room for the head, and nothing else is used.
            unsafe { Slab::begin(NonNull::from(head).cast(), class, returned) }
        });
        let mut list = Slabs::new();
        // SAFETY: in no list; this thread owns them.
        unsafe {
            heads.iter().for_each(|&head| list.push(head));
            list.remove(heads[2]); // amid the others
            list.remove(heads[0]); // the last
            assert_eq!((list.len(), list.pop()), (2, Some(heads[3])));
            list.push(heads[0]);
            list.push(heads[2]);
            list.remove(heads[2]); // the first
            assert_eq!((list.pop_oldest(), list.pop_oldest()), (Some(heads[1]), Some(heads[0])));
            assert_eq!((list.pop(), list.pop_oldest(), list.len()), (None, None, 0));
            list.push(heads[3]);
            assert_eq!((list.pop_oldest(), list.pop()), (Some(heads[3]), None));
        }
    }
}
