//! The buffer away from the lock: while the users' code, or the allocator, works
//! on it. Whatever that does, and if it panics, the counts then say what is in it.

use super::order::Order;
use super::shared::{ByTheDoor, Shared};
use super::state::Core;
use crate::green::park::Told;
use crate::sync::MutexGuard;

/// What it is away for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// With a promise of room.
    Put,
    /// What was got comes back.
    Return,
    /// With a promise of an item.
    Get,
    Look,
}

/// The buffer; it goes home when this is dropped.
pub(super) struct Away<'a, T, B: Order<T>> {
    of: &'a Shared<T, B>,
    pub(super) buffer: B,
    why: For,
    before: usize,
    /// What it was away for did not panic.
    pub(super) well: bool,
    /// Let go last.
    _door: MutexGuard<'a, ()>,
}

impl<'a, T, B: Order<T>> Away<'a, T, B> {
    pub(super) fn take(of: &'a Shared<T, B>, at: ByTheDoor<'a, B>, why: For) -> Away<'a, T, B> {
        let ByTheDoor { mut core, door } = at;
        debug_assert!(!core.away);
        core.away = true;
        let buffer = std::mem::take(&mut core.buffer);
        Away { of, before: buffer.len(), buffer, why, well: false, _door: door }
    }

    /// Counts, under the lock, what has changed: who is told of it, and up to
    /// which number joiners are.
    fn settle(&self, core: &mut Core<B>) -> (Told, u64) {
        let (grown, shrunk) = (core.len > self.before, core.len < self.before);
        let bounded = self.of.bound.is_some();
        match self.why {
            For::Put if grown => {
                core.unfinished += 1;
                (core.items.give(), 0)
            }
            For::Put if bounded => (core.give_room(), 0),
            For::Return => {
                if bounded {
                    core.retake_room();
                }
                (core.items.give(), 0)
            }
            For::Get if shrunk => {
                // What a panic dropped nobody will report done.
                let joined = if self.well { None } else { core.done(1) };
                let told = if bounded { core.give_room() } else { Told::Nothing };
                (told, joined.unwrap_or(0))
            }
            For::Get => (core.items.give(), 0),
            For::Put | For::Look => (Told::Nothing, 0),
        }
    }
}

impl<T, B: Order<T>> Drop for Away<'_, T, B> {
    fn drop(&mut self) {
        let mut core = self.of.lock();
        std::mem::swap(&mut core.buffer, &mut self.buffer);
        core.len = core.buffer.len();
        core.away = false;
        let (told, joined) = self.settle(&mut core);
        drop(core);
        told.finish();
        self.of.wake_joiners(joined);
    }
}
