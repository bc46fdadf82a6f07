//! Where the one allocation behind a green thread comes from: the heap of the worker that
//! makes it, or the program's allocator, for what is made elsewhere or is large.

use crate::heap::Class;
use crate::sched::blocks;
use std::alloc::{Layout, alloc, dealloc};
use std::ptr::{self, NonNull};

/// What depends on where the memory came from.
pub(super) struct ByOrigin<B> {
    /// From a worker's heap: freed by `give_block`.
    pub(super) block: B,
    /// From the program's allocator: freed by `free`.
    pub(super) allocated: B,
}

/// Room for a `T`, and what goes with it. `None`: there is no memory.
#[inline]
pub(super) fn take<T, B>(by: &'static ByOrigin<B>) -> Option<(NonNull<T>, &'static B)> {
    const { assert!(size_of::<T>() > 0) };
    if let Some(block) = const { Class::of(Layout::new::<T>()) }.and_then(blocks::take) {
        return Some((block.cast(), &by.block));
    }
    // SAFETY: not of size zero.
    let room = NonNull::new(unsafe { alloc(Layout::new::<T>()) })?;
    Some((room.cast(), &by.allocated))
}

/// Drops `it`, and gives its room back.
///
/// # Safety
/// Nobody uses it any more; its room came from `take`, with `block`.
pub(super) unsafe fn give_block<T>(it: NonNull<T>) {
    // SAFETY: the caller's promise.
    unsafe {
        ptr::drop_in_place(it.as_ptr());
        blocks::give(it.cast());
    }
}

/// As `give_block`.
///
/// # Safety
/// As `give_block`, with `allocated`.
pub(super) unsafe fn free<T>(it: NonNull<T>) {
    // SAFETY: the caller's promise.
    unsafe {
        ptr::drop_in_place(it.as_ptr());
        dealloc(it.as_ptr().cast(), Layout::new::<T>());
    }
}
