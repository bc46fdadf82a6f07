//! Threads that wait for something at an address: a table in user space.
//!
//! After the kernel's for futexes (H. Franke, R. Russell, M. Kirkwood, "Fuss,
//! Futexes and Furwocks", 2002) and WebKit's for anything (F. Pizlo, "Locking
//! in WebKit", 2016): the waiter asks "still blocked?" and stands in line under
//! one lock, so no wake-up is lost between the two.
//!
//! Most wakes find no green thread waiting, and must cost next to nothing. So
//! each shard counts its waiters outside its lock. A waiter counts itself,
//! *then* asks; a waker has changed what is asked for, then fences, *then*
//! reads the count: either the waker sees the waiter or the waiter sees the
//! change (Dekker's argument, as in `sched/sleep.rs`).
//!
//! Only the address counts, never what lies there: it may be freed already when
//! it is woken. Two users of one address wake each other in vain, so each asks
//! again.

pub(crate) use super::waiter::Sleeper;
use super::waiter::{Line, Rest, Waiter};
use crate::green::current;
use crate::green::park::Wake;
use crate::sched::local::Abroad;
use crate::sched::start;
use crate::sys::atomic::{fence_after_rmw, full_fence};
use crate::sys::clock::Nanos;
use crate::sys::lock::Lock;
use std::sync::atomic::{AtomicU32, Ordering::*};

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waited {
    Woken,
    /// It was not blocked, or not any more.
    Free,
    TimedOut,
    /// It was not ready to wait after all.
    Left,
}

/// Matches every waiter.
pub(crate) const ANY: u32 = u32::MAX;

const SHARDS: usize = 256;

/// How many are woken at a time.
const BATCH: usize = 16;

/// One part of the table, in a cache line of its own.
#[repr(align(64))]
struct Shard {
    /// How many wait here, or are about to.
    waiting: AtomicU32,
    line: Lock<Line>,
}

static TABLE: [Shard; SHARDS] =
    [const { Shard { waiting: AtomicU32::new(0), line: Lock::new(Line::new()) } }; SHARDS];

/// The shard of an address: Fibonacci hashing (Knuth, volume 3, 6.4).
fn shard(address: usize) -> &'static Shard {
    const GOLDEN: usize = 0x9e37_79b9_7f4a_7c15;
    &TABLE[(address >> 2).wrapping_mul(GOLDEN) >> (usize::BITS - SHARDS.trailing_zeros())]
}

/// Waits, if `blocked` under the lock, until a `wake` that has a bit in common,
/// at most until `deadline`. On a green thread.
///
/// # Panics
/// On a plain OS thread.
#[inline]
pub(crate) fn wait(
    address: usize,
    bits: u32,
    deadline: Option<Nanos>,
    blocked: impl FnOnce() -> bool,
) -> Waited {
    wait_after(Sleeper::Green, address, bits, deadline, blocked, || true)
}

/// As `wait`, on any thread; once it stands in line and before it parks, `ready` says whether
/// it waits at all. A wake-up may have come by then: it is the caller's to pass
/// on if the answer is `Woken` all the same.
///
/// `blocked` and `ready` do not suspend, and do not panic.
pub(crate) fn wait_after(
    sleeper: Sleeper,
    address: usize,
    bits: u32,
    deadline: Option<Nanos>,
    blocked: impl FnOnce() -> bool,
    ready: impl FnOnce() -> bool,
) -> Waited {
    let shard = shard(address);
    let waiter = Waiter::new(sleeper.thread(), address, bits);
    {
        let mut line = shard.line.lock();
        shard.waiting.fetch_add(1, SeqCst);
        fence_after_rmw();
        if !blocked() {
            shard.one_less();
            return Waited::Free;
        }
        // SAFETY: it leaves the line before this function returns.
        unsafe { line.push(&waiter) };
    }
    if !ready() {
        return shard.leave(&waiter, &sleeper, Waited::Left);
    }
    loop {
        if sleeper.sleep(deadline) == Wake::TimedOut {
            return shard.leave(&waiter, &sleeper, Waited::TimedOut);
        }
        // Mostly the waker is done, and its lock need not be taken to know.
        if waiter.is_woken() || shard.is_woken(&waiter) {
            return Waited::Woken;
        }
    }
}

/// Whether a green thread may wait at `address`. What it waits for has been
/// changed before.
#[inline]
pub(crate) fn is_awaited(address: usize) -> bool {
    full_fence();
    seems_awaited(address)
}

/// As `is_awaited`, of which *no* is only true after a fence of the caller's.
#[inline]
pub(crate) fn seems_awaited(address: usize) -> bool {
    shard(address).waiting.load(Relaxed) != 0
}

/// Wakes up to `most` green threads that wait at `address` with a bit in
/// common; says how many. Any thread.
#[inline]
pub(crate) fn wake(address: usize, most: u32, bits: u32) -> u32 {
    if is_awaited(address) { wake_waiting(address, most, bits) } else { 0 }
}

/// As `wake`, looking in any case: under the lock, which orders as a fence does.
pub(crate) fn wake_waiting(address: usize, most: u32, bits: u32) -> u32 {
    // In a fork's child nobody waits, and the lock may be held for ever.
    if start::is_forked() {
        return 0;
    }
    let _abroad = current::patched().is_none().then(Abroad::enter);
    let shard = shard(address);
    if most == 1 {
        let first = shard.take(address, bits);
        return first.map(Rest::finish).map_or(0, |()| 1);
    }
    let mut woken = 0;
    loop {
        let mut batch = [const { None }; BATCH];
        let wanted = (most - woken).min(BATCH as u32) as usize;
        shard.take_some(address, bits, &mut batch[..wanted]);
        let count = batch.into_iter().flatten().map(Rest::finish).count();
        woken += count as u32;
        if count < BATCH {
            return woken;
        }
    }
}

impl Shard {
    /// Wakes the first, but for what the caller has to do without the lock:
    /// that may allocate, and the allocator may unlock a mutex of this shard.
    #[inline]
    fn take(&self, address: usize, bits: u32) -> Option<Rest> {
        let mut batch = [None];
        self.take_some(address, bits, &mut batch);
        let [first] = batch;
        first
    }

    /// As `take`, for as many as there is room for.
    #[inline]
    fn take_some(&self, address: usize, bits: u32, batch: &mut [Option<Rest>]) {
        let mut line = self.line.lock();
        let mut at = line.first;
        let mut free = batch.iter_mut();
        while free.len() > 0 {
            // SAFETY: those in line are alive, and the lock is held.
            let Some(waiter) = (unsafe { at.as_ref() }) else { break };
            at = waiter.next.get();
            if waiter.address == address && waiter.bits & bits != 0 {
                // SAFETY: it is in this line.
                unsafe { line.remove(waiter) };
                self.one_less();
                *free.next().expect("some are left") = Some(waiter.wake());
            }
        }
    }

    /// Under the lock, as all changes are; so it need not be one step.
    #[inline]
    fn one_less(&self) {
        self.waiting.store(self.waiting.load(Relaxed) - 1, Relaxed);
    }

    #[cold]
    fn is_woken(&self, waiter: &Waiter) -> bool {
        let _line = self.line.lock();
        waiter.is_woken()
    }

    /// Takes `waiter` out of the line for the reason `why`, unless it was woken
    /// already.
    fn leave(&self, waiter: &Waiter, sleeper: &Sleeper, why: Waited) -> Waited {
        let mut line = self.line.lock();
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
