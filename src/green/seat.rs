//! The seat of a worker: who waits there has not parked for others to see.
//!
//! To park and to be woken takes two atomic writes (`state.rs`), which only wakers
//! elsewhere need; but mostly the green threads of one worker wake each other. So
//! one that was last woken by such a neighbour sits down first when it waits again.
//! If the next waker is a neighbour too, it fetches it with plain writes. Else it
//! parks after all: when the next one sits down, or when the worker is about to
//! look at anything but its run queue.
//!
//! | who | may |
//! |---|---|
//! | the worker's loop | have one sit down, or rise |
//! | a green thread that it runs | fetch one |
//! | who has claimed the worker | have one rise |
//!
//! Whoever sits has no `PARKED`: for wakers elsewhere it still runs, and they leave
//! a notice, which `State::commit_park` finds. It may so have to wait for as long as
//! its worker takes to come round, as it would in the worker's inbox.

use crate::sys::biased::Biased;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// See the module's head.
pub(crate) struct Seat {
    /// Stands for this worker; not 0.
    pub(crate) number: u32,
    /// Its worker is inside except while a green thread with its own
    /// thread-locals runs; then that one enters for each access, and others may
    /// claim it.
    pub(crate) lock: Biased,
    /// The record of who sits here, or null. Written under the lock, and looked at
    /// from anywhere.
    taken_by: AtomicPtr<()>,
}

impl Seat {
    pub(crate) const TAKEN_BY: usize = std::mem::offset_of!(Seat, taken_by);

    pub(crate) const fn new(number: u32) -> Seat {
        Seat { number, lock: Biased::new(), taken_by: AtomicPtr::new(ptr::null_mut()) }
    }

    /// `who` sits down, and who sat here before rises. Under the lock.
    #[inline]
    pub(crate) fn sit(&self, who: NonNull<()>) -> Option<NonNull<()>> {
        let before = self.taken_by.load(Relaxed);
        self.taken_by.store(who.as_ptr(), Relaxed);
        NonNull::new(before)
    }

    /// Who sits here rises. Under the lock.
    #[inline]
    pub(crate) fn rise(&self) -> Option<NonNull<()>> {
        let before = NonNull::new(self.taken_by.load(Relaxed))?;
        self.taken_by.store(ptr::null_mut(), Relaxed);
        Some(before)
    }

    /// Has `who` rise, if it sits here; `inside`: the lock is held. By a green thread
    /// that this worker runs, and not in a signal handler that interrupts this.
    ///
    /// Not if another has claimed the worker: the caller holds the lock of some line,
    /// and the claimant may want that, to allocate. `who` is told by a notice then.
    #[inline]
    pub(crate) fn fetch(&self, who: *const (), inside: bool) -> bool {
        if !inside && !self.lock.try_enter() {
            return false;
        }
        let sits = self.is_taken_by(who);
        if sits {
            self.taken_by.store(ptr::null_mut(), Relaxed);
        }
        if !inside {
            self.lock.exit();
        }
        sits
    }

    /// Whether `who` sits here, or did a moment ago.
    #[inline]
    pub(crate) fn is_taken_by(&self, who: *const ()) -> bool {
        ptr::eq(self.taken_by.load(Relaxed), who)
    }
}

#[cfg(all(test, not(miri), not(loom)))]
mod tests {
    use super::*;
    use crate::sys::barrier;
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::thread;
    use std::time::{Duration, Instant};

    /// Who wakes holds the lock of a line; who has claimed the worker may wait for it.
    #[test]
    fn nobody_waits_for_a_claim_to_fetch_one() {
        assert!(barrier::prepare());
        let (seat, sitter) = (Seat::new(1), 0_u64);
        let who = NonNull::from(&sitter).cast();
        assert_eq!(seat.sit(who), None);
        let claim = seat.lock.try_claim().expect("nobody is inside");
        thread::scope(|s| {
            let fetches = s.spawn(|| seat.fetch((&raw const sitter).cast(), false));
            let start = Instant::now();
            while !fetches.is_finished() && start.elapsed() < Duration::from_secs(60) {
                thread::yield_now();
            }
            let waits = !fetches.is_finished();
            drop(claim);
            assert!(!fetches.join().unwrap() && !waits, "it waited for the claimant");
        });
        assert!(seat.is_taken_by(who.as_ptr()), "it is left to the claimant");
        assert!(seat.fetch(who.as_ptr(), false), "the claim is over");
        assert_eq!(seat.rise(), None);
        assert!(seat.lock.try_claim().is_some(), "the owner has gone out");
    }

    /// Whoever sits is fetched, or made to rise by a claimant, or by the worker's loop:
    /// once.
    #[test]
    fn each_rises_once() {
        assert!(barrier::prepare());
        let (seat, sitter, claimed, done) =
            (Seat::new(1), 0_u64, AtomicU64::new(0), AtomicBool::new(false));
        let who = NonNull::from(&sitter).cast();
        let (mut sat, mut fetched, mut left) = (0, 0, 0);
        thread::scope(|s| {
            s.spawn(|| {
                while !done.load(Relaxed) {
                    if let Some(_claim) = seat.lock.try_claim() {
                        claimed.fetch_add(u64::from(seat.rise().is_some()), Relaxed);
                    }
                }
            });
            let start = Instant::now();
            while sat < 200_000 || claimed.load(Relaxed) < 30 {
                assert!(start.elapsed() < Duration::from_secs(60), "{sat} {claimed:?}");
                seat.lock.enter();
                left += u64::from(seat.sit(who).is_some());
                seat.lock.exit();
                sat += 1;
                fetched += u64::from(seat.fetch(who.as_ptr(), false));
            }
            done.store(true, Relaxed);
        });
        left += u64::from(seat.rise().is_some());
        assert_eq!(fetched + left + claimed.into_inner(), sat);
    }
}
