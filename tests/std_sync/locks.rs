//! `Mutex`, `RwLock`, `Condvar`, `Barrier`, and parking.

use super::{LONG, waiting};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Condvar, Mutex, RwLock, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(20);

#[test]
fn a_mutex_that_is_held_says_so_and_is_waited_for() {
    let mutex = Arc::new(Mutex::new(1));
    let held = mutex.lock().unwrap();
    let other = mutex.clone();
    let tried = thread::spawn(move || matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
    assert!(tried.join().unwrap());
    let other = mutex.clone();
    let waits = waiting(move || *other.lock().unwrap() += 1);
    thread::sleep(SOON);
    assert!(!waits.is_finished());
    drop(held);
    waits.join().unwrap();
    assert_eq!(Arc::into_inner(mutex).unwrap().into_inner().unwrap(), 2);
}

#[test]
fn a_panic_poisons_a_mutex_and_what_it_guards_stays_reachable() {
    let mutex = Arc::new(Mutex::new(1));
    let other = mutex.clone();
    let panicked = thread::spawn(move || {
        let mut held = other.lock().unwrap();
        *held = 2;
        thread::sleep(SOON); // it may have waited meanwhile
        panic!("while it is held");
    });
    let waits = waiting({
        let mutex = mutex.clone();
        move || mutex.lock().is_err_and(|poison| *poison.into_inner() == 2)
    });
    assert!(panicked.join().is_err());
    assert!(waits.join().unwrap() || mutex.is_poisoned());
    assert!(mutex.is_poisoned() && matches!(mutex.try_lock(), Err(TryLockError::Poisoned(_))));
    mutex.clear_poison();
    assert_eq!(*mutex.lock().unwrap(), 2);
}

#[test]
fn readers_share_and_writers_exclude() {
    let lock = Arc::new(RwLock::new(0));
    let together = Arc::new(Barrier::new(4));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (lock, together) = (lock.clone(), together.clone());
            thread::spawn(move || {
                let seen = lock.read().unwrap();
                together.wait(); // all four hold it
                *seen
            })
        })
        .collect();
    assert!(readers.into_iter().all(|r| r.join().unwrap() == 0));
    let held = lock.read().unwrap();
    assert!(lock.try_write().is_err());
    let other = lock.clone();
    let writer = waiting(move || *other.write().unwrap() = 1);
    thread::sleep(SOON);
    assert!(!writer.is_finished());
    drop(held);
    writer.join().unwrap();
    let writing = lock.write().unwrap();
    assert!(lock.try_read().is_err());
    drop(writing);
    assert_eq!(*lock.read().unwrap(), 1);
}

#[test]
fn only_a_writers_panic_poisons() {
    let lock = Arc::new(RwLock::new(()));
    let other = lock.clone();
    let reader = thread::spawn(move || {
        let _held = other.read().unwrap();
        panic!("a reader");
    });
    assert!(reader.join().is_err() && !lock.is_poisoned());
    let other = lock.clone();
    let writer = thread::spawn(move || {
        let _held = other.write().unwrap();
        panic!("a writer");
    });
    assert!(writer.join().is_err() && lock.is_poisoned() && lock.read().is_err());
}

#[test]
fn a_notified_one_wakes_and_the_others_wait_on() {
    let pair = Arc::new((Mutex::new(0), Condvar::new()));
    let waiters: Vec<_> = (0..5)
        .map(|_| {
            let pair = pair.clone();
            waiting(move || {
                let mut tickets = pair.0.lock().unwrap();
                tickets = pair.1.wait_while(tickets, |tickets| *tickets == 0).unwrap();
                *tickets -= 1;
            })
        })
        .collect();
    *pair.0.lock().unwrap() = 1;
    pair.1.notify_one();
    let limit = Instant::now() + LONG;
    while waiters.iter().filter(|w| w.is_finished()).count() == 0 {
        assert!(Instant::now() < limit);
        thread::yield_now();
    }
    thread::sleep(SOON);
    assert_eq!(waiters.iter().filter(|w| w.is_finished()).count(), 1);
    *pair.0.lock().unwrap() = 4;
    pair.1.notify_all();
    waiters.into_iter().for_each(|w| w.join().unwrap());
}

#[test]
fn a_condvar_times_out_with_the_lock_held() {
    let (mutex, condvar) = (Mutex::new(false), Condvar::new());
    let start = Instant::now();
    let held = mutex.lock().unwrap();
    let (held, out) = condvar.wait_timeout_while(held, SOON, |ready| !*ready).unwrap();
    assert!(out.timed_out() && start.elapsed() >= SOON);
    assert!(mutex.try_lock().is_err());
    drop(held);
    let held = mutex.lock().unwrap();
    assert!(condvar.wait_timeout(held, Duration::ZERO).unwrap().1.timed_out());
}

#[test]
fn a_barrier_has_one_leader_each_time() {
    const CROWD: usize = 50;
    let barrier = Arc::new(Barrier::new(CROWD));
    let leaders = Arc::new(AtomicUsize::new(0));
    let crowd: Vec<_> = (0..CROWD)
        .map(|_| {
            let (barrier, leaders) = (barrier.clone(), leaders.clone());
            thread::spawn(move || {
                for round in 1..=20 {
                    if barrier.wait().is_leader() {
                        leaders.fetch_add(1, SeqCst);
                    }
                    barrier.wait();
                    assert_eq!(leaders.load(SeqCst), round);
                    barrier.wait();
                }
            })
        })
        .collect();
    crowd.into_iter().for_each(|t| t.join().unwrap());
}

#[test]
fn a_token_is_kept_and_is_only_one() {
    let me = thread::current();
    me.unpark();
    me.unpark();
    thread::park(); // at once
    let start = Instant::now();
    while start.elapsed() < SOON {
        thread::park_timeout(SOON); // no second token
    }
    let done = Arc::new(AtomicBool::new(false));
    let seen = done.clone();
    let parked = waiting(move || {
        while !seen.load(SeqCst) {
            thread::park();
        }
    });
    done.store(true, SeqCst);
    parked.thread().unpark();
    parked.join().unwrap();
}

#[test]
fn a_scope_waits_for_all_and_then_panics() {
    let ended = AtomicUsize::new(0);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        thread::scope(|s| {
            for i in 0..10 {
                let ended = &ended;
                s.spawn(move || {
                    thread::sleep(Duration::from_millis(i));
                    ended.fetch_add(1, SeqCst);
                    assert!(i != 3, "the fourth");
                });
            }
        });
    }));
    assert!(result.is_err());
    assert_eq!(ended.load(SeqCst), 10);
}
