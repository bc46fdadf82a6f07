//! Who holds a lock that is waited for, where the lock says so.
//!
//! The locks of this crate that their holder may lock again know the holder's
//! number, C's locks what libc takes for one: a kernel thread's, or what a green
//! thread has in its own thread-locals. What is not known is said to be unknown:
//! the locks of std, above all, are one word that says only that they are held.

use super::view::{Holder, ThreadDump, WaitsFor};
use crate::green::locals;
use crate::sync::reentrant;
use crate::sys::{peek, pthread};
use std::collections::HashMap;

/// Above this libc's numbers are green threads'.
const KERNEL_MOST: u32 = 1 << 22;

fn number(address: usize) -> Option<u32> {
    let mut bytes = [0; 4];
    peek::copy(address, &mut bytes).ok()?; // its lock may be gone by now
    Some(u32::from_ne_bytes(bytes)).filter(|number| *number != 0)
}

/// Of the `ReentrantMutex` whose permit is at `permit`.
pub(super) fn of_reentrant(permit: usize) -> Holder {
    let mut bytes = [0; 8];
    if peek::copy(permit + reentrant::OWNER_AT, &mut bytes).is_err() {
        return Holder::Unknown;
    }
    match reentrant::who(u64::from_ne_bytes(bytes)) {
        Some(Some(id)) => Holder::Green(id),
        Some(None) => Holder::Os(None),
        None => Holder::Unknown,
    }
}

/// Of the C mutex at `mutex`: a number that `Numbers::tell` tells apart.
pub(super) fn of_mutex(mutex: usize) -> Holder {
    number(mutex + pthread::OWNER).map_or(Holder::Unknown, |number| Holder::Os(Some(number)))
}

/// Likewise of who has the C lock at `lock` for writing.
pub(super) fn of_lock(lock: usize) -> Holder {
    number(lock + pthread::WRITER).map_or(Holder::Unknown, |number| Holder::Os(Some(number)))
}

/// Where the green threads have libc's numbers.
pub(super) struct Numbers(Vec<(u64, usize)>);

impl Numbers {
    pub(super) fn new() -> Numbers {
        Numbers(Vec::new())
    }

    /// The green thread `id` has its thread-locals there.
    pub(super) fn note(&mut self, id: u64, block: usize) {
        self.0.extend(locals::number_at(block).map(|at| (id, at)));
    }

    /// Puts green threads for the numbers that are theirs.
    pub(super) fn tell(&self, threads: &mut [ThreadDump]) {
        let all = threads.iter_mut().flat_map(|thread| &mut thread.waits_for);
        let holders = all.filter_map(|waits| match waits {
            WaitsFor::Lock { holder, .. } => Some(holder),
            _ => None,
        });
        let mut known: Option<HashMap<u32, u64>> = None;
        for holder in holders {
            if let Holder::Os(Some(number)) = *holder
                && number >= KERNEL_MOST
            {
                let known = known.get_or_insert_with(|| self.read());
                *holder = known.get(&number).map_or(Holder::Unknown, |id| Holder::Green(*id));
            }
        }
    }

    fn read(&self) -> HashMap<u32, u64> {
        self.0.iter().filter_map(|(id, at)| Some((number(*at)?, *id))).collect()
    }
}
