//! One part of the table of those who wait.
//!
//! A signal handler may wake (`sem_post`), and may have interrupted its thread
//! while that held a shard's lock. So each thread marks that it holds one, and
//! a wake under that mark never waits for the lock: it leaves a note at the
//! shard, which whoever holds the lock reads after unlocking. Others that only
//! try may hold it for a moment, too, in vain; they begin again after that, until
//! they have it or find somebody, and so nobody is left a note that he misses.

use super::waiter::{Line, Rest, Sleeper, Waited, Waiter};
use crate::green::current;
use crate::green::record::Record;
use crate::sched::local::Abroad;
use crate::sched::start;
use crate::sys::barrier;
use crate::sys::favour::{Favour, Guard, Tried};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*, compiler_fence};

/// How many are woken at a time.
pub(super) const BATCH: usize = 16;

thread_local!(static HOLDS: Cell<bool> = const { Cell::new(false) });

/// In a cache line of its own.
#[repr(align(64))]
pub(super) struct Shard {
    /// How many wait here. Changed under the lock.
    waiting: AtomicU32,
    /// A wake could not have the lock.
    postponed: AtomicBool,
    line: Favour<Line>,
}

/// The held lock of a shard.
pub(super) struct Held<'a> {
    shard: &'a Shard,
    line: ManuallyDrop<Guard<'a, Line>>,
    /// Whether this thread held one before: it is in a signal handler.
    before: bool,
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: once, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.line) };
        // Who sets it has a barrier run here, between that and his next try.
        compiler_fence(SeqCst);
        let postponed = self.shard.postponed.load(Relaxed);
        compiler_fence(SeqCst);
        HOLDS.set(self.before);
        if postponed {
            self.shard.catch_up();
        }
    }
}

impl Deref for Held<'_> {
    type Target = Line;
    #[inline]
    fn deref(&self) -> &Line {
        &self.line
    }
}

impl DerefMut for Held<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Line {
        &mut self.line
    }
}

impl Shard {
    pub(super) const fn new() -> Shard {
        Shard {
            waiting: AtomicU32::new(0),
            postponed: AtomicBool::new(false),
            line: Favour::new(Line::new()),
        }
    }

    /// For those who wait, and for wakes where `HOLDS` is not set.
    #[inline]
    pub(super) fn lock(&self) -> Held<'_> {
        let before = HOLDS.replace(true);
        compiler_fence(SeqCst);
        // SAFETY: a worker's number stands for its OS thread, nobody suspends while
        // inside, and who locks again (a signal handler) sees `HOLDS`, and only tries. One
        // that has left the interrupted thread-locals, to fork, comes as nobody, and waits.
        let line = unsafe { self.line.lock(current::worker()) };
        Held { shard: self, line: ManuallyDrop::new(line), before }
    }

    /// `None` if it is held, and maybe by what this signal handler interrupted: then
    /// whoever holds it wakes the whole line once it is done. Also in a fork's child,
    /// where nobody waits, and the lock may be held for ever.
    #[inline]
    fn lock_to_wake(&self) -> Option<Held<'_>> {
        if HOLDS.get() || start::is_forked() { self.lock_or_postpone() } else { Some(self.lock()) }
    }

    #[cold]
    fn lock_or_postpone(&self) -> Option<Held<'_>> {
        let mut noted = false;
        while !start::is_forked() {
            // SAFETY: as in `lock`.
            match unsafe { self.line.try_lock(current::worker()) } {
                Tried::Inside(line) => {
                    return Some(Held { shard: self, line: ManuallyDrop::new(line), before: true });
                }
                Tried::Held if noted => return None,
                Tried::Held => {
                    // A holder that unlocks after this sees it, and one that has
                    // unlocked before leaves the lock to the next try.
                    self.postponed.swap(true, SeqCst);
                    barrier::everywhere_in_time();
                    noted = true;
                }
                // Somebody may have left him a note, and been left one, since.
                Tried::Again => noted = false,
            }
        }
        None
    }

    /// Whether anybody waits here, or is about to: then he has the lock, or has it so
    /// often that it cannot be seen. Of this *no* is only true after a fence of the caller's.
    #[inline]
    pub(super) fn seems_awaited(&self) -> bool {
        // *Yes* in any order; *no* in this one: who unlocks meanwhile has counted himself
        // before.
        self.waiting.load(Relaxed) != 0
            || self.line.may_be_held(current::worker)
            || self.waiting.load(Relaxed) != 0
    }

    /// Under the lock, as all changes are; so it need not be one step.
    #[inline]
    pub(super) fn one_more(&self) {
        self.waiting.store(self.waiting.load(Relaxed) + 1, Relaxed);
    }

    /// Shows which green threads wait here, and at which addresses.
    pub(super) fn each(&self, mut show: impl FnMut(*const Record, usize)) {
        if self.waiting.load(Relaxed) == 0 {
            return;
        }
        let line = self.lock();
        let mut at = line.first;
        // SAFETY: those in line are alive, and the lock is held.
        while let Some(waiter) = unsafe { at.as_ref() } {
            if let Some(record) = waiter.green() {
                show(record, waiter.address);
            }
            at = waiter.next.get();
        }
    }

    /// Wakes everybody in line, in vain if need be.
    #[cold]
    fn catch_up(&self) {
        // As in `wake_waiting`: who locked may have been in the runtime.
        let _abroad = current::patched().is_none().then(Abroad::enter);
        while self.postponed.swap(false, SeqCst) {
            loop {
                let mut batch = [const { None }; BATCH];
                if !self.take_those(|_| true, &mut batch) {
                    return; // it is left to who holds the lock
                }
                if batch.into_iter().flatten().map(Rest::finish).count() < BATCH {
                    break;
                }
            }
        }
    }

    /// Wakes the first, but for what the caller has to do without the lock:
    /// that may allocate, and the allocator may unlock a mutex of this shard.
    #[inline]
    pub(super) fn take(&self, address: usize, bits: u32) -> Option<Rest> {
        let mut batch = [None];
        self.take_some(address, bits, &mut batch);
        let [first] = batch;
        first
    }

    /// As `take`, for as many as there is room for.
    #[inline]
    pub(super) fn take_some(&self, address: usize, bits: u32, batch: &mut [Option<Rest>]) {
        self.take_those(|w| w.address == address && w.bits & bits != 0, batch);
    }

    /// Whether it had the lock.
    #[inline]
    fn take_those(&self, which: impl Fn(&Waiter) -> bool, batch: &mut [Option<Rest>]) -> bool {
        let Some(mut line) = self.lock_to_wake() else { return false };
        let mut at = line.first;
        let mut free = batch.iter_mut();
        while free.len() > 0 {
            // SAFETY: those in line are alive, and the lock is held.
            let Some(waiter) = (unsafe { at.as_ref() }) else { break };
            at = waiter.next.get();
            if which(waiter) {
                // SAFETY: it is in this line.
                unsafe { line.remove(waiter) };
                self.one_less();
                *free.next().expect("some are left") = Some(waiter.wake());
            }
        }
        true
    }

    /// As `one_more`.
    #[inline]
    pub(super) fn one_less(&self) {
        self.waiting.store(self.waiting.load(Relaxed) - 1, Relaxed);
    }

    #[cold]
    pub(super) fn is_woken(&self, waiter: &Waiter) -> bool {
        let _line = self.lock();
        waiter.is_woken()
    }

    /// Takes `waiter` out of the line for the reason `why`, unless it was woken
    /// already.
    pub(super) fn leave(&self, waiter: &Waiter, sleeper: &Sleeper, why: Waited) -> Waited {
        let mut line = self.lock();
        if waiter.is_woken() {
            drop(line);
            if let Sleeper::Os(parker) = sleeper {
                parker.park(None); // the token is on its way here
            }
            return Waited::Woken;
        }
        // SAFETY: not woken, so still in line.
        unsafe { line.remove(waiter) };
        self.one_less();
        why
    }
}
