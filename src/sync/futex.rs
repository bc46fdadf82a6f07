//! Futex waits of green threads: a table of addresses in user space.
//!
//! After the kernel's (H. Franke, R. Russell, M. Kirkwood, "Fuss, Futexes and
//! Furwocks", 2002): waiting compares the word and stands in line under one
//! lock, so no wake-up is lost between the two.
//!
//! Most wakes find no green thread waiting, and must cost next to nothing. So
//! each shard counts its waiters outside its lock. A waiter counts itself,
//! *then* reads the word; a waker has changed the word, then fences, *then*
//! reads the count: either the waker sees the waiter or the waiter sees the
//! change (Dekker's argument, as in `sched/sleep.rs`).

use crate::green::current;
use crate::green::park::{Wake, park};
use crate::green::record::Record;
use crate::sys::clock::Nanos;
use crate::sys::lock::Lock;
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::*, fence};

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waited {
    Woken,
    /// The word did not hold what was expected.
    Changed,
    TimedOut,
}

/// Matches every waiter.
pub(crate) const ANY: u32 = u32::MAX;

const SHARDS: usize = 256;

/// One part of the table, in a cache line of its own.
#[repr(align(64))]
struct Shard {
    /// How many wait here, or are about to.
    waiting: AtomicU32,
    line: Lock<Line>,
}

static TABLE: [Shard; SHARDS] =
    [const { Shard { waiting: AtomicU32::new(0), line: Lock::new(Line::new()) } }; SHARDS];

/// One green thread's place. Lies on its stack.
struct Waiter {
    thread: *const Record,
    address: usize,
    bits: u32,
    woken: Cell<bool>,
    next: Cell<*const Waiter>,
    prev: Cell<*const Waiter>,
}

/// Waiters of one shard, in the order in which they came.
struct Line {
    first: *const Waiter,
    last: *const Waiter,
}

// SAFETY: the waiters are reached under the shard's lock.
unsafe impl Send for Line {}

/// The shard of an address: Fibonacci hashing (Knuth, volume 3, 6.4).
fn shard(address: usize) -> &'static Shard {
    const GOLDEN: usize = 0x9e37_79b9_7f4a_7c15;
    &TABLE[(address >> 2).wrapping_mul(GOLDEN) >> (usize::BITS - SHARDS.trailing_zeros())]
}

/// Waits, if `word` holds `expected`, until a `wake` that has a bit in common,
/// at most until `deadline`. On a green thread.
///
/// # Panics
/// On a plain OS thread.
pub(crate) fn wait(word: &AtomicU32, expected: u32, bits: u32, deadline: Option<Nanos>) -> Waited {
    let thread = current::get().expect("OS threads wait in the kernel");
    let address = ptr::from_ref(word).addr();
    let shard = shard(address);
    let waiter = Waiter {
        thread,
        address,
        bits,
        woken: Cell::new(false),
        next: Cell::new(ptr::null()),
        prev: Cell::new(ptr::null()),
    };
    {
        let mut line = shard.line.lock();
        shard.waiting.fetch_add(1, SeqCst);
        fence(SeqCst);
        if word.load(SeqCst) != expected {
            shard.waiting.fetch_sub(1, Relaxed);
            return Waited::Changed;
        }
        // SAFETY: it leaves the line before this function returns.
        unsafe { line.push(&waiter) };
    }
    loop {
        let wake = park(deadline);
        let mut line = shard.line.lock();
        if waiter.woken.get() {
            return Waited::Woken;
        }
        if wake == Wake::TimedOut {
            // SAFETY: not woken, so still in line.
            unsafe { line.remove(&waiter) };
            shard.waiting.fetch_sub(1, Relaxed);
            return Waited::TimedOut;
        }
    }
}

/// Wakes up to `most` green threads that wait at `address` with a bit in
/// common; says how many. Any thread.
#[inline]
pub(crate) fn wake(address: usize, most: u32, bits: u32) -> u32 {
    let shard = shard(address);
    fence(SeqCst);
    if shard.waiting.load(Relaxed) == 0 { 0 } else { wake_some(shard, address, most, bits) }
}

#[cold]
fn wake_some(shard: &Shard, address: usize, most: u32, bits: u32) -> u32 {
    let mut line = shard.line.lock();
    let mut woken = 0;
    let mut at = line.first;
    while woken < most {
        // SAFETY: those in line are alive, and the lock is held.
        let Some(waiter) = (unsafe { at.as_ref() }) else { break };
        at = waiter.next.get();
        if waiter.address == address && waiter.bits & bits != 0 {
            // SAFETY: it is in this line.
            unsafe { line.remove(waiter) };
            shard.waiting.fetch_sub(1, Relaxed);
            waiter.woken.set(true);
            // SAFETY: it returns only after it has taken the lock that is held
            // here, so its record is alive.
            unsafe { (*waiter.thread).unpark() };
            woken += 1;
        }
    }
    woken
}

impl Line {
    const fn new() -> Line {
        Line { first: ptr::null(), last: ptr::null() }
    }

    /// # Safety
    /// `waiter` stays where it is until it is removed.
    unsafe fn push(&mut self, waiter: &Waiter) {
        let last = std::mem::replace(&mut self.last, waiter);
        waiter.prev.set(last);
        // SAFETY: those in line are alive.
        match unsafe { last.as_ref() } {
            Some(last) => last.next.set(waiter),
            None => self.first = waiter,
        }
    }

    /// # Safety
    /// `waiter` is in this line.
    unsafe fn remove(&mut self, waiter: &Waiter) {
        let (next, prev) = (waiter.next.get(), waiter.prev.get());
        // SAFETY: neighbours in line are alive.
        match unsafe { prev.as_ref() } {
            Some(prev) => prev.next.set(next),
            None => self.first = next,
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            Some(next) => next.prev.set(prev),
            None => self.last = prev,
        }
    }
}
