//! Those who keep waking each other come to one worker.

mod common;

use common::{in_child, until};
use greenroom::{Config, GreenThread, ThreadLocals, park, park_timeout, spawn, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

fn os_thread() -> i32 {
    // SAFETY: takes no arguments.
    unsafe { libc::gettid() }
}

/// Two that take turns.
#[derive(Default)]
struct Pair {
    /// Whose turn it is.
    turn: AtomicU32,
    /// Where each ran last.
    at: [AtomicI32; 2],
    over: AtomicBool,
    /// So many have seen that.
    ended: AtomicU32,
}

impl Pair {
    fn are_together(&self) -> bool {
        self.at[0].load(SeqCst) == self.at[1].load(SeqCst)
    }

    /// Takes turns with `other` until both are on one worker, waiting by `wait`.
    fn take_turns(&self, me: u32, other: &GreenThread, wait: fn()) {
        let end = Instant::now() + Duration::from_secs(100);
        loop {
            while self.turn.load(SeqCst) != me && !self.over.load(SeqCst) {
                wait();
            }
            if self.over.load(SeqCst) {
                return;
            }
            self.at[me as usize].store(os_thread(), SeqCst);
            if self.are_together() || Instant::now() > end {
                self.over.store(true, SeqCst);
            }
            self.turn.store(1 - me, SeqCst);
            other.unpark();
        }
    }

    /// Once the other takes no turns any more either, does `then`, unparked by nobody.
    fn end(&self, then: fn()) {
        self.ended.fetch_add(1, SeqCst);
        while self.ended.load(SeqCst) < 2 {
            yield_now();
        }
        park_timeout(Duration::from_millis(1)); // it may have been before
        then();
    }
}

/// Two that begin on different workers, each of which does `then` once they have come
/// together, or have tried for long.
fn come_together(wait: fn(), then: fn()) {
    Config::new().workers(2).thread_locals(ThreadLocals::Own).install().unwrap();
    let pair = Arc::new(Pair::default());
    let (first, second) = (pair.clone(), pair.clone());
    let partner = Arc::new(std::sync::OnceLock::<GreenThread>::new());
    let other = partner.clone();
    let a = spawn(move || {
        first.at[0].store(os_thread(), SeqCst);
        // It keeps its worker until the other runs elsewhere.
        while first.at[1].load(SeqCst) == 0 {
            std::hint::spin_loop();
        }
        first.take_turns(0, other.wait(), wait);
        first.end(then);
    });
    until(|| pair.at[0].load(SeqCst) != 0);
    let thread = a.thread().clone();
    let b = spawn(move || {
        second.at[1].store(os_thread(), SeqCst);
        assert!(!second.are_together());
        second.take_turns(1, &thread, wait);
        second.end(then);
    });
    partner.set(b.thread().clone()).unwrap();
    a.join().unwrap();
    b.join().unwrap();
    assert!(pair.are_together(), "nobody moved");
}

#[test]
fn two_that_wake_each_other_come_to_one_worker() {
    in_child(&[], || come_together(park, || {})).assert_success();
}

/// The timer of one that moves stays behind, and must not go off.
#[test]
fn one_that_waits_with_a_deadline_takes_no_timer_along() {
    in_child(&[], || {
        let wait = || park_timeout(Duration::from_millis(500));
        let then = || {
            let start = Instant::now();
            park_timeout(Duration::from_secs(1));
            assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
        };
        come_together(wait, then);
    })
    .assert_success();
}

/// Who computes and wakes another all the time draws it, and it is taken from there again:
/// with its timer, which is none of that worker's.
#[test]
fn one_that_is_drawn_to_a_hog_comes_back() {
    in_child(&[], || {
        Config::new().workers(2).thread_locals(ThreadLocals::Own).install().unwrap();
        static OVER: AtomicBool = AtomicBool::new(false);
        static WOKEN: AtomicU32 = AtomicU32::new(0);
        static KEPT: AtomicU32 = AtomicU32::new(0);
        let woken = spawn(|| {
            while !OVER.load(SeqCst) {
                let start = Instant::now();
                park_timeout(Duration::from_secs(1000));
                WOKEN.fetch_add(1, SeqCst);
                // It was woken soon, but drawn to where it could not run.
                let kept = start.elapsed() > Duration::from_millis(2);
                KEPT.fetch_add(kept.into(), SeqCst);
                (0..20).for_each(|_| yield_now());
            }
        });
        let thread = woken.thread().clone();
        let hog = spawn(move || {
            for _ in 0..60 {
                let start = Instant::now();
                while start.elapsed() < Duration::from_millis(30) {
                    thread.unpark();
                    (0..1000).for_each(|_| std::hint::spin_loop());
                }
                greenroom::sleep(Duration::from_millis(1));
                // Now the turns of its worker are short, by the look of it.
                (0..20).for_each(|_| yield_now());
            }
            OVER.store(true, SeqCst);
            thread.unpark();
        });
        [hog, woken].into_iter().for_each(|thread| thread.join().unwrap());
        let (woken, kept) = (WOKEN.load(SeqCst), KEPT.load(SeqCst));
        assert!(woken > 10 && kept > 15, "woken {woken} times, kept {kept} times");
    })
    .assert_success();
}
