//! One thread that waits for several things, and takes the first it gets.
//!
//! | decided | means | left by |
//! |---|---|---|
//! | `OPEN` | it waits for all of them | who offers one, or itself at its deadline |
//! | a number | it has that one | nobody |
//!
//! Whoever has something to offer claims first: only if that works may he hand
//! it over. So nothing is handed to one that has decided otherwise, and needs
//! to be handed on. Acquire and Release go with the claim; what is handed over
//! is ordered by the place where it is.

use crate::sys::atomic::AtomicU32;
use std::sync::atomic::Ordering::*;

const OPEN: u32 = u32::MAX;

/// What one thread decides for.
pub(crate) struct Choice(AtomicU32);

impl Choice {
    pub(crate) fn new() -> Choice {
        Choice(AtomicU32::new(OPEN))
    }

    /// Decides for the thing of that number; false if it is too late.
    pub(crate) fn claim(&self, number: u32) -> bool {
        self.0.compare_exchange(OPEN, number, AcqRel, Acquire).is_ok()
    }

    /// What was decided for.
    pub(crate) fn decided(&self) -> Option<u32> {
        let decided = self.0.load(Acquire);
        (decided != OPEN).then_some(decided)
    }
}
