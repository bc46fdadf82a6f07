//! One permit: what mutexes are made of. Until somebody has had to wait, it goes
//! through a gate (`sys/gate.rs`); from then on it is one of `Permits`, which go to those
//! who wait in the order in which they came.

use super::line::Outcome;
use super::permits::Permits;
use crate::green::why::Kind;
use crate::sys::barrier::UNSEEN;
use crate::sys::clock::{self, Nanos};
use crate::sys::gate::{Gate, Left, Taken};

/// See the module's head.
#[repr(C)] // those in line wait for the first, and so for the whole
pub(crate) struct Single {
    permits: Permits,
    gate: Gate,
}

impl Single {
    /// Free; those who wait for it wait for a `kind`.
    pub(crate) const fn new(kind: Kind) -> Single {
        Single { permits: Permits::new(0, 1).of(kind), gate: Gate::new() }
    }

    #[inline]
    pub(crate) fn try_acquire(&self) -> bool {
        match self.gate.take() {
            Taken::Mine => true,
            Taken::Held => false,
            Taken::Shared => self.permits.try_acquire(),
        }
    }

    /// Waits for it, at most until `deadline`.
    #[inline]
    pub(crate) fn acquire(&self, deadline: Option<Nanos>) -> Outcome {
        match self.gate.take() {
            Taken::Mine => Outcome::Granted,
            Taken::Held => self.acquire_shared(deadline),
            Taken::Shared => self.permits.acquire(deadline),
        }
    }

    #[cold]
    fn acquire_shared(&self, deadline: Option<Nanos>) -> Outcome {
        let seen = self.gate.want();
        self.put(self.gate.close());
        if !seen && !self.gate.is_shared() {
            // So long the gate's holder may not notice that it is wanted.
            let over = clock::now().saturating_add(UNSEEN);
            let soon = over.min(deadline.unwrap_or(Nanos::MAX));
            if self.permits.acquire(Some(soon)) == Outcome::Granted {
                return Outcome::Granted;
            }
            // Once, and for all who come: they would lose their places in line, and
            // while a timer is armed nobody sees that everybody waits for ever.
            if soon == over {
                self.gate.seen();
            }
            self.put(self.gate.close());
        }
        self.permits.acquire(deadline)
    }

    /// Gives it back, to who waits longest if anybody does.
    #[inline]
    pub(crate) fn release(&self) {
        self.put(self.gate.leave());
    }

    #[inline]
    fn put(&self, left: Left) {
        if left == Left::Elsewhere {
            self.permits.release();
        }
    }

    /// Whether somebody has it.
    pub(crate) fn is_taken(&self) -> bool {
        self.gate.is_held() || self.gate.is_shared() && self.permits.free() == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_single_one() {
        let one = Single::new(Kind::Permit);
        assert!(!one.is_taken() && one.try_acquire() && one.is_taken() && !one.try_acquire());
        one.release();
        assert!(!one.is_taken());
        assert_eq!(one.acquire(None), Outcome::Granted);
        assert_eq!(one.acquire(Some(0)), Outcome::TimedOut);
        assert!(one.is_taken() && !one.gate.is_shared());
        one.release(); // it was wanted
        assert!(!one.is_taken() && one.gate.is_shared());
        assert!(one.try_acquire() && one.is_taken() && !one.try_acquire());
        assert_eq!(one.acquire(Some(0)), Outcome::TimedOut);
        one.release();
        assert_eq!(one.acquire(Some(0)), Outcome::Granted);
    }

    /// The holder gives it back without a look, again and again, while others come.
    #[test]
    fn whoever_waits_gets_it() {
        for _ in 0..if cfg!(miri) { 2 } else { 2000 } {
            let (one, mut count) = (Single::new(Kind::Permit), 0_u32);
            let there = Together(&one, &raw mut count);
            std::thread::scope(|s| {
                for _ in 0..3 {
                    s.spawn(move || (0..10).for_each(|_| there.count()));
                }
            });
            assert_eq!(count, 30);
        }
    }

    #[derive(Clone, Copy)]
    struct Together<'a>(&'a Single, *mut u32);
    // SAFETY: the number is reached by who has the permit.
    unsafe impl Send for Together<'_> {}

    impl Together<'_> {
        fn count(self) {
            assert_eq!(self.0.acquire(None), Outcome::Granted);
            // SAFETY: by one thread at a time; it lives in the scope's caller.
            unsafe { *self.1 += 1 };
            self.0.release();
        }
    }
}
