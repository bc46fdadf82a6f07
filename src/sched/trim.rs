//! Giving back stacks that stand idle.

use super::local::Local;
use crate::sys::clock::{self, Nanos};
use std::time::Instant;

/// How often idle stacks are given back.
const EVERY: Nanos = 1_000_000_000;

/// When to look for idle stacks, and whether to wake up for it.
pub(super) struct Trim {
    at: Nanos,
    again: bool,
}

impl Trim {
    pub(super) fn new() -> Trim {
        Trim { at: 0, again: false }
    }

    /// Gives back those of the calling worker; says when to look again, if ever.
    pub(super) fn stacks(&mut self, local: &Local, now: Nanos) -> Option<Nanos> {
        if now >= self.at {
            // SAFETY: the owning OS thread; trimming does not nest.
            let again = unsafe { local.stacks.with(|s| s.trim(Instant::now())) };
            self.at = again.map_or(now + EVERY, clock::at);
            self.again = again.is_some();
        }
        self.again.then_some(self.at)
    }
}
