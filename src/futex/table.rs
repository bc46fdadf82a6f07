//! Threads that wait for something at an address: a table in user space.
//!
//! After the kernel's for futexes (H. Franke, R. Russell, M. Kirkwood, "Fuss,
//! Futexes and Furwocks", 2002) and WebKit's for anything (F. Pizlo, "Locking
//! in WebKit", 2016): the waiter asks "still blocked?" and stands in line under
//! one lock, so no wake-up is lost between the two.
//!
//! Most wakes find no green thread waiting, and must cost next to nothing. So
//! each shard counts its waiters outside its lock. A waiter locks, *then* asks,
//! and counts itself before it unlocks; a waker has changed what is asked for,
//! then fences, *then* looks whether the lock is held, and then at the count
//! (before as well, for there it mostly sees who waits):
//! either the waker sees the waiter or the waiter sees the change (Dekker's
//! argument, as in `sched/sleep.rs`). Locking is a read-modify-write, so the
//! waiter's own fence costs nothing more. Where all come from one worker, it is
//! its favourite (`sys/favour.rs`) and locks without: then others take it that
//! somebody waits.
//!
//! Only the address counts, never what lies there: it may be freed already when
//! it is woken. Two users of one address wake each other in vain, so each asks
//! again.

use super::shard::{BATCH, Shard};
use super::waiter::{Rest, Waiter};
pub(crate) use super::waiter::{Sleeper, Waited};
use crate::green::current;
use crate::green::park::Wake;
use crate::green::record::Woken;
use crate::sched::local::Abroad;
use crate::sys::atomic::{fence_after_rmw, full_fence};
use crate::sys::clock::Nanos;
use crate::sys::gather::gather;

/// Matches every waiter.
pub(crate) const ANY: u32 = u32::MAX;

const SHARDS: usize = 256;

static TABLE: [Shard; SHARDS] = [const { Shard::new() }; SHARDS];

/// The shard of an address: Fibonacci hashing (Knuth, volume 3, 6.4).
fn shard(address: usize) -> &'static Shard {
    const GOLDEN: usize = 0x9e37_79b9_7f4a_7c15;
    &TABLE[(address >> 2).wrapping_mul(GOLDEN) >> (usize::BITS - SHARDS.trailing_zeros())]
}

/// Which green threads wait, by their records' addresses, and at which address,
/// each as of the moment of the look.
pub(crate) fn all_waits() -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for shard in &TABLE {
        gather(&mut found, |show| shard.each(|record, address| show((record.addr(), address))));
    }
    found
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
        let mut line = shard.lock();
        fence_after_rmw(); // or after none, the favourite's
        if !blocked() {
            return Waited::Free;
        }
        shard.one_more();
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
    shard(address).seems_awaited()
}

/// Wakes up to `most` green threads that wait at `address` with a bit in
/// common; says how many. Any thread.
#[inline]
pub(crate) fn wake(address: usize, most: u32, bits: u32) -> u32 {
    if is_awaited(address) { wake_waiting(address, most, bits) } else { 0 }
}

/// As `wake_waiting`, of one, if there is one. A green thread of this worker that waits for a
/// lock is left to the caller to queue.
#[inline(always)]
pub(super) fn wake_first(address: usize, bits: u32) -> Option<Option<Woken>> {
    let _abroad = current::patched().is_none().then(Abroad::enter);
    let first = shard(address).take(address, bits)?;
    Some(match first {
        Rest::Green(woken) if woken.takes_lock_here() => Some(woken),
        other => {
            other.finish();
            None
        }
    })
}

/// As `wake`, looking in any case: under the lock, and who has it later sees what
/// was changed before.
pub(crate) fn wake_waiting(address: usize, most: u32, bits: u32) -> u32 {
    if most == 1 {
        let Some(left) = wake_first(address, bits) else { return 0 };
        left.into_iter().for_each(Woken::queue);
        return 1;
    }
    let _abroad = current::patched().is_none().then(Abroad::enter);
    let shard = shard(address);
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
