//! Locks and signals where two things meet.

mod common;

use common::workers;
use greenroom::sync::{Condvar, Event, Mutex, RwLock, Semaphore};
use greenroom::{spawn, wait_any_timeout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Readers are not in each other's way, not for a moment.
#[test]
fn a_reader_that_tries_meets_other_readers() {
    let lock = Arc::new(RwLock::new(7));
    let over = Arc::new(AtomicBool::new(false));
    let others: Vec<_> = (0..2)
        .map(|_| {
            let (lock, over) = (lock.clone(), over.clone());
            std::thread::spawn(move || {
                while !over.load(SeqCst) {
                    drop(lock.read());
                }
            })
        })
        .collect();
    let refused = (0..200_000).filter(|_| lock.try_read().is_none()).count();
    over.store(true, SeqCst);
    others.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(refused, 0, "nobody writes");
}

/// A semaphore that never has a permit gives none to one who waits either.
#[test]
fn none_is_none() {
    workers(1, || {
        let none = Arc::new(Semaphore::bounded(0));
        let theirs = none.clone();
        let waiter = spawn(move || theirs.acquire_timeout(Duration::from_millis(50)));
        let released = spawn(move || {
            (0..20).any(|_| {
                greenroom::yield_now();
                none.release()
            })
        });
        assert!(!released.join().unwrap(), "there may be none");
        assert!(!waiter.join().unwrap());
    });
}

/// One whose time is over while `set` is still waking those before it has not
/// waited in vain.
#[test]
fn the_last_in_a_long_line_was_in_time() {
    workers(2, || {
        let start = Instant::now();
        let mut random = common::Random::new(7);
        for round in 0..80 {
            let (event, seen) = (Arc::new(Event::new()), Arc::new(AtomicU64::new(u64::MAX)));
            let line = Arc::new(Semaphore::new(0));
            let others: Vec<_> = (0..2000)
                .map(|_| {
                    let (event, line) = (event.clone(), line.clone());
                    spawn(move || {
                        line.release();
                        event.wait();
                    })
                })
                .collect();
            (0..2000).for_each(|_| line.acquire());
            let pause = Duration::from_micros(random.below(1500));
            let (theirs, noted) = (event.clone(), seen.clone());
            let setter = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(500));
                theirs.set();
            });
            let watching = event.clone();
            let watcher = std::thread::spawn(move || {
                while !watching.is_set() {
                    std::hint::spin_loop();
                }
                noted.store(start.elapsed().as_nanos() as u64, SeqCst);
            });
            let until = (start.elapsed() + pause).as_nanos() as u64;
            let in_time = match round % 2 {
                0 => event.wait_timeout(pause),
                _ => wait_any_timeout(&[&*event], pause).is_some(),
            };
            setter.join().unwrap();
            watcher.join().unwrap();
            assert!(in_time || seen.load(SeqCst) > until, "it was set before the time was over");
            greenroom::joinall(others);
        }
    });
}

/// A writer that gives up lets in those who waited behind it, all of them.
#[test]
fn readers_behind_a_writer_that_gives_up_come_in() {
    workers(1, || {
        // On a busy machine they may come too late.
        let patience = [50, 200, 1000, 5000].map(Duration::from_millis);
        assert!(patience.into_iter().any(readers_come_behind_a_writer), "they came too late");
    });
}

/// Whether all came while it waited.
fn readers_come_behind_a_writer(patience: Duration) -> bool {
    let lock = Arc::new(RwLock::new(()));
    let (inside, gone) = (lock.read(), Arc::new(AtomicBool::new(false)));
    let (theirs, left) = (lock.clone(), gone.clone());
    let writer = spawn(move || {
        assert!(theirs.try_write_for(patience).is_none());
        left.store(true, SeqCst);
    });
    common::until(|| lock.try_read().is_none() || gone.load(SeqCst));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (lock, gone) = (lock.clone(), gone.clone());
            spawn(move || {
                let first_come = !gone.load(SeqCst);
                let _all = lock.read();
                first_come
            })
        })
        .collect();
    writer.join().unwrap();
    let in_time: Vec<_> = readers.into_iter().map(|r| r.join().unwrap()).collect();
    drop(inside);
    in_time == [true; 3]
}

/// One whose time is over notifies nobody.
#[test]
fn a_condvars_timeout_is_its_own() {
    workers(1, || {
        let pair = Arc::new((Mutex::new(()), Condvar::new()));
        let (theirs, notified) = (pair.clone(), Arc::new(AtomicBool::new(false)));
        let seen = notified.clone();
        let waiter = spawn(move || {
            drop(theirs.1.wait(theirs.0.lock()));
            assert!(seen.load(SeqCst), "woken by nobody");
        });
        let late = spawn(move || {
            greenroom::yield_now(); // behind the other
            let (guard, waited) = pair.1.wait_timeout(pair.0.lock(), Duration::from_millis(2));
            assert!(waited.timed_out());
            drop(guard);
            (0..5).for_each(|_| greenroom::yield_now());
            assert!(!waiter.is_finished());
            notified.store(true, SeqCst);
            pair.1.notify_one();
            waiter.join().unwrap();
        });
        late.join().unwrap();
    });
}
