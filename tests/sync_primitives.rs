//! Mutex, Condvar, Semaphore and Event between green and OS threads.

mod common;

use common::{Random, until, workers};
use greenroom::sync::{Condvar, Event, Mutex, Semaphore};
use greenroom::{joinall, sleep, spawn, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(5);

/// One at a time, whatever its timeout does; green and OS threads.
#[test]
fn the_mutex_excludes_under_random_timeouts() {
    workers(2, || {
        let shared = Arc::new((Mutex::new(0_u64), AtomicUsize::new(0)));
        let deed = |seed: u64| {
            let shared = shared.clone();
            move || {
                let (mut random, mut done) = (Random::new(seed), 0);
                for _ in 0..3000 {
                    let time = Duration::from_nanos(random.below(50_000));
                    let Some(mut value) = shared.0.try_lock_for(time) else { continue };
                    assert_eq!(shared.1.fetch_add(1, SeqCst), 0, "two at once");
                    if random.below(10) == 0 {
                        yield_now();
                    }
                    assert_eq!(shared.1.fetch_sub(1, SeqCst), 1);
                    *value += 1;
                    done += 1;
                }
                done
            }
        };
        let green: Vec<_> = (0..6).map(|s| spawn(deed(s))).collect();
        let os: Vec<_> = (6..9).map(|s| std::thread::spawn(deed(s))).collect();
        let mut done: u64 = joinall(green).into_iter().map(|r| r.unwrap()).sum();
        done += os.into_iter().map(|t| t.join().unwrap()).sum::<u64>();
        assert_eq!(*shared.0.lock(), done);
        assert!(!shared.0.is_locked());
    });
}

#[test]
fn the_mutex_serves_in_order() {
    workers(1, || {
        spawn(|| {
            let order = Arc::new(Mutex::new(Vec::new()));
            let first = order.lock();
            let others: Vec<_> = (0..10)
                .map(|n| {
                    let order = order.clone();
                    spawn(move || order.lock().push(n))
                })
                .collect();
            yield_now();
            drop(first);
            assert!(order.try_lock().is_none(), "handed over, not up for grabs");
            joinall(others).into_iter().for_each(|r| r.unwrap());
            assert!(order.lock().iter().copied().eq(0..10));
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_panic_releases_and_does_not_poison() {
    let mutex = Arc::new(Mutex::new(1));
    let theirs = mutex.clone();
    let panics = spawn(move || {
        let _guard = theirs.lock();
        panic!("on purpose");
    });
    assert!(panics.join().unwrap_err().is_panic());
    assert_eq!(*mutex.lock(), 1);
}

#[test]
fn notices_arrive_in_order_and_all_at_once() {
    workers(1, || {
        spawn(|| {
            let pair = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
            let waiters: Vec<_> = (0..6)
                .map(|n| {
                    let pair = pair.clone();
                    spawn(move || pair.1.wait(pair.0.lock()).push(n))
                })
                .collect();
            yield_now();
            pair.1.notify_one();
            until(|| pair.0.lock().len() == 1);
            pair.1.notify_all();
            joinall(waiters).into_iter().for_each(|r| r.unwrap());
            assert_eq!(*pair.0.lock(), [0, 1, 2, 3, 4, 5]);
            let (_guard, result) = pair.1.wait_timeout(pair.0.lock(), SOON);
            assert!(result.timed_out());
        })
        .join()
        .unwrap();
    });
}

#[test]
fn permits_survive_timeouts() {
    workers(2, || {
        let permits = Arc::new(Semaphore::bounded(3));
        let inside = Arc::new(AtomicUsize::new(0));
        let deed = |seed: u64| {
            let (permits, inside) = (permits.clone(), inside.clone());
            move || {
                let mut random = Random::new(seed);
                for _ in 0..2000 {
                    if permits.acquire_timeout(Duration::from_nanos(random.below(50_000))) {
                        assert!(inside.fetch_add(1, SeqCst) < 3);
                        yield_now();
                        inside.fetch_sub(1, SeqCst);
                        assert!(permits.release());
                    }
                }
            }
        };
        let green: Vec<_> = (0..8).map(|s| spawn(deed(s))).collect();
        std::thread::spawn(deed(8)).join().unwrap();
        joinall(green).into_iter().for_each(|r| r.unwrap());
        assert_eq!(permits.available(), 3);
        assert!(!permits.release(), "bounded");
    });
}

#[test]
fn an_event_wakes_green_and_os_threads() {
    workers(2, || {
        let event = Arc::new(Event::new());
        assert!(!event.wait_timeout(SOON));
        let (a, b) = (event.clone(), event.clone());
        let green = spawn(move || a.wait());
        let os = std::thread::spawn(move || b.wait());
        sleep(SOON);
        event.set();
        green.join().unwrap();
        os.join().unwrap();
        event.clear();
        assert!(!event.is_set());
    });
}
