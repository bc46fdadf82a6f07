//! Sizes: blocks are whole cache lines, so that who uses one disturbs no other.

use std::alloc::Layout;

/// The size of a cache line, and what all blocks are aligned to.
const LINE: usize = 64;
/// How many sizes there are: up to 1 KiB.
pub(super) const CLASSES: usize = 16;

/// The size of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class(u8);

impl Class {
    /// That of the smallest blocks in which `layout` has room, if any has.
    pub(crate) const fn of(layout: Layout) -> Option<Class> {
        let lines = layout.size().div_ceil(LINE);
        if lines == 0 || lines > CLASSES || layout.align() > LINE {
            return None;
        }
        Some(Class(lines as u8 - 1))
    }

    #[inline]
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The size of its blocks, in bytes.
    pub(super) fn size(self) -> usize {
        (self.index() + 1) * LINE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_for(size: usize, align: usize) -> Option<usize> {
        Class::of(Layout::from_size_align(size, align).unwrap()).map(Class::size)
    }

    #[test]
    fn the_smallest_that_has_room() {
        assert_eq!(size_for(1, 1), Some(64));
        assert_eq!(size_for(64, 64), Some(64));
        assert_eq!(size_for(65, 8), Some(128));
        assert_eq!(size_for(1024, 16), Some(1024));
    }

    #[test]
    fn what_is_too_large_or_too_aligned_has_none() {
        assert_eq!(size_for(1025, 8), None);
        assert_eq!(size_for(128, 128), None);
        assert_eq!(size_for(0, 1), None);
    }
}
