//! What is known about one descriptor number, and who waits for it.
//!
//! An entry lies at a fixed address for ever and is valid when all zero. Its
//! lock guards the waiters, the registration and the generation; flags,
//! timeouts and ticks are also read without it.
//!
//! **Readiness.** Each direction counts a *tick* per event. An operation takes
//! a [`Seen`] snapshot, tries, and if it would block, waits only if the tick is
//! still the same: an event in between means "try again". A read on a TCP
//! socket that got less than it asked for has emptied it, so it marks the tick
//! *drained*, and the next operation waits without trying; an event clears the
//! mark. The mark is never set once the peer has closed, failed or sent urgent
//! data, because then a short read may have stopped before the end. (So may one
//! into a partly unmapped buffer; the next then waits for an event.) A short
//! write marks nothing: the retry costs little, and finds such a fault.
//!
//! **Whom an event wakes.** The first waiter of its direction; that one tries,
//! and unless it found nothing passes the wake-up on, so that many waiters do
//! not stampede and none is forgotten. Who only looks (poll) is always woken.

pub(crate) use super::words::*;

use super::line::{Line, Status, Waiter, Whom};
use crate::green::record::Record;
use crate::sys::lock::{RawGuard, RawLock};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// One descriptor number.
#[repr(C, align(128))]
pub(crate) struct Entry {
    lock: RawLock,
    flags: AtomicU32,
    read: Direction,
    write: Direction,
    /// Changed under the lock.
    generation: AtomicU32,
    // What every operation needs ends here, within one cache line.
    /// Index + 1 of the worker whose selector has it. Under the lock.
    worker: Cell<u32>,
    /// The next descriptor number + 1 of the same file, in a ring; 0: alone.
    /// Changed under the table's lock for rings.
    pub(crate) sibling: AtomicU32,
    /// SO_RCVTIMEO and SO_SNDTIMEO in nanoseconds; 0: none.
    recv_timeout: AtomicU64,
    send_timeout: AtomicU64,
}

const _: () = assert!(std::mem::offset_of!(Entry, worker) <= 64);

// SAFETY: the cells are used under the entry's lock or the rings' lock.
unsafe impl Sync for Entry {}

struct Direction {
    /// Tick, shifted left by one, and the drained mark. Ticks never start
    /// again, so that a mark cannot hit a later owner of the number.
    state: AtomicU64,
    /// Who waits. Changed under the lock.
    line: Line,
}

/// A direction's state as an operation found it before it tried.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    state: u64,
    pub(crate) generation: u32,
    /// A short read would prove that nothing is left.
    inferring: bool,
}

impl Seen {
    /// Nothing is there: wait without trying.
    #[inline]
    pub(crate) fn drained(self) -> bool {
        self.state & 1 != 0
    }
}

impl Entry {
    #[inline]
    pub(crate) fn flags(&self) -> u32 {
        self.flags.load(Acquire)
    }

    pub(crate) fn kind(&self) -> Kind {
        kind_of(self.flags())
    }

    /// Whether it is known, and as something that calls may wait for.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        // `Other` is no kind's bit.
        self.flags() & (KNOWN | KIND) > KNOWN
    }

    /// Sets and clears flags. Callers of conflicting changes hold the lock.
    pub(crate) fn change_flags(&self, set: u32, clear: u32) {
        if clear != 0 {
            self.flags.fetch_and(!clear, AcqRel);
        }
        if set != 0 {
            self.flags.fetch_or(set, AcqRel);
        }
    }

    /// As `change_flags`, unless it will be asked for its mode when it is known.
    pub(crate) fn note_mode(&self, set: u32, clear: u32) {
        if self.flags() & (KNOWN | FORCED_NONBLOCK) != 0 {
            self.change_flags(set, clear);
        }
    }

    /// The timeout of operations in this direction in nanoseconds; 0: none.
    #[inline]
    pub(crate) fn timeout(&self, dir: Dir) -> u64 {
        if self.flags() & TIMED == 0 { 0 } else { self.timeouts()[dir as usize].load(Relaxed) }
    }

    /// Sets what `timeout` says.
    pub(crate) fn set_timeout(&self, dir: Dir, nanos: u64) {
        self.timeouts()[dir as usize].store(nanos, Relaxed);
        self.change_flags(self.timed(), 0);
    }

    fn timeouts(&self) -> [&AtomicU64; 2] {
        [&self.recv_timeout, &self.send_timeout]
    }

    fn timed(&self) -> u32 {
        let any = self.timeouts().iter().any(|t| t.load(Relaxed) != 0);
        if any { TIMED } else { 0 }
    }

    #[inline]
    fn dir(&self, dir: Dir) -> &Direction {
        match dir {
            Dir::Read => &self.read,
            Dir::Write => &self.write,
        }
    }

    /// Where the first that waits to read is. A hint, not to be looked at.
    #[inline]
    pub(super) fn first_reader(&self) -> *const Waiter {
        self.read.line.first()
    }

    /// Call before each try.
    #[inline]
    pub(crate) fn look(&self, dir: Dir) -> Seen {
        // The flags first: if they say REGISTERED, every edge from then on
        // will raise the tick that is read second.
        let flags = self.flags();
        let wants = REGISTERED | (Kind::Tcp as u32) << 1;
        let inferring = flags & (REGISTERED | KIND | NO_INFERENCE) == wants;
        let generation = self.generation();
        Seen { state: self.dir(dir).state.load(Acquire), generation, inferring }
    }

    /// Which owner of the number this is.
    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Relaxed)
    }

    /// A read after `seen` got less than it could have.
    #[inline]
    pub(crate) fn drained(&self, dir: Dir, seen: Seen) {
        // Fails if an event came meanwhile: then there may be something again.
        if seen.inferring && self.flags() & NO_INFERENCE == 0 {
            let state = &self.dir(dir).state;
            let _ = state.compare_exchange(seen.state, seen.state | 1, AcqRel, Relaxed);
        }
    }

    /// Whether somebody stands in line; a hint, exact for one who was notified.
    #[inline]
    pub(crate) fn has_waiters(&self, dir: Dir) -> bool {
        !self.dir(dir).line.is_empty()
    }

    /// Forgets without the lock, in a fork's child, where nobody waits.
    pub(crate) fn abandon(&self) {
        self.flags.store(0, Release);
    }

    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked { entry: self, _guard: self.lock.lock() }
    }
}

/// A locked entry.
pub(crate) struct Locked<'a> {
    entry: &'a Entry,
    _guard: RawGuard<'a>,
}

impl Locked<'_> {
    pub(crate) fn generation(&self) -> u32 {
        self.entry.generation()
    }

    /// The worker whose selector has it.
    pub(crate) fn registered(&self) -> Option<usize> {
        self.entry.worker.get().checked_sub(1).map(|index| index as usize)
    }

    pub(crate) fn set_registered(&self, worker: usize) {
        self.entry.worker.set(worker as u32 + 1);
        self.entry.change_flags(REGISTERED, 0);
    }

    /// Starts a description of the descriptor that is open now.
    pub(crate) fn describe(&self, kind: Kind, flags: u32) {
        let entry = self.entry;
        entry.flags.store(KNOWN | entry.timed() | (kind as u32) << 1 | flags, Release);
    }

    /// Forgets everything: the number is being closed, or belongs to a new
    /// descriptor. Waiters wake and find that.
    pub(crate) fn forget(&self) {
        let entry = self.entry;
        entry.flags.store(0, Release);
        entry.recv_timeout.store(0, Relaxed);
        entry.send_timeout.store(0, Relaxed);
        entry.generation.fetch_add(1, Relaxed);
        entry.worker.set(0);
        for dir in [Dir::Read, Dir::Write] {
            self.raise(dir);
            while self.wake(dir, Whom::Anybody, Status::Closed) {}
        }
    }

    /// The next tick.
    fn raise(&self, dir: Dir) {
        let state = &self.entry.dir(dir).state;
        // Only the lock's holder raises; a concurrent `drained` loses or is
        // overwritten, and either is right.
        state.store((state.load(Relaxed) | 1) + 1, Release);
    }

    /// An event for this direction.
    pub(crate) fn event(&self, dir: Dir, ended: bool) {
        if ended {
            // Before the tick: whoever sees the new tick sees this too.
            self.entry.change_flags(NO_INFERENCE, 0);
        }
        self.raise(dir);
        while self.wake(dir, Whom::Looker, Status::Notified) {}
        self.wake(dir, Whom::Taker, Status::Notified);
    }

    /// Passes a wake-up on to the next that would take something.
    pub(crate) fn pass_on(&self, dir: Dir) {
        self.wake(dir, Whom::Taker, Status::Notified);
    }

    fn wake(&self, dir: Dir, whom: Whom, why: Status) -> bool {
        // SAFETY: `self` is the lock.
        unsafe { self.entry.dir(dir).line.wake_first(whom, why) }
    }

    /// Stands `waiter` at the end of the line, unless an event or a close came
    /// after `seen`: then false.
    ///
    /// # Safety
    /// `waiter` stays where it is for as long as its status says `Queued`.
    pub(crate) unsafe fn queue(&self, dir: Dir, seen: Seen, waiter: &Waiter) -> bool {
        let direction = self.entry.dir(dir);
        let unchanged = direction.state.load(Relaxed) >> 1 == seen.state >> 1;
        if unchanged {
            // SAFETY: `self` is the lock; the rest is the caller's promise.
            unsafe { direction.line.push(waiter) };
        }
        unchanged
    }

    /// Shows who waits in this direction.
    pub(crate) fn each_waiter(&self, dir: Dir, show: impl FnMut(*const Record)) {
        // SAFETY: `self` is the lock.
        unsafe { self.entry.dir(dir).line.each(show) }
    }

    /// What became of `waiter`.
    pub(crate) fn status(&self, waiter: &Waiter) -> Status {
        waiter.status()
    }

    /// Takes `waiter` out of the line if it is still there.
    pub(crate) fn leave(&self, dir: Dir, waiter: &Waiter) {
        // SAFETY: `self` is the lock, and a target has one line.
        unsafe { self.entry.dir(dir).line.remove(waiter) }
    }
}
