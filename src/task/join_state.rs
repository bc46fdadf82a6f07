//! The meeting of a green thread that ends and the one that joins it.
//!
//! | state | means | left by |
//! |---|---|---|
//! | `OPEN` | it runs, nobody waits | anybody |
//! | `WAITING` | the joiner has left itself in the cell | finisher, or the joiner at its deadline |
//! | `ENDING` | the result is stored; the finisher wakes whom it found | finisher |
//! | `DONE` | likewise, and the finisher is done with the joiner | nobody |
//! | `DETACHED` | the handle is gone; the result is the finisher's to drop | finisher |
//!
//! The cell belongs to the joiner in `OPEN`, and to the finisher once its swap
//! has found `WAITING`. What stands in it counts no reference: a joiner that
//! waited stays until it sees `DONE`, the finisher's last touch of it. One that
//! did not wait may take the result in `ENDING` already. Every move but that to
//! `DONE` is a read-modify-write with AcqRel or stronger than it needs, so that
//! cell and result are published with it.

use crate::green::park::Waiting;
use crate::sys::atomic::AtomicU32;
use std::cell::UnsafeCell;
use std::sync::atomic::Ordering::*;

const OPEN: u32 = 0;
const WAITING: u32 = 1;
const DETACHED: u32 = 2;
const ENDING: u32 = 3;
const DONE: u32 = 4;

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

    /// Whether the result is there.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.state.load(Acquire) >= ENDING
    }

    /// The handle is gone already: nobody will ask for the result.
    pub(crate) fn is_detached(&self) -> bool {
        self.state.load(Relaxed) == DETACHED
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
        state == DONE
    }

    /// The joiner leaves itself; false if the result is there already.
    ///
    /// # Safety
    /// Only the handle's owner, and not while it waits already.
    pub(crate) unsafe fn wait(&self, waiter: U) -> bool {
        // SAFETY: OPEN or DONE, and either way the cell is the joiner's.
        unsafe { *self.waiter.get() = Some(waiter) };
        self.state.compare_exchange(OPEN, WAITING, AcqRel, Acquire).is_ok()
    }

    /// The joiner gives up; false if the result came first.
    ///
    /// # Safety
    /// Only the handle's owner, after `wait`.
    pub(crate) unsafe fn give_up(&self) -> bool {
        if self.state.compare_exchange(WAITING, OPEN, AcqRel, Acquire).is_err() {
            self.has_come();
            return false;
        }
        // SAFETY: OPEN again: the joiner's.
        unsafe { *self.waiter.get() = None };
        true
    }

    /// The result is stored. If somebody waits, `wake` touches it for the last
    /// time; what that leaves to do comes back, or that nobody will come for
    /// the result.
    ///
    /// # Safety
    /// Once, by the finisher.
    #[inline]
    pub(crate) unsafe fn finish<R>(&self, wake: impl FnOnce(U) -> R) -> Finished<R> {
        let found = match self.state.swap(ENDING, AcqRel) {
            // SAFETY: found WAITING: the cell is the finisher's.
            WAITING => match unsafe { (*self.waiter.get()).take() } {
                Some(waiter) => Finished::Woke(wake(waiter)),
                None => unreachable!("WAITING comes with a waiter"),
            },
            DETACHED => Finished::Detached,
            _ => Finished::Nobody,
        };
        self.state.store(DONE, Release);
        found
    }

    /// The handle goes; true if the result is there and now the caller's to
    /// drop.
    ///
    /// # Safety
    /// Once, by the handle's owner, who does not wait.
    pub(crate) unsafe fn detach(&self) -> bool {
        self.state.compare_exchange(OPEN, DETACHED, AcqRel, Acquire).is_err()
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_order_of_events() {
        // SAFETY: one thread plays both sides, in legal orders.
        unsafe {
            let s = JoinState::new();
            assert!(s.wait(7));
            assert!(matches!(s.finish(|u| u), Finished::Woke(7)));
            assert!(s.is_done());

            let s = JoinState::new();
            assert!(matches!(s.finish(|u| u), Finished::Nobody));
            assert!(!s.wait(7));
            assert!(s.detach(), "the result is the handle's to drop");

            let s = JoinState::new();
            assert!(s.wait(7));
            assert!(s.give_up());
            assert!(!s.detach());
            assert!(matches!(s.finish(|u| u), Finished::Detached));

            let s = JoinState::new();
            assert!(s.wait(7));
            assert!(matches!(s.finish(|u| u), Finished::Woke(7)));
            assert!(!s.give_up());
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::cell::UnsafeCell as Tracked;
    use loom::sync::Arc;

    type Shared = Arc<(JoinState<u32>, Tracked<u32>)>;

    fn finisher(shared: &Shared) -> loom::thread::JoinHandle<u32> {
        let shared = shared.clone();
        loom::thread::spawn(move || {
            // SAFETY: the result is the finisher's until `finish`.
            shared.1.with_mut(|r| unsafe { *r = 7 });
            // SAFETY: once.
            match unsafe { shared.0.finish(|u| u) } {
                Finished::Nobody => 0,
                Finished::Woke(_) => 1,
                // SAFETY: the result is the finisher's again.
                Finished::Detached => shared.1.with(|r| unsafe { *r }) + 3,
            }
        })
    }

    fn read(shared: &Shared) {
        // SAFETY: done, so the result is the joiner's.
        assert_eq!(shared.1.with(|r| unsafe { *r }), 7);
    }

    #[test]
    fn loom_wait_against_finish() {
        loom::model(|| {
            let shared: Shared = Arc::new((JoinState::new(), Tracked::new(0)));
            let t = finisher(&shared);
            // SAFETY: the only joiner.
            let waits = unsafe { shared.0.wait(1) };
            if !waits {
                read(&shared);
            }
            let unparked = t.join().unwrap() == 1;
            assert_eq!(waits, unparked, "one who waits is unparked, once");
        });
    }

    #[test]
    fn loom_deadline_against_finish() {
        loom::model(|| {
            let shared: Shared = Arc::new((JoinState::new(), Tracked::new(0)));
            let t = finisher(&shared);
            // SAFETY: the only joiner, in a legal order.
            unsafe {
                if shared.0.wait(1) && shared.0.give_up() {
                    if shared.0.wait(2) {
                        assert_eq!(t.join().unwrap(), 1);
                        return;
                    }
                }
            }
            read(&shared);
            t.join().unwrap();
        });
    }

    #[test]
    fn loom_detach_against_finish() {
        loom::model(|| {
            let shared: Shared = Arc::new((JoinState::new(), Tracked::new(0)));
            let t = finisher(&shared);
            // SAFETY: once.
            let mine = unsafe { shared.0.detach() };
            if mine {
                read(&shared);
            }
            let finishers = t.join().unwrap() == 10;
            assert!(mine != finishers, "exactly one drops the result");
        });
    }
}
