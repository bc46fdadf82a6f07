//! Waking one that waits.

use super::current;
use super::record::{Record, RecordRef, Woken};
use super::seat::Seat;
use super::state::Mark;
use std::ptr;

impl RecordRef {
    /// It waits now, and whoever wakes it gets this reference; given back if it was
    /// notified before, and is to be queued. By its worker.
    #[inline]
    pub(crate) fn park(self) -> Option<RecordRef> {
        if !self.state.commit_park() {
            return Some(self);
        }
        self.into_raw();
        None
    }

    /// As `park`, for one that looks itself whether its time has come: given back
    /// unless another has woken it already.
    #[cold]
    pub(crate) fn park_awake(self) -> Option<RecordRef> {
        if !self.state.commit_park() || self.state.notify(Mark::NONE) {
            return Some(self);
        }
        self.into_raw();
        None
    }
}

impl Woken {
    /// See `Own::awaits_lock`; and whether its worker is that of who woke it.
    #[inline]
    pub(crate) fn takes_lock_here(&self) -> bool {
        self.0.own.awaits_lock.get() && self.0.own.woken_near.get()
    }
}

impl Record {
    /// Makes it runnable if it waits.
    #[inline]
    pub(crate) fn unpark(&self) {
        if let Some(woken) = self.wake() {
            woken.queue();
        }
    }

    /// As `unpark`, but leaves the queueing to the caller, who may do so later:
    /// until then it does not run.
    #[inline]
    pub(crate) fn wake(&self) -> Option<Woken> {
        self.wake_with(Mark::NONE)
    }

    /// As `unpark`, and leaves a mark.
    pub(crate) fn unpark_with(&self, mark: Mark) {
        if let Some(woken) = self.wake_with(mark) {
            woken.queue();
        }
    }

    #[inline]
    fn wake_with(&self, mark: Mark) -> Option<Woken> {
        let near = current::patched().map_or(ptr::null(), |me| me.own.seat.get());
        // SAFETY: null, or of the worker that runs the caller, which is never freed.
        let seat = unsafe { near.as_ref() };
        if seat.is_some_and(|seat| self.is_fetched_from(seat)) {
            self.state.leave(mark);
        } else if self.state.notify(mark) {
            // Nobody else's, now that it waits no more and is not queued yet.
            self.own.woken_near.set(seat.is_some() && ptr::eq(near, self.own.seat.get()));
        } else {
            return None;
        }
        // SAFETY: nobody's while it parked or sat, the scheduler's reference goes to
        // who wins `notify`, or fetches it.
        Some(Woken(unsafe { RecordRef::from_raw(self.whole()) }))
    }

    #[inline]
    fn is_fetched_from(&self, seat: &Seat) -> bool {
        let me = ptr::from_ref(self).cast();
        // Only this OS thread has anybody sit down here: a plain look is enough to
        // find that it does not.
        seat.is_taken_by(me) && {
            // Handlers of signals can wake those with their own thread-locals; none
            // does so by the seat now.
            let own = current::get().is_some_and(|me| me.own.block.get().is_some());
            let _inside = own.then(current::Inside::enter);
            seat.fetch(me, !own)
        }
    }

    /// Whether it is worth while to sit down before it parks. For its worker.
    #[inline]
    pub(crate) fn sits_first(&self) -> bool {
        self.own.woken_near.get() && !self.state.is_notified()
    }
}
