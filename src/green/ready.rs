//! Waiting for the first of several things.
//!
//! Each thing is a `Slot`, handed to whatever will tell it as a `Waiting`. A
//! slot that is told joins the others that have come, under the lock of their
//! `Ready`, and wakes the one that waits. Whoever waits takes them out in that
//! order. Before `Ready` and slots go, each slot must have left what tells it,
//! also one that was told: only then is the teller certain to be done with both.

use super::cancel::{park_or_end, raise};
use super::park::{Ready, Waiting, Wake};
use crate::sys::clock::Nanos;

impl Ready {
    /// Waits for what comes first, at most until `deadline`: its number. Unwinds
    /// if the caller is killed, or at the end of a `timeout`.
    pub(crate) fn wait(&self, deadline: Option<Nanos>) -> Option<usize> {
        loop {
            {
                let mut come = self.0.lock();
                if let Some(number) = come.take() {
                    return Some(number);
                }
                come.waiter = Some(Waiting::current());
            }
            let wake = park_or_end(deadline);
            if wake == Ok(Wake::Notified) {
                continue;
            }
            let mut come = self.0.lock();
            come.waiter = None;
            let last = come.take();
            drop(come);
            match wake {
                // What came together with it counts.
                Err(end) if last.is_none() => raise(end),
                _ => return last,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::green::park::Slot;

    impl Ready {
        /// What came first, if anything has come.
        pub(crate) fn take(&self) -> Option<usize> {
            self.0.lock().take()
        }
    }

    #[test]
    fn miri_what_comes_first_goes_first() {
        let ready = Ready::new();
        let slots = [0, 1, 2].map(|n| Slot::new(&ready, n));
        assert_eq!(ready.wait(Some(0)), None);
        std::thread::scope(|s| {
            let (told, wait) = std::sync::mpsc::channel();
            let (ready, slots) = (&ready, &slots);
            struct Shared<'a>(&'a [Slot; 3]);
            // SAFETY: each slot is told once, by one thread.
            unsafe impl Send for Shared<'_> {}
            let shared = Shared(slots);
            s.spawn(move || {
                let shared = shared;
                for n in [2, 0] {
                    shared.0[n].tell().finish();
                }
                told.send(()).unwrap();
            });
            assert_eq!(ready.wait(None), Some(2));
            assert_eq!(ready.wait(None), Some(0));
            wait.recv().unwrap();
            slots[1].tell().finish();
            assert_eq!((ready.take(), ready.take()), (Some(1), None));
        });
    }
}
