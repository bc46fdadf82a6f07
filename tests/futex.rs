//! Futex calls as C and other languages make them, with green threads waiting.

use std::cell::UnsafeCell;
use std::mem::zeroed;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Once};
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

#[repr(align(64))]
struct Sem(UnsafeCell<libc::sem_t>);
// SAFETY: for all threads, by C's rules.
unsafe impl Sync for Sem {}

impl Sem {
    fn wait(&self) {
        // SAFETY: all zeroes is a semaphore of none.
        assert_eq!(unsafe { libc::sem_wait(self.0.get()) }, 0);
    }

    fn is_free(&self) -> bool {
        let mut value = 0;
        // SAFETY: as above.
        assert_eq!(unsafe { libc::sem_getvalue(self.0.get(), &raw mut value) }, 0);
        value > 0
    }

    fn post(&self) {
        // SAFETY: as above.
        assert_eq!(unsafe { libc::sem_post(self.0.get()) }, 0);
    }
}

/// One worker alone uses a semaphore's place in the table until it need not lock any
/// more (`sys/favour.rs`); then an OS thread wakes there, while another is about to wait.
#[test]
fn a_stranger_wakes_who_is_used_to_be_alone() {
    ready();
    // SAFETY: as in `Sem`.
    static SEMS: [Sem; 768] = [const { Sem(UnsafeCell::new(unsafe { zeroed() })) }; 768];
    // About as long as the other takes to see that it may.
    static DELAY: AtomicU32 = AtomicU32::new(400);
    for (n, sem) in (0_u32..).zip(&SEMS) {
        // It takes longer each time, and there are 256 places.
        let alone = 300 << (2 * (n / 256));
        let gone = Arc::new(AtomicBool::new(false));
        let away = gone.clone();
        let stranger = move || {
            while !away.load(SeqCst) {
                std::hint::spin_loop();
            }
            sem.post();
        };
        let stranger = greenroom::patch::native(|| std::thread::spawn(stranger));
        let posts = greenroom::spawn(move || {
            for _ in 0..alone {
                sem.post();
                greenroom::yield_now();
            }
        });
        let waits = greenroom::spawn(move || {
            (0..alone).for_each(|_| sem.wait());
            posts.join().unwrap();
            gone.store(true, SeqCst);
            let delay = DELAY.load(SeqCst);
            (0..delay + n % 64).for_each(|n| _ = std::hint::black_box(n));
            let next = if sem.is_free() { delay.saturating_sub(8) } else { delay + 8 };
            DELAY.store(next, SeqCst);
            sem.wait();
        });
        all_end(vec![waits]);
        stranger.join().unwrap();
    }
}
