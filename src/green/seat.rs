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
    #[inline]
    pub(crate) fn fetch(&self, who: *const (), inside: bool) -> bool {
        if !inside {
            self.lock.enter();
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
