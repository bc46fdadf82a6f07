//! Dropping a handle: the green thread runs on, and its result goes with it.

mod common;

use common::{Counted, Random, in_child, until, workers};
use greenroom::{Builder, current, park, spawn, yield_now};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

static DROPS: AtomicUsize = AtomicUsize::new(0);
/// The green thread that dropped the last `Seen`.
static DROPPED_BY: Mutex<Option<u64>> = Mutex::new(None);

/// Notes who drops it.
struct Seen;

impl Drop for Seen {
    fn drop(&mut self) {
        *DROPPED_BY.lock().unwrap() = current().map(|green| green.id());
        DROPS.fetch_add(1, SeqCst);
    }
}

#[test]
fn it_runs_on_and_drops_its_result_itself() {
    workers(2, || {
        static GO: AtomicBool = AtomicBool::new(false);
        let handle = spawn(|| {
            until(|| GO.load(SeqCst));
            Seen
        });
        let green = handle.thread().clone();
        drop(handle);
        GO.store(true, SeqCst);
        until(|| DROPS.load(SeqCst) == 1);
        assert_eq!(*DROPPED_BY.lock().unwrap(), Some(green.id()));
        drop(green);
        // Nothing comes a second time.
        spawn(yield_now).join().unwrap();
        assert_eq!(DROPS.load(SeqCst), 1);
    });
}

#[test]
fn a_result_that_is_there_goes_with_the_handle() {
    workers(2, || {
        let handle = spawn(|| Seen);
        until(|| handle.is_finished());
        assert_eq!(DROPS.load(SeqCst), 0);
        drop(handle);
        assert_eq!(DROPS.load(SeqCst), 1);
        assert_eq!(*DROPPED_BY.lock().unwrap(), None, "on this OS thread");
    });
}

/// The destructor of an unwanted result may do what green threads do.
#[test]
fn the_destructor_may_park_and_spawn() {
    workers(1, || {
        static ENDED: AtomicUsize = AtomicUsize::new(0);
        struct Slow;
        impl Drop for Slow {
            fn drop(&mut self) {
                greenroom::sleep(Duration::from_millis(5));
                spawn(yield_now).join().unwrap();
                ENDED.fetch_add(1, SeqCst);
            }
        }
        for _ in 0..100 {
            drop(spawn(|| Slow));
        }
        until(|| ENDED.load(SeqCst) == 100);
    });
}

/// It is reported on stderr, and that is all.
#[test]
fn a_panic_in_that_destructor_is_harmless() {
    let ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                DROPS.fetch_add(1, SeqCst);
                panic!("bomb in a result");
            }
        }
        for _ in 0..10 {
            let handle = Builder::new()
                .name("bomber".into())
                .spawn(|| {
                    park();
                    Bomb
                })
                .unwrap();
            let green = handle.thread().clone();
            drop(handle);
            green.unpark();
        }
        until(|| DROPS.load(SeqCst) == 10);
        assert_eq!(spawn(|| 5).join().unwrap(), 5);
        assert!(!spawn(std::thread::panicking).join().unwrap());
    });
    ended.assert_success();
    ended.assert_says("bomb in a result", 10);
    ended.assert_says("green thread 'bomber' (", 10);
}

/// A payload that panics when it is dropped, which nobody asked for either.
#[test]
fn a_payload_that_panics_when_dropped_is_harmless() {
    workers(1, || {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                DROPS.fetch_add(1, SeqCst);
                std::panic::panic_any(Bomb);
            }
        }
        for _ in 0..10 {
            drop(spawn(|| std::panic::panic_any(Bomb)));
        }
        until(|| DROPS.load(SeqCst) == 10);
        assert_eq!(spawn(|| 5).join().unwrap(), 5);
    });
}

/// Handles that go at the very moment when their green threads end.
#[test]
fn dropping_against_finishing() {
    const ROUNDS: usize = 30_000;
    workers(2, || {
        let mut random = Random::new(1);
        for _ in 0..ROUNDS {
            let spins = random.below(300);
            let handle = spawn(Counted::new);
            (0..spins).for_each(|_| std::hint::spin_loop());
            drop(handle);
        }
        until(|| common::MADE.load(SeqCst) == ROUNDS);
        Counted::assert_gone(ROUNDS);
    });
}

/// Neither result nor record is left behind: memory does not grow.
#[test]
fn detached_ones_leave_nothing() {
    workers(1, || {
        let round = || {
            let batch = (0..1000).map(|_| spawn(|| vec![1u8; 10_000]));
            batch.for_each(drop);
            spawn(yield_now).join().unwrap();
        };
        let resident = || -> usize {
            let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
            statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
        };
        (0..10).for_each(|_| round());
        let before = resident();
        (0..50).for_each(|_| round());
        // 50,000 results of 10 KB would be 500 MB.
        let grown = resident().saturating_sub(before);
        assert!(grown < 50 << 20, "grew by {grown} bytes");
    });
}
