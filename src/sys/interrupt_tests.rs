//! Signals of ours interrupt threads, and others go on.

use super::super::os_thread;
use super::*;
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::mpsc::channel;
use std::thread;

static SEEN: AtomicU32 = AtomicU32::new(0);
static POINTER: AtomicUsize = AtomicUsize::new(0);
static OTHERS: AtomicU32 = AtomicU32::new(0);

fn look(it: &Interrupted) {
    POINTER.store(it.registers.sp, Relaxed);
    SEEN.fetch_add(1, Release);
}

extern "C" fn other(_: c_int) {
    OTHERS.fetch_add(1, Relaxed);
}

#[test]
fn ours_are_looked_at_and_others_go_on() {
    let signal = libc::SIGRTMAX() - 3;
    let handler: extern "C" fn(c_int) = other;
    // SAFETY: a handler that counts.
    unsafe { libc::signal(signal, handler as *const () as usize) };
    install(signal, look).unwrap();
    install(signal, look).unwrap();
    let here = 0_u8;
    send(raw::thread_id(), signal).unwrap();
    // A thread takes a signal to itself at once.
    assert_eq!((SEEN.load(Acquire), OTHERS.load(Relaxed)), (1, 0));
    let apart = POINTER.load(Relaxed).abs_diff((&raw const here).addr());
    assert!(apart < 1 << 16, "{apart} bytes away");
    // SAFETY: sends a signal for which there is a handler.
    unsafe { libc::raise(signal) };
    assert_eq!(OTHERS.load(Relaxed), 1, "it had a handler before");
    let gone = thread::spawn(raw::thread_id).join().unwrap();
    // Who is joined may still have some way to go in the kernel.
    while send(gone, signal) != Err(Errno(libc::ESRCH)) {
        thread::yield_now();
    }
    // SAFETY: waits for nothing but the time.
    waits_on(signal, libc::SYS_poll, |ms| unsafe { libc::poll(ptr::null_mut(), 0, ms) });
    waits_on(signal, libc::SYS_clock_nanosleep, |ms| {
        let time = libc::timespec {
            tv_sec: i64::from(ms / 1000),
            tv_nsec: i64::from(ms % 1000) * 1_000_000,
        };
        // SAFETY: as above.
        unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, 0, &time, ptr::null_mut()) }
    });
}

/// A thread that waits by `call` notices nothing of a signal of ours. On a busy machine
/// it may be seen too late, so it is given more time then.
fn waits_on(signal: c_int, number: i64, call: fn(c_int) -> c_int) {
    let seen = [300, 1000, 3000, 9000].into_iter().any(|ms| is_seen(signal, number, call, ms));
    assert!(seen);
}

/// Whether it was still there when it was sent one.
fn is_seen(signal: c_int, number: i64, call: fn(c_int) -> c_int, ms: c_int) -> bool {
    let before = SEEN.load(Acquire);
    let (say, hear) = channel();
    let waiter = thread::spawn(move || {
        say.send(raw::thread_id()).unwrap();
        call(ms)
    });
    let thread = hear.recv().unwrap();
    let waits = || os_thread::waits(thread).and_then(|at| at.call) == Some(number);
    while !waits() && !waiter.is_finished() {
        thread::yield_now();
    }
    let sent = send(thread, signal);
    assert_eq!(waiter.join().unwrap(), 0, "it was interrupted");
    let seen = SEEN.load(Acquire) - before;
    assert!(seen <= 1);
    sent.is_ok() && seen == 1
}

#[test]
fn faults_and_what_is_no_signal_are_refused() {
    for signal in [0, -1, 65, 1000, libc::SIGKILL, libc::SIGSEGV] {
        assert!(install(signal, look).is_err(), "{signal}");
    }
}
