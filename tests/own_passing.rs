//! A worker goes from one green thread to the next with the thread-locals of the one
//! that has suspended last: nobody notices.

mod common;

use common::{in_child, no_core_file, until};
use greenroom::{Builder, spawn, yield_now};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::*};
use std::time::Duration;

const OWN: &[(&str, &str)] = &[("GREENROOM_WORKERS", "1"), ("GREENROOM_THREAD_LOCALS", "own")];

thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });
thread_local!(static SLOW: Cell<bool> = const { Cell::new(false) });
static ENTERED_TWICE: AtomicUsize = AtomicUsize::new(0);
static SPOILS_ERRNO: AtomicBool = AtomicBool::new(false);

/// One that may wait, as a lock would have it, and changes errno.
struct Cached;

impl Cached {
    fn enter(&self) {
        if INSIDE.replace(true) {
            ENTERED_TWICE.fetch_add(1, SeqCst);
        }
        if SLOW.replace(false) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if SPOILS_ERRNO.load(Relaxed) {
            // SAFETY: this thread's.
            unsafe { *libc::__errno_location() = libc::ENOMEM };
        }
    }
}

// SAFETY: passes everything on.
unsafe impl GlobalAlloc for Cached {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.enter();
        // SAFETY: the caller's promise.
        let at = unsafe { System.alloc(layout) };
        INSIDE.set(false);
        at
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Cached = Cached;

/// The worker needs memory for the timer of the first that sleeps.
#[test]
fn the_worker_does_not_allocate_for_who_is_allocating() {
    let ended = in_child(OWN, || {
        greenroom::patch_all().unwrap();
        let sleeps = spawn(|| {
            SLOW.set(true);
            drop(black_box(Box::new(1)));
        });
        sleeps.join().unwrap();
        assert_eq!(ENTERED_TWICE.load(SeqCst), 0);
    });
    ended.assert_success();
}

#[test]
fn errno_is_kept_when_the_worker_allocates() {
    let ended = in_child(OWN, || {
        let sleeps = spawn(|| {
            SPOILS_ERRNO.store(true, SeqCst);
            // SAFETY: this thread's.
            unsafe { *libc::__errno_location() = libc::EDOM };
            greenroom::sleep(Duration::from_millis(1));
            // SAFETY: as above.
            let errno = unsafe { *libc::__errno_location() };
            SPOILS_ERRNO.store(false, SeqCst);
            assert_eq!(errno, libc::EDOM);
        });
        sleeps.join().unwrap();
    });
    ended.assert_success();
}

/// Goes down for ever, and is suspended as often.
#[inline(never)]
fn down(depth: usize) -> usize {
    yield_now();
    if black_box(depth) == usize::MAX { 0 } else { down(depth + 1) + 1 }
}

/// So that it overflows at other places of what `down` calls.
#[inline(never)]
fn shifted(by: usize) -> usize {
    if by == 0 { down(0) } else { black_box(shifted(by - 1)) }
}

#[test]
fn an_overflow_at_a_switch_is_reported() {
    for by in 0..12 {
        let ended = in_child(OWN, || {
            no_core_file();
            let diver = Builder::new().name("diver".into()).stack_size(1);
            let _ = diver.spawn(move || shifted(by)).unwrap().join();
        });
        ended.assert_signal(libc::SIGABRT);
        ended.assert_says("green thread 'diver' has overflowed its stack", 1);
    }
}

static CHILDREN: AtomicUsize = AtomicUsize::new(0);
static LAST: AtomicI32 = AtomicI32::new(0);

extern "C" fn forks(_: i32) {
    // SAFETY: the child leaves at once.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(7);
        }
        LAST.store(child, SeqCst);
    }
    CHILDREN.fetch_add(1, SeqCst);
}

/// Wherever it is interrupted, mostly between two green threads.
#[test]
fn a_handler_may_fork() {
    in_child(OWN, || fork_in_handlers(4)).assert_success();
}

/// And while the other worker takes something off the interrupted one.
#[test]
fn a_handler_may_fork_beside_another_worker() {
    let two = [("GREENROOM_WORKERS", "2"), ("GREENROOM_THREAD_LOCALS", "own")];
    in_child(&two, || fork_in_handlers(12)).assert_success();
}

fn fork_in_handlers(yielders: usize) {
    // SAFETY: the handler makes system calls and writes to atomics.
    unsafe { libc::signal(libc::SIGUSR1, forks as *const () as usize) };
    let (stop, worker) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI32::new(0)));
    let yielders = (0..yielders).map(|_| {
        let (stop, worker) = (stop.clone(), worker.clone());
        spawn(move || {
            worker.store(common::os_thread(), SeqCst);
            while !stop.load(Relaxed) {
                yield_now();
            }
        })
    });
    let yielders: Vec<_> = yielders.collect();
    until(|| worker.load(SeqCst) != 0);
    for round in 1..=60 {
        // SAFETY: a thread of this process, which handles it.
        unsafe {
            libc::syscall(libc::SYS_tgkill, libc::getpid(), worker.load(SeqCst), libc::SIGUSR1)
        };
        until(|| CHILDREN.load(SeqCst) == round);
        let mut status = 0;
        // SAFETY: a child of this process.
        unsafe { libc::waitpid(LAST.load(SeqCst), &mut status, 0) };
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7, "{status:#x}");
    }
    stop.store(true, SeqCst);
    yielders.into_iter().for_each(|one| one.join().unwrap());
}

/// The last moments that a clock can tell are no words of the scheduler's.
#[test]
fn a_wait_until_the_end_of_time_is_one() {
    let ended = in_child(OWN, || {
        greenroom::patch_all().unwrap();
        let waiters: Vec<_> = (0..5)
            .map(|before| {
                spawn(move || {
                    let nanos = u64::MAX - before;
                    let (tv_sec, tv_nsec) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
                    let until = libc::timespec { tv_sec: tv_sec as i64, tv_nsec: tv_nsec as i64 };
                    let (clock, absolute) = (libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME);
                    let rest = std::ptr::null_mut();
                    // SAFETY: a valid time.
                    unsafe { libc::clock_nanosleep(clock, absolute, &until, rest) };
                })
            })
            .collect();
        greenroom::sleep(Duration::from_millis(20));
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        let before = greenroom::inspect::stats().workers[0].switches;
        greenroom::sleep(Duration::from_millis(20));
        let switches = greenroom::inspect::stats().workers[0].switches - before;
        assert!(switches < 100, "nobody spins: {switches}");
        std::process::exit(0);
    });
    ended.assert_success();
}
