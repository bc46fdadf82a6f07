//! Futex calls as C and other languages make them, with green threads waiting.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

fn ready() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let own = greenroom::ThreadLocals::Own;
        greenroom::Config::new().workers(1).thread_locals(own).install().unwrap();
        greenroom::patch_all().unwrap();
    });
}

fn futex(word: &AtomicU32, op: i32, n: i64, m: i64, other: &AtomicU32, last: u32) -> i64 {
    let op = op | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: words that live.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), op, n, m, other.as_ptr(), last) }
}

/// Green threads that wait until `word` is not 0, and are counted.
fn waiters(
    n: usize,
    word: &'static AtomicU32,
    waiting: &'static AtomicU32,
) -> Vec<greenroom::JoinHandle<()>> {
    let one = || {
        greenroom::spawn(move || {
            waiting.fetch_add(1, SeqCst);
            while word.load(SeqCst) == 0 {
                futex(word, libc::FUTEX_WAIT, 0, 0, word, 0);
            }
        })
    };
    let all: Vec<_> = (0..n).map(|_| one()).collect();
    while waiting.load(SeqCst) < n as u32 {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(5)); // holds as well if they do not wait yet
    all
}

fn all_end(waiters: Vec<greenroom::JoinHandle<()>>) {
    for waiter in waiters {
        let limit = Duration::from_secs(60);
        waiter.join_timeout(limit).expect("it was woken").unwrap();
    }
}

/// Whoever is moved to another word, which nobody wakes, must not be lost.
#[test]
fn requeued_waiters_are_not_lost() {
    ready();
    static WORD: AtomicU32 = AtomicU32::new(0);
    static WAITING: AtomicU32 = AtomicU32::new(0);
    static OTHER: AtomicU32 = AtomicU32::new(0);
    for op in [libc::FUTEX_REQUEUE, libc::FUTEX_CMP_REQUEUE] {
        WORD.store(0, SeqCst);
        WAITING.store(0, SeqCst);
        let waiters = waiters(5, &WORD, &WAITING);
        WORD.store(1, SeqCst);
        assert!(futex(&WORD, op, 1, i64::from(i32::MAX), &OTHER, 1) >= 0);
        futex(&OTHER, libc::FUTEX_WAKE, i64::from(i32::MAX), 0, &OTHER, 0);
        all_end(waiters);
    }
    // Refused, it wakes nobody: the word is not 7.
    assert_eq!(futex(&WORD, libc::FUTEX_CMP_REQUEUE, 1, 1, &OTHER, 7), -1);
    assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EAGAIN));
}

/// FUTEX_WAKE_OP changes the second word, and wakes at both.
#[test]
fn wake_and_change() {
    ready();
    static WORD: AtomicU32 = AtomicU32::new(0);
    static OTHER: AtomicU32 = AtomicU32::new(0);
    static WAITING: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];
    let here = waiters(3, &WORD, &WAITING[0]);
    let there = waiters(3, &OTHER, &WAITING[1]);
    WORD.store(1, SeqCst);
    const SET_TO_ONE_WAKE_IF_ZERO: u32 = 1 << 12; // FUTEX_OP(SET, 1, CMP_EQ, 0)
    let all = i64::from(i32::MAX);
    assert!(futex(&WORD, libc::FUTEX_WAKE_OP, all, all, &OTHER, SET_TO_ONE_WAKE_IF_ZERO) >= 0);
    assert_eq!(OTHER.load(SeqCst), 1);
    all_end(here);
    all_end(there);
}

/// Of none or fewer, the kernel wakes one; so do we.
#[test]
fn waking_fewer_than_one() {
    ready();
    static WORD: AtomicU32 = AtomicU32::new(0);
    static WAITING: AtomicU32 = AtomicU32::new(0);
    let waiters = waiters(2, &WORD, &WAITING);
    // Woken in vain, they wait again.
    for n in [0, -1] {
        while futex(&WORD, libc::FUTEX_WAKE, n, 0, &WORD, 0) != 1 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    WORD.store(1, SeqCst);
    futex(&WORD, libc::FUTEX_WAKE, 2, 0, &WORD, 0);
    all_end(waiters);
}
