//! The meeting of a green thread that ends and the one that joins it.
//!
//! | state | means | left by |
//! |---|---|---|
//! | `OPEN` | it runs, nobody waits | anybody |
//! | `WAITING` | the joiner has left itself in the cell | finisher, or the joiner at its deadline |
//! | `ENDING` | the result is stored; the finisher leaves its group and wakes whom it found; who looks waits for it | finisher |
//! | `DONE` | likewise, and the finisher is done with that; how it ended is added | nobody |
//! | `DETACHED` | the handle is gone; the result is the finisher's to drop | finisher |
//! | `LINKED` | beside the first three: `green/links.rs` knows whom else to tell | finisher |
//!
//! The cell belongs to the joiner in `OPEN`, and to the finisher once its swap
//! has found `WAITING`. What stands in it counts no reference: a joiner that
//! waited stays until it sees `DONE`, the finisher's last touch of it. One that
//! did not wait sees no end before `DONE` either, but may drop the result. Every
//! move but that to `DONE` is a read-modify-write with AcqRel or stronger than it
//! needs, so that cell and result are published with it.

use crate::green::ending::Ending;
use crate::green::park::Waiting;
use crate::sys::atomic::AtomicU32;
use std::cell::UnsafeCell;
use std::sync::atomic::Ordering::*;

const OPEN: u32 = 0;
const LINKED: u32 = 1;
const WAITING: u32 = 2;
const DETACHED: u32 = 4;
const ENDING: u32 = 6;
/// And above: plus an `Ending`.
const DONE: u32 = 8;

/// One green thread's joining state.
pub(crate) struct JoinState<U = Waiting> {
    state: AtomicU32,
    waiter: UnsafeCell<Option<U>>,
}

// SAFETY: the cell changes hands by the table above.
unsafe impl<U: Send> Sync for JoinState<U> {}
// SAFETY: nothing here is tied to a thread.
unsafe impl<U: Send> Send for JoinState<U> {}

impl<U> JoinState<U> {
    pub(crate) fn new() -> JoinState<U> {
        JoinState { state: AtomicU32::new(OPEN), waiter: UnsafeCell::new(None) }
    }

    /// Whether the result is there, and what comes with the end is done.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        let state = self.state.load(Acquire);
        state >= DONE || state == ENDING && self.has_come()
    }

    /// The handle is gone already: nobody will ask for the result.
    pub(crate) fn is_detached(&self) -> bool {
        self.state.load(Relaxed) & !LINKED == DETACHED
    }

    /// How it ended, if it has.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.is_done().then(|| Ending::of_code(self.state.load(Acquire) - DONE))
    }

    /// Has the finisher look for links; false if it does not any more. Under the
    /// lock of those links: so a finisher that does finds them there.
    pub(crate) fn link(&self) -> bool {
        let mut state = self.state.load(Acquire);
        while state < ENDING && state & LINKED == 0 {
            match self.state.compare_exchange(state, state | LINKED, AcqRel, Acquire) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        state < ENDING
    }

    /// A move of the joiner's: `LINKED` stays as it is.
    #[inline]
    fn shift(&self, from: u32, to: u32) -> bool {
        let found = self.state.compare_exchange(from, to, AcqRel, Acquire);
        found.is_ok() || found == Err(from | LINKED) && self.shift_linked(from, to)
    }

    /// Once linked it stays so, until it ends.
    #[cold]
    fn shift_linked(&self, from: u32, to: u32) -> bool {
        self.state.compare_exchange(from | LINKED, to | LINKED, AcqRel, Acquire).is_ok()
    }

    /// Whether the result is there, for one that waits: then it need not wait,
    /// and is let go.
    #[inline]
    pub(crate) fn has_come(&self) -> bool {
        let mut state = self.state.load(Acquire);
        // Some instructions of the finisher's, unless its core is taken away.
        let mut turns = 0;
        while state == ENDING {
            spin(&mut turns);
            state = self.state.load(Acquire);
        }
        state >= DONE
    }

    /// The joiner leaves itself; false if the result is there already.
    ///
    /// # Safety
    /// Only the handle's owner, and not while it waits already.
    #[inline]
    pub(crate) unsafe fn wait(&self, waiter: U) -> bool {
        // SAFETY: OPEN or DONE, and either way the cell is the joiner's.
        unsafe { *self.waiter.get() = Some(waiter) };
        self.shift(OPEN, WAITING) || {
            self.has_come();
            // SAFETY: done, and nobody was found: still the joiner's.
            unsafe { *self.waiter.get() = None };
            false
        }
    }

    /// The joiner gives up; false if the result came first.
    ///
    /// # Safety
    /// Only the handle's owner, after `wait`.
    pub(crate) unsafe fn give_up(&self) -> bool {
        if !self.shift(WAITING, OPEN) {
            self.has_come();
            return false;
        }
        // SAFETY: OPEN again: the joiner's.
        unsafe { *self.waiter.get() = None };
        true
    }

    /// The result is stored. Calls `leave`, which others see together with the
    /// end. If somebody waits, `wake` touches it for the last time; what that
    /// leaves to do comes back, or that nobody will come for the result. And
    /// whether there are links, which is the caller's to tell.
    ///
    /// # Safety
    /// Once, by the finisher.
    #[inline]
    pub(crate) unsafe fn finish<R>(
        &self,
        how: Ending,
        leave: impl FnOnce(),
        wake: impl FnOnce(U) -> R,
    ) -> (Finished<R>, bool) {
        let state = self.state.swap(ENDING, AcqRel);
        leave();
        let found = match state & !LINKED {
            // SAFETY: found WAITING: the cell is the finisher's.
            WAITING => match unsafe { (*self.waiter.get()).take() } {
                Some(waiter) => Finished::Woke(wake(waiter)),
                None => unreachable!("WAITING comes with a waiter"),
            },
            DETACHED => Finished::Detached,
            _ => Finished::Nobody,
        };
        self.state.store(DONE + how.code(), Release);
        (found, state & LINKED != 0)
    }

    /// The handle goes; true if the result is there and now the caller's to
    /// drop.
    ///
    /// # Safety
    /// Once, by the handle's owner, who does not wait.
    pub(crate) unsafe fn detach(&self) -> bool {
        !self.shift(OPEN, DETACHED)
    }
}

/// What a finisher has to do.
#[must_use]
pub(crate) enum Finished<R> {
    /// Nobody waits yet.
    Nobody,
    /// Somebody waited.
    Woke(R),
    /// The result is the finisher's.
    Detached,
}

/// One turn of a wait for some instructions of another thread's, whose core may
/// be taken away meanwhile.
#[cold]
fn spin(turns: &mut u32) {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    match *turns {
        0..100 => std::hint::spin_loop(),
        // SAFETY: takes no arguments.
        _ => _ = unsafe { crate::sys::real::sched_yield() },
    }
    *turns = turns.saturating_add(1);
}

#[cfg(test)]
#[path = "join_state_tests.rs"]
mod tests;
