//! A lock that costs its owner next to nothing.
//!
//! One thread owns it for life and passes it all the time; others claim it
//! once in a while. The owner stores, loads and stores, with no atomic
//! read-modify-write and no fence; the full barrier between its store and its
//! load is supplied by the claimant, who asks the kernel to run one on every
//! CPU that runs this process (membarrier(2)). After D. Dice, M. Moir,
//! W. Scherer, "Quickly Reacquirable Locks" (2003).
//!
//! Either the claimant sees `busy`, or the owner sees `claimed` when it next
//! enters, and waits.

use super::barrier;
use super::futex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*, fence};

/// See the module's head. Free at first.
pub(crate) struct Biased {
    /// The owner is inside.
    busy: AtomicBool,
    /// Somebody else is, or tries.
    claimed: AtomicU32,
}

impl Biased {
    pub(crate) const fn new() -> Biased {
        Biased { busy: AtomicBool::new(false), claimed: AtomicU32::new(0) }
    }

    /// The owner goes in. What earlier claimants did is visible.
    #[inline]
    pub(crate) fn enter(&self) {
        if !self.try_enter() {
            self.enter_after_claim();
        }
    }

    #[cold]
    fn enter_after_claim(&self) {
        loop {
            self.busy.store(false, Release);
            while self.claimed.load(Acquire) != 0 {
                futex::wait(&self.claimed, 1, None);
            }
            self.busy.store(true, Relaxed);
            fence(SeqCst);
            if self.claimed.load(Acquire) == 0 {
                return;
            }
        }
    }

    /// As `enter`, but false if somebody else is inside, or tries: for an owner that
    /// holds what he may wait for.
    #[inline]
    pub(crate) fn try_enter(&self) -> bool {
        self.busy.store(true, Relaxed);
        barrier::here(); // a claimant's `everywhere` orders these two
        let enters = self.claimed.load(Acquire) == 0;
        if !enters {
            self.busy.store(false, Release);
        }
        enters
    }

    /// As `enter`, by an owner that may be inside already, in a signal handler that has
    /// interrupted anything here; whether it was, and then it does not go out again.
    pub(crate) fn enter_again(&self) -> bool {
        if !self.busy.load(Relaxed) {
            self.enter();
            return false;
        }
        // It stays so: who tries now gives up. But it may be about to find that somebody
        // was let in before.
        barrier::here();
        while self.claimed.load(Acquire) != 0 {
            futex::wait(&self.claimed, 1, None);
        }
        true
    }

    /// The owner goes out.
    #[inline]
    pub(crate) fn exit(&self) {
        self.busy.store(false, Release);
    }

    /// Another thread goes in, if nobody is.
    pub(crate) fn try_claim(&self) -> Option<Claim<'_>> {
        if self.claimed.compare_exchange(0, 1, SeqCst, Relaxed).is_err() {
            return None;
        }
        let claim = Claim(self);
        // Acquire pairs with `exit`: what the owner did is visible.
        (barrier::everywhere() && !self.busy.load(Acquire)).then_some(claim)
    }
}

/// Proof that the owner is kept out; lets it in again when dropped.
pub(crate) struct Claim<'a>(&'a Biased);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.claimed.store(0, Release);
        futex::wake_all(&self.0.claimed);
    }
}

#[cfg(all(test, not(miri), not(loom)))]
mod tests {
    use super::*;
    use std::cell::{Cell, UnsafeCell};

    /// The owner counts without atomics, and so do claimants.
    #[test]
    fn excludes_each_other() {
        struct Shared(Biased, UnsafeCell<u64>);
        // SAFETY: the cell is used inside the lock.
        unsafe impl Sync for Shared {}
        impl Shared {
            /// # Safety
            /// Inside the lock.
            unsafe fn count(&self) {
                // SAFETY: one thread at a time is inside.
                unsafe { *self.1.get() += 1 }
            }
        }
        assert!(barrier::prepare());
        let shared = Shared(Biased::new(), UnsafeCell::new(0));
        let (claims, done) = (AtomicU32::new(0), AtomicBool::new(false));
        let (shared, mut turns) = (&shared, 0);
        std::thread::scope(|s| {
            s.spawn(|| {
                while !done.load(Relaxed) {
                    if let Some(_claim) = shared.0.try_claim() {
                        // SAFETY: claimed.
                        unsafe { shared.count() };
                        claims.fetch_add(1, Relaxed);
                    }
                }
            });
            // Until both have been inside often enough to meet.
            while turns < 200_000 || claims.load(Relaxed) < 100 {
                shared.0.enter();
                // SAFETY: entered, by the owner.
                unsafe { shared.count() };
                shared.0.exit();
                turns += 1;
            }
            done.store(true, Relaxed);
        });
        let claims = u64::from(claims.into_inner());
        // SAFETY: nobody else is left.
        assert_eq!(unsafe { *shared.1.get() }, turns + claims);
    }

    /// Who enters again is never out in between.
    #[test]
    fn entering_again_lets_nobody_in() {
        struct Shared(Biased, UnsafeCell<u64>);
        // SAFETY: the cell is used inside the lock.
        unsafe impl Sync for Shared {}
        impl Shared {
            /// # Safety
            /// Inside the lock.
            unsafe fn number(&self) -> &Cell<u64> {
                // SAFETY: one thread at a time is inside.
                unsafe { &*self.1.get().cast::<Cell<u64>>() }
            }
        }
        assert!(barrier::prepare());
        let shared = Shared(Biased::new(), UnsafeCell::new(0));
        let (claims, done) = (AtomicU32::new(0), AtomicBool::new(false));
        let shared = &shared;
        std::thread::scope(|s| {
            s.spawn(|| {
                while !done.load(Relaxed) {
                    if let Some(_claim) = shared.0.try_claim() {
                        // SAFETY: claimed.
                        let number = unsafe { shared.number() };
                        number.set(number.get() + 1);
                        claims.fetch_add(1, Relaxed);
                    }
                }
            });
            let (mut turns, mut wrong) = (0, 0);
            while turns < 200_000 || claims.load(Relaxed) < 100 {
                let was_inside = shared.0.enter_again();
                // SAFETY: entered, by the owner.
                let number = unsafe { shared.number() };
                let before = number.get();
                let stayed = (0..3).all(|_| shared.0.enter_again());
                wrong += u32::from(was_inside || !stayed || number.get() != before);
                shared.0.exit();
                turns += 1;
            }
            done.store(true, Relaxed);
            assert_eq!(wrong, 0);
        });
    }
}
