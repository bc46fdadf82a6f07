//! Giving back what stands idle: stacks, and memory of records.

use super::local::Local;
use crate::sys::clock::{self, Nanos};
use std::time::Instant;

/// How often that is done.
const EVERY: Nanos = 1_000_000_000;
/// How often a part of it, by a worker that has other things to do.
const PART: Nanos = 10_000_000;

/// When to look for it, and whether to wake up for that.
pub(super) struct Trim {
    at: Nanos,
    again: bool,
}

impl Trim {
    pub(super) fn new() -> Trim {
        Trim { at: 0, again: false }
    }

    /// For a worker that has nothing to do: gives its own back; says when to look again,
    /// if ever.
    pub(super) fn idle(&mut self, local: &Local, now: Nanos) -> Option<Nanos> {
        if now >= self.at {
            self.look(local, now);
        } else if local.spare.replace(false) {
            // Given back since the last look, which may have seen no need for another soon.
            self.at = self.at.min(now + EVERY);
            self.again = true;
        }
        self.again.then_some(self.at)
    }

    /// For a worker that has: now and then a part of it.
    #[inline]
    pub(super) fn in_passing(&mut self, local: &Local, now: Nanos) {
        if now >= self.at {
            self.look(local, now);
            self.at = self.at.clamp(now + PART, now + EVERY);
        }
    }

    #[cold]
    fn look(&mut self, local: &Local, now: Nanos) {
        let time = Instant::now();
        // SAFETY: the owning OS thread; trimming does not nest.
        let stacks = unsafe { local.stacks.with(|s| s.trim(time)) };
        // SAFETY: as above.
        let heap = unsafe { local.heap.with(|h| h.trim(time)) };
        local.spare.set(false);
        let again = stacks.into_iter().chain(heap).min();
        self.at = again.map_or(now + EVERY, clock::at);
        self.again = again.is_some();
    }
}
