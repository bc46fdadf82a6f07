//! What the kernel says of a worker's OS thread, remembered: std asks for both in each
//! thread that begins, and the two system calls were a fifth of a spawn and join.

use super::local;
use libc::stack_t;
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;

/// The kernel's number of the worker that this is. `None`: it is none.
pub(crate) fn thread_id() -> Option<u32> {
    local::get().map(|local| local.shared.thread.load(Relaxed))
}

/// This worker's alternate signal stack, if it is known, and not in use.
pub(crate) fn alt_stack() -> Option<stack_t> {
    let here = 0_u8;
    let here = ptr::from_ref(&here).addr();
    let in_use = |&(low, size): &(usize, usize)| here.wrapping_sub(low) < size;
    let (low, size) = local::get()?.alt_stack.get().filter(|known| !in_use(known))?;
    Some(stack_t { ss_sp: ptr::with_exposed_provenance_mut(low), ss_flags: 0, ss_size: size })
}

/// The kernel has just said what this worker's is; `None`: it may have another now.
pub(crate) fn learn_alt_stack(said: Option<stack_t>) {
    // With flags it is in use, or there is none, or it comes and goes by itself.
    let plain = said.filter(|stack| stack.ss_flags == 0);
    if let Some(local) = local::get() {
        local.alt_stack.set(plain.map(|stack| (stack.ss_sp.expose_provenance(), stack.ss_size)));
    }
}
