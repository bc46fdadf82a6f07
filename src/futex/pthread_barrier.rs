//! `pthread_barrier_wait` on green threads: glibc's algorithm (T. Riegel, 2016)
//! on its own words, because a barrier cannot be tried and both sorts of thread
//! must be counted together.
//!
//! `entered` counts those who came, in all rounds; `round` is what it must have
//! been for a round to be complete; `left` counts those who went, so that the
//! last one may start all counts again, or let `pthread_barrier_destroy` go on.

use super::table::{self, ANY};
use crate::sys::futex;
use crate::sys::pthread::{self, BARRIER_MOST, Barrier};
use crate::sys::real;
use libc::{PTHREAD_BARRIER_SERIAL_THREAD, c_int, pthread_barrier_t};
use std::sync::atomic::{Ordering::*, fence};

/// `pthread_barrier_wait` on a green thread. `None`: this one is libc's to wait
/// for.
///
/// # Safety
/// As the C function.
pub(crate) unsafe fn wait(barrier: *mut pthread_barrier_t) -> Option<c_int> {
    // SAFETY: the caller's promise.
    let words = unsafe {
        if pthread::layout()?.barrier_shared.of(barrier) {
            return None;
        }
        pthread::barrier(barrier)
    };
    let at = barrier.addr();
    let most = BARRIER_MOST - BARRIER_MOST % words.count;
    let number = enter(&words, at, most);
    if !complete(&words, at, number) {
        while words.round.load(Acquire) < number {
            table::wait(at, ANY, None, || words.round.load(SeqCst) < number);
        }
    }
    let serial = number.is_multiple_of(words.count);
    leave(words, at, most);
    Some(if serial { PTHREAD_BARRIER_SERIAL_THREAD } else { 0 })
}

/// Which one it is. Waits if the counts are about to start again.
fn enter(words: &Barrier, at: usize, most: u32) -> u32 {
    loop {
        // AcqRel: what each did before is visible to all who go on.
        let number = words.entered.fetch_add(1, AcqRel) + 1;
        if number <= most {
            return number;
        }
        while words.entered.load(Relaxed) > most {
            table::wait(at, ANY, None, || words.entered.load(SeqCst) > most);
        }
    }
}

/// Ends the rounds that `number` completes, and says whether its own has ended.
fn complete(words: &Barrier, at: usize, number: u32) -> bool {
    let mut round = words.round.load(Relaxed);
    while round + words.count <= number {
        let new = number - number % words.count;
        match words.round.compare_exchange(round, new, AcqRel, Relaxed) {
            Ok(_) => {
                futex::wake_all(words.round);
                table::wake(at, u32::MAX, ANY);
                round = new;
            }
            Err(now) => round = now,
        }
    }
    if number <= round {
        fence(Acquire);
        return true;
    }
    false
}

/// Whoever sees that all have left may free the barrier, so the count is the
/// last that is touched.
fn leave(words: Barrier, at: usize, most: u32) {
    if words.left.fetch_add(1, Release) + 1 == most {
        fence(Acquire);
        words.round.store(0, Relaxed);
        words.left.store(0, Relaxed);
        words.entered.store(0, Release);
        futex::wake_all(words.entered);
    }
    table::wake(at, u32::MAX, ANY);
}

/// `pthread_barrier_destroy` on a green thread: libc would wait, in the kernel,
/// for those who have not left yet.
///
/// # Safety
/// As the C function.
pub(crate) unsafe fn destroy(barrier: *mut pthread_barrier_t) -> c_int {
    // SAFETY: the caller's promise.
    let words = unsafe { pthread::barrier(barrier) };
    let busy = || words.left.load(SeqCst) != words.entered.load(SeqCst);
    while busy() {
        table::wait(barrier.addr(), ANY, None, busy);
    }
    // SAFETY: as above.
    unsafe { real::pthread_barrier_destroy(barrier) }
}

/// `pthread_barrier_wait` on an OS thread, which green threads may wait for.
///
/// # Safety
/// As the C function.
pub(crate) unsafe fn on_os(barrier: *mut pthread_barrier_t) -> c_int {
    // SAFETY: the caller's promise.
    let result = unsafe { real::pthread_barrier_wait(barrier) };
    table::wake(barrier.addr(), u32::MAX, ANY);
    result
}
