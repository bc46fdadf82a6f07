//! What the kernel says of a worker's OS thread, known since it began: std asks for both in
//! each thread that begins, and the two system calls were a fifth of a spawn and join.

use super::local::{self, Local};
use crate::sys::fault;
use libc::stack_t;
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;

/// The kernel's number of the worker that this is. `None`: it is none.
pub(crate) fn thread_id() -> Option<u32> {
    local::get().map(|local| local.shared.thread.load(Relaxed))
}

/// For a worker that begins.
#[cold]
#[inline(never)]
pub(super) fn learn(local: &Local) {
    local.alt_stack.set(fault::alt_stack());
}

/// This worker's alternate signal stack, where it begins and its size, if it is the one it
/// began with, and not in use.
pub(crate) fn alt_stack() -> Option<(usize, usize)> {
    let here = 0_u8;
    let here = ptr::from_ref(&here).addr();
    let in_use = |&(low, size): &(usize, usize)| here.wrapping_sub(low) < size;
    local::get()?.alt_stack.get().filter(|known| !in_use(known))
}

/// To be called before this worker gets another one. From then on only the kernel knows: if
/// a handler has set it, the kernel takes back its own when that returns.
#[cold]
pub(crate) fn forget_alt_stack() {
    if let Some(local) = local::get() {
        local.alt_stack.set(None);
    }
}

/// As the kernel fills it, which leaves no byte as it was.
///
/// # Safety
/// `out` is valid.
pub(crate) unsafe fn tell_alt_stack((low, size): (usize, usize), out: *mut stack_t) {
    // SAFETY: the caller's promise.
    unsafe {
        out.write_bytes(0, 1);
        (*out).ss_sp = ptr::with_exposed_provenance_mut(low);
        (*out).ss_size = size;
    }
}
