//! Size classes: powers of two of usable bytes, so that stacks of a size can be pooled.

use crate::sys::mem::page_size;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use thiserror::Error;

/// The smallest stack; less is rounded up to this.
///
/// A panic with a formatted message touches 8 KiB, and with a backtrace 24 KiB, in debug and
/// release builds alike (std's symbolizer is the same). Twice that and some room for the frames
/// that lead there is 64 KiB. Smaller would save addresses only: untouched pages are free.
pub(crate) const MIN_SIZE: usize = 64 << 10;

/// The largest stack; more is an error.
pub(crate) const MAX_SIZE: usize = 1 << 30;

/// What a green thread gets that did not ask: room for rustls and for formatting in a debug
/// build. Only touched pages cost memory.
pub(crate) const DEFAULT_SIZE: usize = 256 << 10;

/// How many classes there are from [`MIN_SIZE`] to [`MAX_SIZE`].
pub(super) const CLASSES: usize = (MAX_SIZE / MIN_SIZE).trailing_zeros() as usize + 1;

/// A stack size beyond all reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a stack of {requested} bytes is too large: the maximum is {MAX_SIZE} bytes (1 GiB); \
     ask for less, or keep large data on the heap"
)]
pub(crate) struct StackSizeError {
    requested: usize,
}

/// A power of two of usable bytes between [`MIN_SIZE`] and [`MAX_SIZE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SizeClass(u8);

impl SizeClass {
    /// The class of [`DEFAULT_SIZE`].
    pub(crate) const DEFAULT: Self = match Self::for_size(DEFAULT_SIZE) {
        Ok(class) => class,
        Err(_) => panic!("the default size has a class"),
    };

    /// The smallest class with at least `bytes` usable bytes.
    ///
    /// # Errors
    /// More than [`MAX_SIZE`] bytes.
    pub(crate) const fn for_size(bytes: usize) -> Result<Self, StackSizeError> {
        if bytes > MAX_SIZE {
            return Err(StackSizeError { requested: bytes });
        }
        if bytes <= MIN_SIZE {
            return Ok(Self(0));
        }
        let steps = bytes.next_power_of_two().trailing_zeros() - MIN_SIZE.trailing_zeros();
        Ok(Self(steps as u8))
    }

    /// How many bytes a stack of this class can hold.
    pub(crate) const fn bytes(self) -> usize {
        MIN_SIZE << self.0
    }

    /// The place of this class in an array of [`CLASSES`].
    #[inline]
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Every class, smallest first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..CLASSES as u8).map(Self)
    }
}

/// Whole pages above every stack that are not the stack's, see [`reserve`]; and [`FIXED`].
/// Relaxed: it is one word that stands for itself.
static RESERVED: AtomicUsize = AtomicUsize::new(0);

/// There are stacks, so the pages above them cannot change any more.
const FIXED: usize = 1;

/// Keeps room for `bytes` above every stack. False: there are stacks already, with other room.
pub(crate) fn reserve(bytes: usize) -> bool {
    let room = bytes.next_multiple_of(page_size());
    match RESERVED.compare_exchange(0, room, Relaxed, Relaxed) {
        Ok(_) => true,
        Err(is) => is & !FIXED == room,
    }
}

/// To be called before a stack is made: all have the same room above them.
pub(super) fn fix() {
    RESERVED.fetch_or(FIXED, Relaxed);
}

/// The bytes from one slot of a class to the next.
#[inline]
pub(super) fn stride(class: SizeClass) -> usize {
    page_size() + usable(class) + (RESERVED.load(Relaxed) & !FIXED)
}

/// Usable bytes in whole pages, which matters where pages are larger than the class. Both are
/// powers of two, so the larger is a multiple of the smaller.
#[inline]
fn usable(class: SizeClass) -> usize {
    class.bytes().max(page_size())
}

/// The part of the slot at `low` that holds frames.
pub(super) fn usable_range(low: usize, class: SizeClass) -> Range<usize> {
    low + page_size()..low + page_size() + usable(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_up_to_the_next_class() {
        let usable = |bytes| SizeClass::for_size(bytes).unwrap().bytes();
        assert_eq!(usable(0), MIN_SIZE);
        assert_eq!(usable(1), MIN_SIZE);
        assert_eq!(usable(MIN_SIZE), MIN_SIZE);
        assert_eq!(usable(MIN_SIZE + 1), 2 * MIN_SIZE);
        assert_eq!(usable(100_000), 128 << 10);
        assert_eq!(usable(DEFAULT_SIZE), DEFAULT_SIZE);
        assert_eq!(usable(MAX_SIZE - 1), MAX_SIZE);
        assert_eq!(usable(MAX_SIZE), MAX_SIZE);
        assert_eq!(SizeClass::DEFAULT.bytes(), DEFAULT_SIZE);
    }

    #[test]
    fn absurd_sizes_are_errors_that_say_what_to_do() {
        for bytes in [MAX_SIZE + 1, usize::MAX] {
            let text = SizeClass::for_size(bytes).unwrap_err().to_string();
            assert!(text.contains(&bytes.to_string()), "{text}");
            assert!(text.contains("1 GiB") && text.contains("ask for less"), "{text}");
        }
    }

    #[test]
    fn classes_are_distinct_indices_in_rising_order() {
        let all: Vec<_> = SizeClass::all().collect();
        assert_eq!(all.len(), CLASSES);
        for (index, class) in all.iter().enumerate() {
            assert_eq!(class.index(), index);
            assert_eq!(SizeClass::for_size(class.bytes()), Ok(*class));
        }
        assert_eq!(all.last().map(|class| class.bytes()), Some(MAX_SIZE));
    }
}
