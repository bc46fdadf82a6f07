//! Several workers: fresh ones move to whoever is idle, started ones stay, and
//! no wake-up of a sleeping worker is lost.

mod common;

use common::{Random, in_child, meet, os_thread, spin_until, workers};
use greenroom::{joinall, park, sleep, spawn, yield_now};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One computes until all those that it spawned have ended: elsewhere.
#[test]
fn fresh_ones_behind_a_busy_one_are_stolen() {
    workers(2, || {
        let hog = spawn(|| {
            let ended = Arc::new(AtomicUsize::new(0));
            let fresh: Vec<_> = (0..1000)
                .map(|_| {
                    let ended = ended.clone();
                    spawn(move || {
                        yield_now();
                        ended.fetch_add(1, SeqCst);
                        os_thread()
                    })
                })
                .collect();
            spin_until(|| ended.load(SeqCst) == 1000);
            let places: HashSet<_> = joinall(fresh).into_iter().map(Result::unwrap).collect();
            assert!(!places.contains(&os_thread()));
        });
        hog.join().unwrap();
    });
}

/// Who gives way lets all others run first, but waits for some alone of very many that
/// have not started.
#[test]
fn a_burst_of_spawns_holds_up_nobody() {
    workers(1, || {
        let spawns = |n: usize| {
            let started = Arc::new(AtomicUsize::new(0));
            let one = || {
                let started = started.clone();
                spawn(move || started.fetch_add(1, SeqCst))
            };
            let burst: Vec<_> = (0..n).map(|_| one()).collect();
            yield_now();
            let meanwhile = started.load(SeqCst);
            joinall(burst);
            assert_eq!(started.load(SeqCst), n);
            meanwhile
        };
        let check = move || {
            assert_eq!(spawns(200), 200);
            let some = spawns(5000);
            assert!((200..=512).contains(&some), "{some} of 5000");
        };
        spawn(check).join().unwrap();
    });
}

/// The same from an OS thread, with the busy one in the way.
#[test]
fn fresh_ones_of_an_os_thread_go_to_the_idle_worker() {
    workers(2, || {
        static OVER: AtomicBool = AtomicBool::new(false);
        let hog = spawn(|| spin_until(|| OVER.load(SeqCst)));
        for n in 0..1000 {
            assert_eq!(spawn(move || n).join().unwrap(), n);
        }
        let all: Vec<_> = (0..1000).map(|n| spawn(move || n)).collect();
        assert!(joinall(all).into_iter().map(Result::unwrap).eq(0..1000));
        OVER.store(true, SeqCst);
        hog.join().unwrap();
    });
}

/// Whoever is asleep when they come.
#[test]
fn every_worker_takes_part() {
    workers(4, || {
        for _ in 0..200 {
            spawn(|| meet(4)).join().unwrap();
        }
    });
}

/// Workers that wake up for something of their own pass on what they were
/// woken for.
#[test]
fn every_worker_takes_part_beside_timers() {
    workers(4, || {
        let over = Arc::new(AtomicBool::new(false));
        let naps: Vec<_> = (0..40)
            .map(|n| {
                let over = over.clone();
                spawn(move || {
                    let mut random = Random::new(n);
                    while !over.load(SeqCst) {
                        sleep(Duration::from_micros(random.below(300)));
                    }
                })
            })
            .collect();
        for _ in 0..300 {
            spawn(|| meet(4)).join().unwrap();
        }
        over.store(true, SeqCst);
        joinall(naps).into_iter().for_each(|r| r.unwrap());
    });
}

/// Once started, a green thread never changes its OS thread.
#[test]
fn started_ones_stay() {
    // Those with thread-locals of their own may move.
    let shared = [("GREENROOM_WORKERS", "4"), ("GREENROOM_THREAD_LOCALS", "shared")];
    in_child(&shared, || {
        let places = Arc::new(Mutex::new(HashSet::new()));
        let stay = |seed| {
            let places = places.clone();
            move || {
                let mut random = Random::new(seed);
                let here = os_thread();
                places.lock().unwrap().insert(here);
                // Keeping the worker, so that each worker has some of them.
                spin_until(|| places.lock().unwrap().len() == 4);
                for _ in 0..50 {
                    match random.below(4) {
                        0 => sleep(Duration::from_micros(random.below(500))),
                        1 => drop(spawn(os_thread).join()),
                        2 => drop(spawn(park).join_timeout(Duration::from_micros(50))),
                        _ => yield_now(),
                    }
                    assert_eq!(os_thread(), here);
                }
            }
        };
        let all: Vec<_> = (0..400).map(|seed| spawn(stay(seed))).collect();
        joinall(all).into_iter().for_each(|r| r.unwrap());
    })
    .assert_success();
}

/// `main` and others may panic, and the workers stay.
#[test]
fn workers_survive_what_green_threads_do() {
    let ended = in_child(&[("GREENROOM_WORKERS", "2")], || {
        for _ in 0..100 {
            assert!(spawn(|| panic!("on purpose")).join().is_err());
        }
        common::assert_workers(2);
        spawn(|| meet(2)).join().unwrap();
    });
    ended.assert_success();
}
