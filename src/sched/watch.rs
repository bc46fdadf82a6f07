//! How the monitor goes to sleep when all workers do, and is woken again.

use crate::sys::futex;
use std::sync::atomic::{AtomicU32, Ordering::*, fence};

const LOOKING: u32 = 0;
const ASLEEP: u32 = 1;

/// Whether the monitor has to be woken.
pub(crate) struct Watch(AtomicU32);

impl Watch {
    pub(crate) const fn new() -> Watch {
        Watch(AtomicU32::new(LOOKING))
    }

    /// A worker has woken. It has fenced after saying so.
    #[inline]
    pub(crate) fn wake(&self) {
        if self.0.load(Relaxed) == ASLEEP && self.0.swap(LOOKING, SeqCst) == ASLEEP {
            futex::wake_one(&self.0);
        }
    }

    /// Sleeps while `quiet`: announces, looks once more, waits, as a worker
    /// does (`sleep.rs`).
    pub(crate) fn sleep_while(&self, quiet: impl Fn() -> bool) {
        self.0.store(ASLEEP, SeqCst);
        fence(SeqCst);
        while quiet() && self.0.load(SeqCst) == ASLEEP {
            futex::wait(&self.0, ASLEEP, None);
        }
        self.0.store(LOOKING, SeqCst);
    }
}
