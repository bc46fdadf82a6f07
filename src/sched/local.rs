//! One worker's data: what only its OS thread touches. `shared.rs` has the rest.

use super::affine::Affine;
use super::run_queue::RunQueue;
use super::shared::Shared;
use super::timers::{TimerKey, Timers};
use crate::green::current;
use crate::green::record::{Record, RecordRef};
use crate::green::seat::Seat;
use crate::heap::Heap;
use crate::stack::StackCache;
use crate::sys::atomic::AtomicPtr;
use crate::sys::clock::Nanos;
use crate::sys::inbox::Linked;
use crate::sys::owner::OwnerCell;
use crate::sys::raw;
use crate::sys::tls::{self, Block, Numbers};
use std::cell::Cell;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::*;

// SAFETY: `link` is one field, which only inboxes use, and a record stands in
// at most one: the scheduler's single reference goes with it.
unsafe impl Linked for Record {
    fn link(&self) -> &AtomicPtr<Record> {
        &self.link
    }
}

/// What only the worker's own OS thread touches, from its loop and from the
/// green threads that it runs.
#[repr(C)] // its seat, which records know, is where it begins
pub(crate) struct Local {
    /// Its lock is that of all of this.
    pub(crate) seat: Seat,
    pub(crate) shared: &'static Shared,
    pub(crate) run: OwnerCell<RunQueue<RecordRef>>,
    timers: OwnerCell<Timers<Parked>>,
    pub(crate) stacks: OwnerCell<StackCache>,
    pub(super) heap: OwnerCell<Heap>,
    /// For the green threads that begin here.
    numbers: OwnerCell<Numbers>,
    /// Since stacks and heap were last trimmed, they may have come to hold what is spare.
    pub(super) spare: Cell<bool>,
    /// Where the alternate signal stack begins that it began with, and its size, while it has
    /// that one.
    pub(super) alt_stack: Cell<Option<(usize, usize)>>,
    pub(super) affine: Affine,
    /// Of this round's turns, those that hand-overs have left.
    pub(super) turns_left: Cell<u32>,
    /// The thread-locals of its OS thread.
    pub(super) block: Cell<Option<Block>>,
    _owned: Owned,
}

/// The right to free a worker's `Shared`, used if the runtime could not start:
/// a failed attempt costs no descriptors.
struct Owned(NonNull<Shared>);

// SAFETY: `Shared` may be dropped on any thread.
unsafe impl Send for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: from a box in `Local::new`. A worker that runs is never
        // dropped, and one that does not run was shown to nobody.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// A parked green thread with an armed timer. Uncounted: the timer is disarmed
/// before it runs again, so it cannot have ended.
struct Parked(NonNull<Record>);

// SAFETY: `Local` moves to its OS thread once, before any timer is armed.
unsafe impl Send for Parked {}

thread_local!(pub(super) static LOCAL: Cell<*const Local> = const { Cell::new(ptr::null()) });

thread_local!(pub(super) static ABROAD: Cell<bool> = const { Cell::new(false) });

/// Until dropped, wake-ups go to inboxes, this worker's own too: for what may
/// run in the middle of the runtime, such as an allocator that unlocks.
pub(crate) struct Abroad(bool);

impl Abroad {
    pub(crate) fn enter() -> Abroad {
        Abroad(ABROAD.replace(true))
    }
}

impl Drop for Abroad {
    fn drop(&mut self) {
        ABROAD.set(self.0);
    }
}

/// The worker that this OS thread is, if it is one.
#[inline]
pub(crate) fn get<'a>() -> Option<&'a Local> {
    let mut local = LOCAL.get();
    if local.is_null() {
        // A green thread with thread-locals of its own.
        local = current::get()?.own.seat.get().cast();
    }
    // SAFETY: set by `become_worker`, or from it by the worker, to a value that
    // is never freed.
    unsafe { local.as_ref() }
}

impl Local {
    /// # Errors
    /// No descriptors left for the selector.
    pub(crate) fn new(index: usize) -> io::Result<Local> {
        let run = RunQueue::new();
        let owned = Owned(NonNull::from(Box::leak(Box::new(Shared::new(index, run.stealer())?))));
        // SAFETY: lives until `owned` is dropped, which see.
        let shared: &'static Shared = unsafe { owned.0.as_ref() };
        Ok(Local {
            shared,
            seat: Seat::new(index as u32 + 1),
            run: OwnerCell::new(run),
            timers: OwnerCell::new(Timers::new()),
            stacks: OwnerCell::new(StackCache::new()),
            heap: OwnerCell::new(Heap::new(&shared.returned)),
            numbers: OwnerCell::new(Numbers::new()),
            spare: Cell::new(false),
            alt_stack: Cell::new(None),
            affine: Affine::new(index),
            turns_left: Cell::new(0),
            _owned: owned,
            block: Cell::new(None),
        })
    }

    /// Makes the calling OS thread this worker, for good: it is never dropped.
    pub(crate) fn become_worker(self) -> &'static Local {
        let local = Box::leak(Box::new(self));
        local.block.set(Some(tls::current()));
        local.seat.lock.enter();
        local.shared.thread.store(raw::thread_id(), Relaxed);
        local.shared.local.store(local.whole().cast_mut(), Release);
        LOCAL.set(local);
        local
    }

    /// It begins with its seat; a pointer from a `&Seat` would reach no further.
    #[inline]
    pub(crate) fn whole(&self) -> *const Seat {
        ptr::from_ref(self).cast()
    }

    /// Runs `f` on the run queue: from the worker's loop, or from a green
    /// thread that it runs.
    #[inline]
    pub(crate) fn queue<R>(&self, f: impl FnOnce(&mut RunQueue<RecordRef>) -> R) -> R {
        // It may allocate, and an allocator may call what is patched.
        let _inside = current::Inside::enter();
        if !LOCAL.get().is_null() {
            // SAFETY: the worker is inside its lock, or nobody claims it; the
            // owning OS thread, and `f` does not nest.
            return unsafe { self.run.with(f) };
        }
        self.seat.lock.enter();
        // SAFETY: entered, on the owning OS thread.
        let r = unsafe { self.run.with(f) };
        self.seat.lock.exit();
        r
    }

    /// What libc is to tell the next one by that begins here.
    pub(crate) fn number(&self) -> u32 {
        // SAFETY: the owning OS thread; taking one does not nest.
        unsafe { self.numbers.with(Numbers::take) }
    }

    /// The stack of `thread`, which has ended here.
    pub(super) fn take_stack(&self, thread: &Record) {
        // SAFETY: its worker, and it never goes on.
        let stack = unsafe { (*thread.own.coroutine.get()).take().map(|c| c.into_stack()) };
        let Some(stack) = stack else { return };
        self.spare.set(true);
        stack.tag().end();
        // SAFETY: as above, once.
        if let Some(stack) = unsafe { thread.ended(stack) } {
            // SAFETY: the owning OS thread; giving does not nest.
            unsafe { self.stacks.with(|s| s.give(stack)) };
        }
    }

    /// Whether `arm` need not allocate.
    pub(super) fn has_timer(&self) -> bool {
        // SAFETY: as in `arm`.
        unsafe { self.timers.with(|t| t.has_room()) }
    }

    /// Arms the timer of a green thread that has parked; false if memory has
    /// run out.
    pub(crate) fn arm(&self, record: &Record, deadline: Nanos) -> bool {
        let parked = Parked(NonNull::from(record));
        // SAFETY: the owning OS thread; arming does not nest.
        match unsafe { self.timers.with(|t| t.arm(deadline, parked)) } {
            Ok(key) => record.own.timer.set(Some(key.to_raw())),
            Err(_) => return false,
        }
        true
    }

    /// Disarms what `arm` armed, unless it has fired.
    #[inline]
    pub(crate) fn disarm(&self, record: &Record) {
        if let Some(key) = record.own.timer.take() {
            // SAFETY: as in `arm`.
            unsafe { self.timers.with(|t| t.cancel(TimerKey::from_raw(key))) };
        }
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Nanos> {
        // SAFETY: as in `arm`.
        unsafe { self.timers.with(|t| t.next()) }
    }

    /// Wakes every green thread whose deadline is past.
    pub(crate) fn fire_timers(&self, now: Nanos) {
        // SAFETY: as in `arm`: each access ends before the wake-up.
        while let Some(Parked(record)) = unsafe { self.timers.with(|t| t.pop_due(now)) } {
            // SAFETY: parked or queued, so alive (see `Parked`).
            let record = unsafe { record.as_ref() };
            self.shared.counters.timers.add(1);
            record.own.timer.set(None);
            record.own.timed_out.set(true);
            record.unpark();
        }
    }

    /// `thread` sits down, and who sat here parks; given back if it was notified
    /// before, and is to be queued. In the worker's loop.
    #[inline]
    pub(crate) fn sit(&self, thread: RecordRef) -> Option<RecordRef> {
        let before = self.seat.sit(thread.into_raw().cast())?;
        // SAFETY: it was left here below, with its reference.
        unsafe { RecordRef::from_raw(before.cast()) }.park()
    }

    /// As `sit`, for nobody. Also by who has claimed this worker.
    #[inline]
    pub(crate) fn unseat(&self) -> Option<RecordRef> {
        // SAFETY: as in `sit`.
        unsafe { RecordRef::from_raw(self.seat.rise()?.cast()) }.park()
    }

    /// Registers `fd` with this worker's selector.
    pub(crate) fn register(&self, fd: i32, key: u64) -> Result<(), crate::sys::errno::Errno> {
        self.shared.selector.add(fd, key)?;
        self.shared.has_fds.store(true, Relaxed);
        Ok(())
    }
}
