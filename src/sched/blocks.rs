//! Memory for records, from the heap of the worker that makes them. Any thread gives it
//! back.

use super::local::{self, Local};
use crate::green::current::Inside;
use crate::heap::{self, Class};
use std::ptr::NonNull;

/// A block of `class`. `None`: this is no worker, or there is no memory.
#[inline]
pub(crate) fn take(class: Class) -> Option<NonNull<u8>> {
    let local = local::get()?;
    // SAFETY: the owning OS thread; it calls nothing, so it does not nest.
    let block = unsafe { local.heap.with(|heap| heap.take(class)) };
    block.or_else(|| take_elsewhere(local, class))
}

#[cold]
fn take_elsewhere(local: &Local, class: Class) -> Option<NonNull<u8>> {
    local.spare.set(true); // others' blocks may come back, and all of what it maps
    // It may map memory, and who stands in for libc there may call what is patched.
    let _inside = Inside::enter();
    // SAFETY: as in `take`; inside, nothing makes or frees a record.
    unsafe { local.heap.with(|heap| heap.take_elsewhere(class)) }
}

/// Takes back a block.
///
/// # Safety
/// It came from `take`, and nobody uses it any more.
#[inline]
pub(crate) unsafe fn give(block: NonNull<u8>) {
    // SAFETY: the caller's promise; the rest as in `take`.
    unsafe {
        match local::get().filter(|local| heap::is_of(block, &local.shared.returned)) {
            Some(local) => {
                local.heap.with(|heap| heap.give(block));
                local.spare.set(true);
            }
            None => heap::return_to_owner(block),
        }
    }
}
