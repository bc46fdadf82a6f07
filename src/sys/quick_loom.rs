//! Every interleaving of the quick lock's moves: `quick.rs` once more, with a futex
//! and a barrier of loom's.

use super::{clock, lock};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};
use quick::Quick;

#[path = "quick.rs"]
#[allow(dead_code, reason = "not all of it is tried")]
mod quick;

/// What the kernel's barrier comes to: a full one on both sides.
mod barrier {
    use loom::sync::atomic::{Ordering::SeqCst, fence};

    pub(super) fn here() {
        fence(SeqCst);
    }

    pub(super) fn everywhere() -> bool {
        fence(SeqCst);
        true
    }
}

/// The kernel's futexes. All who sleep do so at the same word.
mod futex {
    use super::clock::Nanos;
    use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use loom::sync::{Condvar, Mutex};
    use std::cell::OnceCell;
    use std::ops::Deref;

    loom::lazy_static! {
        static ref SLEEPERS: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
    }

    /// Who sleeps here is woken, or the model finds that it sleeps for ever. Nothing
    /// relies on the barriers that the kernel has here too, so there are none.
    pub(super) fn wait(word: &Word, expected: u32, deadline: Option<Nanos>) {
        assert!(deadline.is_none(), "there is a barrier");
        let guard = SLEEPERS.0.lock().unwrap();
        if word.load(Relaxed) == expected {
            drop(SLEEPERS.1.wait(guard).unwrap());
        }
    }

    pub(super) fn wake_one(_: &Word) {
        let _guard = SLEEPERS.0.lock().unwrap();
        SLEEPERS.1.notify_one();
    }

    /// Loom's, made when it is first used: no constant has one.
    pub(super) struct Word(OnceCell<AtomicU32>, u32);

    impl Word {
        pub(super) const fn new(value: u32) -> Word {
            Word(OnceCell::new(), value)
        }
    }

    impl Deref for Word {
        type Target = AtomicU32;
        fn deref(&self) -> &AtomicU32 {
            self.0.get_or_init(|| AtomicU32::new(self.1))
        }
    }
}

type Count = Quick<UnsafeCell<u32>>;

fn count() -> Arc<Count> {
    let count = Arc::new(Quick::new(UnsafeCell::new(0)));
    drop(count.lock()); // its words are made here
    count
}

fn add_one(count: &Count) {
    // SAFETY: under the lock; loom checks that.
    count.lock().with_mut(|n| unsafe { *n += 1 });
}

fn adder(count: &Arc<Count>) -> JoinHandle<()> {
    let count = count.clone();
    thread::spawn(move || add_one(&count))
}

/// One at a time is inside, sees what the last one did, and nobody sleeps on.
#[test]
fn loom_two_lock_twice() {
    loom::model(|| {
        let count = count();
        let other = adder(&count);
        add_one(&count);
        add_one(&count);
        other.join().unwrap();
        // SAFETY: nobody else is left.
        assert_eq!(count.lock().with(|n| unsafe { *n }), 3);
    });
}

/// One who wakes up finds the lock taken by a third, while another sleeps.
#[test]
fn loom_three_lock() {
    let mut few = loom::model::Builder::new();
    few.preemption_bound = Some(3);
    few.check(|| {
        let count = count();
        let others = [adder(&count), adder(&count)];
        add_one(&count);
        others.into_iter().for_each(|other| other.join().unwrap());
        // SAFETY: nobody else is left.
        assert_eq!(count.lock().with(|n| unsafe { *n }), 3);
    });
}
