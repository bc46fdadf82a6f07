//! Unparking across threads: no wake-up is lost, and each publishes.

mod common;

use common::{Random, os_thread, spin_until, workers};
use greenroom::{GreenThread, current, joinall, park, park_timeout, sleep, spawn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use std::time::Duration;

const NOT_SOON: Duration = Duration::from_secs(3600);

fn me() -> GreenThread {
    current().unwrap()
}

/// Hits a ball back and forth with another green thread; each must come back.
/// Returns the OS threads of both as they began. Where they have their own thread-locals
/// they may come together meanwhile.
fn ping_pong(rounds: usize, across: bool) -> (usize, usize) {
    let there = Arc::new(AtomicUsize::new(0));
    let ball = Arc::new(AtomicUsize::new(0));
    let (set, theirs, first) = (there.clone(), ball.clone(), me());
    let other = spawn(move || {
        set.store(os_thread() as usize, SeqCst);
        for round in 0..rounds {
            while theirs.load(Acquire) != 2 * round + 1 {
                park();
            }
            theirs.store(2 * round + 2, Release);
            first.unpark();
        }
    });
    if across {
        // Not giving way makes the other worker take it.
        spin_until(|| there.load(SeqCst) != 0);
    }
    let here = os_thread();
    for round in 0..rounds {
        ball.store(2 * round + 1, Release);
        other.thread().unpark();
        while ball.load(Acquire) != 2 * round + 2 {
            park();
        }
    }
    other.join().unwrap();
    let may_move = std::env::var("GREENROOM_THREAD_LOCALS").is_ok_and(|mode| mode == "own");
    assert!(may_move || os_thread() == here);
    (here as usize, there.load(SeqCst))
}

#[test]
fn ping_pong_on_one_worker() {
    workers(1, || {
        let (here, there) = spawn(|| ping_pong(100_000, false)).join().unwrap();
        assert_eq!(here, there);
    });
}

#[test]
fn ping_pong_across_two_workers() {
    workers(2, || {
        let (here, there) = spawn(|| ping_pong(100_000, true)).join().unwrap();
        assert_ne!(here, there);
    });
}

/// One that counts its letters, and parks for the next: sometimes with a short
/// limit, so that deadlines and wake-ups meet.
fn count_letters(letters: &AtomicUsize, expected: usize, seed: u64) {
    let mut random = Random::new(seed);
    while letters.load(Acquire) < expected {
        match random.below(3) {
            0 => park(),
            1 => park_timeout(NOT_SOON),
            _ => park_timeout(Duration::from_nanos(random.below(100_000))),
        }
    }
}

/// Green threads on two workers and OS threads send letters to all of them; a
/// wake-up that is lost leaves one waiting for ever.
#[test]
fn no_wake_up_is_lost() {
    const RECEIVERS: usize = 16;
    const SENDERS: usize = 6;
    const EACH: usize = 20_000;
    workers(2, || {
        let boxes: Arc<Vec<AtomicUsize>> = Arc::new((0..RECEIVERS).map(|_| 0.into()).collect());
        let receivers: Vec<_> = (0..RECEIVERS)
            .map(|at| {
                let boxes = boxes.clone();
                let expected = SENDERS * EACH / RECEIVERS;
                spawn(move || count_letters(&boxes[at], expected, at as u64))
            })
            .collect();
        let greens: Arc<Vec<_>> = Arc::new(receivers.iter().map(|h| h.thread().clone()).collect());
        let send = move |seed: usize| {
            let mut random = Random::new(seed as u64 + 99);
            for letter in 0..EACH {
                let to = (letter + seed) % RECEIVERS;
                boxes[to].fetch_add(1, Release);
                greens[to].unpark();
                if random.below(20) == 0 {
                    sleep(Duration::from_micros(random.below(50)));
                }
            }
        };
        let send = Arc::new(send);
        let start = |seed| {
            let send = send.clone();
            move || send(seed)
        };
        let green: Vec<_> = (0..SENDERS / 2).map(|seed| spawn(start(seed))).collect();
        let os: Vec<_> =
            (SENDERS / 2..SENDERS).map(|seed| std::thread::spawn(start(seed))).collect();
        joinall(green).into_iter().for_each(|r| r.unwrap());
        os.into_iter().for_each(|t| t.join().unwrap());
        joinall(receivers).into_iter().for_each(|r| r.unwrap());
    });
}

/// What came before `unpark` is visible after `park`: no other ordering is
/// there to make it so.
#[test]
fn unpark_publishes() {
    const ROUNDS: u64 = 20_000;
    workers(2, || {
        let slots: Arc<[AtomicU64; 2]> = Arc::default();
        let theirs = slots.clone();
        let green = spawn(move || {
            for n in 1..=ROUNDS {
                park();
                // One token for each round, so it is there.
                assert_eq!(theirs[0].load(Relaxed), n);
                theirs[1].store(n, Release);
            }
        });
        for n in 1..=ROUNDS {
            slots[0].store(n, Relaxed);
            green.thread().unpark();
            spin_until(|| slots[1].load(Acquire) == n);
        }
        green.join().unwrap();
    });
}
