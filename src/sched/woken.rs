//! Where those go that were woken: into their worker's run queue, or its inbox.

use super::local::{ABROAD, LOCAL, Local, get};
use super::shared::Shared;
use crate::green::record::{Home, RecordRef, Woken};
use std::ptr;

impl Home for Shared {
    #[inline]
    fn enqueue(&self, thread: RecordRef) {
        let here = get().filter(|_| !ABROAD.get());
        if let Some(local) = here.filter(|l| ptr::eq(l.shared, self)) {
            return local.push_woken(thread);
        }
        if let Some(local) = here.filter(|l| l.affine.draws(l.shared, &thread)) {
            thread.pull(local.shared);
        }
        self.receive(thread);
    }

    #[inline]
    fn receive(&self, thread: RecordRef) {
        // SAFETY: the reference goes into the inbox and comes out of it.
        let first = unsafe { self.inbox.push(thread.into_raw()) };
        if first {
            self.sleep.rouse(|| self.selector.wake());
        }
    }
}

impl Local {
    /// In the worker's loop, before a batch of so many turns.
    #[inline]
    pub(super) fn begin_round(&self, batch: u32) {
        self.turns_left.set(batch);
    }

    /// Has `woken`, which is this worker's, run before all others, for the green thread that
    /// runs to stand back for it; given back if that was done often enough in this round: two
    /// that go on letting each other in would keep all others out.
    pub(crate) fn let_in(&self, woken: Woken) -> Option<Woken> {
        // It takes two; the other half is for those who come to the head of the queue.
        let Some(left) = self.turns_left.get().checked_sub(4) else { return Some(woken) };
        self.turns_left.set(left);
        self.queue(|q| q.push_first(woken.into_ref()));
        None
    }

    /// Queues one that was woken here.
    #[inline]
    fn push_woken(&self, thread: RecordRef) {
        // Mostly there is room, and then nothing allocates.
        // SAFETY: as in `queue`.
        if !LOCAL.get().is_null() && unsafe { self.run.with(|q| q.has_room()) } {
            // SAFETY: as above.
            return unsafe { self.run.with(|q| q.push_started(thread)) };
        }
        self.queue(|q| q.push_started(thread));
    }

    /// Moves what other threads woke into the run queue, or on to where they want it.
    pub(crate) fn take_inbox(&self) {
        let mut woken = 0;
        for record in self.shared.inbox.drain() {
            // SAFETY: `receive` gave its reference to the inbox.
            let thread = unsafe { RecordRef::from_raw(record) };
            let Some(thread) = self.hand_on(thread) else { continue };
            woken += 1;
            // SAFETY: the owning OS thread; a push does not nest.
            unsafe { self.run.with(|q| q.push_started(thread)) };
        }
        if woken > 0 {
            self.shared.counters.woken.add(woken);
        }
    }

    /// Hands `thread` on to who asks for it, unless it stays here.
    #[inline]
    fn hand_on(&self, thread: RecordRef) -> Option<RecordRef> {
        let Some(home) = thread.wanted_elsewhere(self.shared) else { return Some(thread) };
        if !self.shared.is_quick() {
            thread.settle(self.shared, self.whole());
            return Some(thread);
        }
        self.disarm(&thread);
        home.receive(thread);
        None
    }
}
