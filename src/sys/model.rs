//! What the quick locks stand on, as loom's: for `quick_loom.rs`, `gate_loom.rs`
//! and `favour_loom.rs`, which include those once more beside this.

/// Tries all interleavings of `model` in which threads are interrupted so often at most where
/// they need not wait: all there are would be too many.
pub(super) fn few(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut few = loom::model::Builder::new();
    few.preemption_bound = Some(preemptions);
    few.check(model);
}

/// What the kernel's barrier comes to for who runs it and each other: a full one on both
/// sides. (Others have nothing among themselves, but for here.)
pub(super) mod barrier {
    use loom::sync::atomic::{Ordering::SeqCst, fence};

    pub(in super::super) fn here() {
        fence(SeqCst);
    }

    pub(in super::super) fn everywhere() -> bool {
        fence(SeqCst);
        true
    }

    pub(in super::super) fn everywhere_in_time() {
        fence(SeqCst);
    }
}

/// The kernel's futexes. All who sleep do so at the same word.
pub(super) mod futex {
    use crate::sys::clock::Nanos;
    use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use loom::sync::{Condvar, Mutex};
    use std::cell::OnceCell;
    use std::ops::Deref;

    loom::lazy_static! {
        static ref SLEEPERS: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
    }

    /// Who sleeps here is woken, or the model finds that it sleeps for ever. Nothing
    /// relies on the barriers that the kernel has here too, so there are none.
    pub(in super::super) fn wait(word: &Word, expected: u32, deadline: Option<Nanos>) {
        assert!(deadline.is_none(), "there is a barrier");
        let guard = SLEEPERS.0.lock().unwrap();
        if word.load(Relaxed) == expected {
            drop(SLEEPERS.1.wait(guard).unwrap());
        }
    }

    pub(in super::super) fn wake_one(_: &Word) {
        let _guard = SLEEPERS.0.lock().unwrap();
        SLEEPERS.1.notify_one();
    }

    /// Loom's, made when it is first used: no constant has one.
    pub(in super::super) struct Word(OnceCell<AtomicU32>, u32);

    impl Word {
        pub(in super::super) const fn new(value: u32) -> Word {
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
