//! Stacks for whoever is no worker's loop: one that starts a green thread with
//! its stack already, or frees the stack of one that has ended.

use super::local;
use crate::green::current::Inside;
use crate::stack::{GreenStack, SizeClass, StackCache};
use crate::sys::lock::Lock;
use std::io;

/// What OS threads that are no workers take from and give to.
static OUTSIDE: Lock<StackCache> = Lock::new(StackCache::new());

fn with<R>(f: impl FnOnce(&mut StackCache) -> R) -> R {
    // It may allocate, and an allocator may call what is patched.
    let _inside = Inside::enter();
    match local::get() {
        // SAFETY: the owning OS thread, and others leave the stacks alone even
        // when they claim the worker; `f` does not nest.
        Some(local) => unsafe { local.stacks.with(f) },
        None => f(&mut OUTSIDE.lock()),
    }
}

/// A free stack.
///
/// # Errors
/// As `StackCache::take`.
pub(crate) fn take(class: SizeClass) -> io::Result<GreenStack> {
    with(|stacks| stacks.take(class))
}

/// Takes back a stack on which nothing runs.
pub(crate) fn give(stack: GreenStack) {
    with(|stacks| stacks.give(stack));
    if let Some(local) = local::get() {
        local.spare.set(true);
    }
}
