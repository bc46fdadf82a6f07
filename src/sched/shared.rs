//! What other threads reach of a worker.

use super::counters::Counters;
use super::sleep::Sleep;
use super::waking::Idle;
use crate::green::record::{Record, RecordRef};
use crate::green::seat::Seat;
use crate::heap::Returned;
use crate::sys::inbox::Inbox;
use crate::sys::selector::Selector;
use crossbeam_deque::Stealer;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering::*};

/// See the module's head. Lives as long as the process.
pub(crate) struct Shared {
    pub(crate) index: usize,
    /// Its green threads, woken by other threads.
    pub(crate) inbox: Inbox<Record>,
    pub(crate) sleep: Sleep,
    /// Memory of its heap that other threads gave back.
    pub(crate) returned: Returned,
    pub(crate) selector: Selector,
    /// The kernel's number of its OS thread; 0 before that runs.
    pub(crate) thread: AtomicU32,
    /// Counts its rounds, for the monitor.
    pub(crate) round: AtomicU32,
    /// How many were runnable when its last round began.
    pub(crate) queued: AtomicU32,
    /// Of its last batch: how many turns, and how long they took, in nanoseconds.
    pub(crate) ran: AtomicU32,
    pub(crate) took: AtomicU64,
    /// Asleep: until when, unless it is woken.
    pub(crate) wakes_at: AtomicU64,
    pub(crate) counters: Counters,
    /// Whether others should take something off it, by the monitor's last look.
    pub(crate) strain: AtomicU32,
    /// The rest of the worker, which begins with this, for who claims it; null
    /// before it runs.
    pub(crate) local: AtomicPtr<Seat>,
    /// Some descriptor was registered: polling has a point.
    pub(crate) has_fds: AtomicBool,
    /// The end of its run queue that idle workers steal fresh ones from.
    pub(crate) stealer: Stealer<RecordRef>,
}

impl Idle for Shared {
    fn sleep(&self) -> &Sleep {
        &self.sleep
    }

    fn wake(&self) {
        self.selector.wake();
    }
}

impl Shared {
    /// That of the worker, once it runs: the one part of `local` that others may look at.
    pub(crate) fn seat(&self) -> Option<&Seat> {
        // SAFETY: null, or in what `become_worker` leaked.
        unsafe { self.local.load(Acquire).as_ref() }
    }

    /// # Errors
    /// No descriptors left for the selector.
    pub(super) fn new(index: usize, stealer: Stealer<RecordRef>) -> io::Result<Shared> {
        Ok(Shared {
            index,
            inbox: Inbox::new(),
            sleep: Sleep::new(),
            returned: Returned::new(),
            selector: Selector::new()?,
            thread: AtomicU32::new(0),
            round: AtomicU32::new(0),
            queued: AtomicU32::new(0),
            ran: AtomicU32::new(0),
            took: AtomicU64::new(0),
            wakes_at: AtomicU64::new(0),
            counters: Counters::new(),
            strain: AtomicU32::new(0),
            local: AtomicPtr::new(ptr::null_mut()),
            has_fds: AtomicBool::new(false),
            stealer,
        })
    }
}
