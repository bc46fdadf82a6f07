//! RwLock, Barrier, Once and AsyncResult between green and OS threads.

mod common;

use common::workers;
use greenroom::sync::{AsyncResult, Barrier, Once, OnceLock, RwLock};
use greenroom::{joinall, spawn, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn writers_are_alone_and_readers_are_not() {
    workers(2, || {
        let lock = Arc::new(RwLock::new((0_u32, 0_u32)));
        let deed = |n: u32| {
            let lock = lock.clone();
            move || {
                for turn in 0..1000 {
                    if (turn + n).is_multiple_of(4) {
                        let mut both = lock.write();
                        both.0 += 1;
                        yield_now();
                        both.1 += 1;
                    } else if let Some(both) = lock.try_read_for(Duration::from_micros(50)) {
                        yield_now();
                        assert_eq!(both.0, both.1);
                    }
                }
            }
        };
        let green: Vec<_> = (0..4).map(|n| spawn(deed(n))).collect();
        std::thread::spawn(deed(4)).join().unwrap();
        joinall(green).into_iter().for_each(|r| r.unwrap());
        assert_eq!(*lock.try_write().unwrap(), (1250, 1250));
    });
}

#[test]
fn a_writer_that_gives_up_lets_readers_in() {
    let lock = RwLock::new(());
    let _reader = lock.read();
    assert!(lock.try_write_for(Duration::from_millis(2)).is_none());
    assert!(lock.try_read().is_some());
}

#[test]
fn each_round_has_one_leader() {
    workers(2, || {
        let (barrier, leaders) = (Arc::new(Barrier::new(4)), Arc::new(AtomicUsize::new(0)));
        let deed = || {
            let (barrier, leaders) = (barrier.clone(), leaders.clone());
            move || {
                for round in 0..100 {
                    leaders.fetch_add(barrier.wait().is_leader().into(), SeqCst);
                    barrier.wait();
                    assert!(leaders.load(SeqCst) > round);
                }
            }
        };
        let green: Vec<_> = (0..3).map(|_| spawn(deed())).collect();
        std::thread::spawn(deed()).join().unwrap();
        joinall(green).into_iter().for_each(|r| r.unwrap());
        assert_eq!(leaders.load(SeqCst), 100);
    });
}

#[test]
fn one_of_many_makes_the_value() {
    workers(2, || {
        let made = Arc::new((OnceLock::new(), AtomicUsize::new(0)));
        let all = (0..20).map(|_| {
            let made = made.clone();
            spawn(move || {
                *made.0.get_or_init(|| {
                    yield_now();
                    made.1.fetch_add(1, SeqCst) + 7
                })
            })
        });
        for value in joinall(all.collect::<Vec<_>>()) {
            assert_eq!(value.unwrap(), 7);
        }
        assert_eq!(made.1.load(SeqCst), 1);
    });
}

#[test]
fn after_a_panic_another_runs_once() {
    let once = Arc::new(Once::new());
    let theirs = once.clone();
    let failed = spawn(move || theirs.call_once(|| panic!("on purpose"))).join();
    assert!(failed.unwrap_err().is_panic());
    assert!(!once.is_completed());
    once.call_once(|| {});
    assert!(once.is_completed());
}

#[test]
fn a_result_reaches_all_who_wait() {
    workers(2, || {
        let result = Arc::new(AsyncResult::new());
        let (a, b) = (result.clone(), result.clone());
        let green = spawn(move || a.get());
        let os = std::thread::spawn(move || *b.wait());
        assert!(result.wait_timeout(Duration::from_millis(2)).is_none());
        result.set(5).unwrap();
        assert_eq!(result.set(6), Err(6));
        assert_eq!((green.join().unwrap(), os.join().unwrap()), (5, 5));
    });
}
