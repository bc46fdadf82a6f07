//! A green thread's stack, and where it stands while it is suspended.
//!
//! Made of `sys/switch.rs`, as nothing is switched to as often. Generators, which
//! return values and may be dropped half-way, are corosensei's.

use crate::stack::GreenStack;
use crate::sys::switch::{Main, Suspended, switch};
use corosensei::stack::Stack;
use std::mem::ManuallyDrop;

/// See the module's head.
pub(crate) struct Coroutine {
    stack: ManuallyDrop<GreenStack>,
    /// Nothing while it runs.
    at: Suspended,
}

impl Coroutine {
    /// What begins with `main`, when it is resumed first.
    #[inline]
    pub(super) fn new(stack: GreenStack, main: Main) -> Coroutine {
        // SAFETY: a stack's base is aligned, and it is ours.
        let at = unsafe { Suspended::new(stack.base().get(), main) };
        Coroutine { stack: ManuallyDrop::new(stack), at }
    }

    /// Runs it, or goes on with it, until it suspends or ends; what it says then. It is
    /// told `word`, which only matters the first time.
    ///
    /// # Safety
    /// It is suspended, and this is the OS thread that may run it.
    #[inline(always)] // a call less to return from after a switch
    pub(crate) unsafe fn resume(&mut self, word: u64) -> u64 {
        let at = std::mem::replace(&mut self.at, Suspended::NOTHING);
        // SAFETY: the caller's promise; it catches what unwinds.
        let (at, said) = unsafe { switch(at, word) };
        self.at = at;
        said
    }

    /// Its stack.
    ///
    /// # Safety
    /// It has ended.
    pub(crate) unsafe fn into_stack(self) -> GreenStack {
        ManuallyDrop::into_inner(self.stack)
    }
}
