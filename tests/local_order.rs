//! One worker runs its green threads first come, first served: exactly.

mod common;

use common::{spin_until, workers};
use greenroom::{current, joinall, park, spawn, yield_now};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(usize, usize)>>>);

impl Log {
    fn add(&self, who: usize, what: usize) {
        self.0.lock().unwrap().push((who, what));
    }

    #[track_caller]
    fn assert(&self, expected: impl IntoIterator<Item = (usize, usize)>) {
        assert_eq!(*self.0.lock().unwrap(), expected.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn spawned_ones_start_in_order() {
    workers(1, || {
        let log = Log::default();
        let all = log.clone();
        let green = spawn(move || {
            let handles = (0..1000).map(|n| {
                let log = all.clone();
                spawn(move || log.add(n, 0))
            });
            joinall(handles);
        });
        green.join().unwrap();
        log.assert((0..1000).map(|n| (n, 0)));
    });
}

#[test]
fn ones_from_an_os_thread_start_in_order() {
    workers(1, || {
        let log = Log::default();
        static ALL: AtomicBool = AtomicBool::new(false);
        // Nothing is taken while this one computes.
        let hog = spawn(|| spin_until(|| ALL.load(SeqCst)));
        let handles: Vec<_> = (0..1000)
            .map(|n| {
                let log = log.clone();
                spawn(move || log.add(n, 0))
            })
            .collect();
        ALL.store(true, SeqCst);
        hog.join().unwrap();
        joinall(handles);
        log.assert((0..1000).map(|n| (n, 0)));
    });
}

#[test]
fn yielding_goes_round() {
    workers(1, || {
        let log = Log::default();
        let all = log.clone();
        let green = spawn(move || {
            let handles = (0..100).map(|n| {
                let log = all.clone();
                spawn(move || {
                    for round in 0..20 {
                        log.add(n, round);
                        yield_now();
                    }
                })
            });
            joinall(handles);
        });
        green.join().unwrap();
        log.assert((0..20).flat_map(|round| (0..100).map(move |n| (n, round))));
    });
}

/// A fresh one stands behind those that were runnable before it.
#[test]
fn a_new_one_goes_to_the_end() {
    workers(1, || {
        let log = Log::default();
        let all = log.clone();
        let green = spawn(move || {
            let (a, b) = (all.clone(), all.clone());
            let first = spawn(move || {
                a.add(1, 0);
                let c = a.clone();
                let third = spawn(move || c.add(3, 0));
                a.add(1, 1);
                yield_now();
                a.add(1, 2);
                third.join().unwrap();
            });
            let second = spawn(move || {
                b.add(2, 0);
                yield_now();
                b.add(2, 1);
            });
            joinall([first, second]);
        });
        green.join().unwrap();
        log.assert([(1, 0), (1, 1), (2, 0), (3, 0), (1, 2), (2, 1)]);
    });
}

/// Woken ones run in the order in which they were woken, and what is woken,
/// fresh or gave way stands in one line.
#[test]
fn wake_ups_queue_too() {
    workers(1, || {
        let log = Log::default();
        let all = log.clone();
        let green = spawn(move || {
            let sleepers: Vec<_> = (0..10)
                .map(|n| {
                    let log = all.clone();
                    spawn(move || {
                        park();
                        log.add(n, 0);
                    })
                })
                .collect();
            yield_now();
            for sleeper in sleepers.iter().rev() {
                sleeper.thread().unpark();
                // A second one changes nothing.
                sleeper.thread().unpark();
            }
            let log = all.clone();
            let fresh = spawn(move || log.add(100, 0));
            yield_now();
            all.add(200, 0);
            joinall(sleepers);
            fresh.join().unwrap();
        });
        green.join().unwrap();
        log.assert((0..10).rev().map(|n| (n, 0)).chain([(100, 0), (200, 0)]));
    });
}

/// A joiner runs after those that were runnable when its green thread ended.
#[test]
fn joiners_queue_too() {
    workers(1, || {
        let log = Log::default();
        let all = log.clone();
        let green = spawn(move || {
            let (a, b) = (all.clone(), all.clone());
            let first = spawn(move || a.add(1, 0));
            let second = spawn(move || b.add(2, 0));
            first.join().unwrap();
            all.add(0, 0);
            second.join().unwrap();
            all.add(0, 1);
        });
        green.join().unwrap();
        log.assert([(1, 0), (2, 0), (0, 0), (0, 1)]);
    });
}

/// Nobody waits for ever behind those that never stop yielding: not the fresh
/// ones of OS threads, not those woken by them.
#[test]
fn yielding_ones_starve_nobody() {
    workers(1, || {
        static OVER: AtomicBool = AtomicBool::new(false);
        static TURNS: AtomicUsize = AtomicUsize::new(0);
        let busy: Vec<_> = (0..10)
            .map(|_| {
                spawn(|| {
                    while !OVER.load(SeqCst) {
                        TURNS.fetch_add(1, SeqCst);
                        yield_now();
                    }
                })
            })
            .collect();
        for _ in 0..100 {
            spawn(|| ()).join().unwrap();
        }
        let sleeper = spawn(|| {
            for _ in 0..100 {
                park();
                spawn(yield_now).join().unwrap();
            }
            current().unwrap()
        });
        while !sleeper.is_finished() {
            sleeper.thread().unpark();
            std::thread::yield_now();
        }
        assert!(TURNS.load(SeqCst) > 100);
        OVER.store(true, SeqCst);
        joinall(busy);
    });
}
