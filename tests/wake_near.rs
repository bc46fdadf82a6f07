//! Green threads of one worker that wake each other: one that waits then need not
//! park for others to see at once. Whatever else happens to it finds it all the same.

mod common;

use common::{until, workers};
use greenroom::inspect::{ThreadState, WaitsFor, dump};
use greenroom::queue::Queue;
use greenroom::{JoinHandle, current, park, park_timeout, spawn, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// So many times they wake each other before it counts.
const TURNS: u32 = 100;

/// One that its neighbour, the caller, has woken all the time, and that then does
/// `deed`: its first wait there is such a one.
fn neighbour<T: Send + 'static>(deed: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let (there, back) = (Queue::bounded(1), Queue::bounded(1));
    let (theirs, answers) = (there.clone(), back.clone());
    let neighbour = spawn(move || {
        for _ in 0..TURNS {
            answers.put(theirs.get().unwrap()).unwrap();
        }
        deed()
    });
    for turn in 0..TURNS {
        there.put(turn).unwrap();
        assert_eq!(back.get(), Ok(turn));
    }
    neighbour
}

/// Gives way until `done`, and waits for nothing.
fn yield_until(done: &AtomicBool) {
    let start = Instant::now();
    while !done.load(SeqCst) {
        assert!(start.elapsed() < Duration::from_secs(60), "it was not woken");
        yield_now();
    }
}

/// An OS thread wakes it while its worker goes on with another.
#[test]
fn others_wake_it_too() {
    workers(1, || {
        spawn(|| {
            for _ in 0..50 {
                let (queue, done) = (Queue::new(), Arc::new(AtomicBool::new(false)));
                let (theirs, told) = (queue.clone(), done.clone());
                let waits = neighbour(move || {
                    let got = theirs.get();
                    told.store(true, SeqCst);
                    got
                });
                yield_now();
                let put = thread::spawn(move || queue.put(7).unwrap());
                yield_until(&done);
                put.join().unwrap();
                assert_eq!(waits.join().unwrap(), Ok(7));
            }
        })
        .join()
        .unwrap();
    });
}

#[test]
fn it_is_killed_and_its_time_ends() {
    workers(1, || {
        spawn(|| {
            let waits = neighbour(park);
            yield_now();
            waits.thread().request_kill();
            assert!(waits.join().is_err_and(|e| e.is_killed()));

            let waits = neighbour(park);
            yield_now();
            let victim = waits.thread().clone();
            thread::spawn(move || victim.request_kill()).join().unwrap();
            assert!(waits.join().is_err_and(|e| e.is_killed()));

            let done = Arc::new(AtomicBool::new(false));
            let told = done.clone();
            let waits = neighbour(move || {
                park_timeout(Duration::from_millis(2));
                told.store(true, SeqCst);
            });
            yield_until(&done);
            waits.join().unwrap();
        })
        .join()
        .unwrap();
    });
}

/// The token of `unpark` is kept, whoever else wakes it first.
#[test]
fn its_token_is_left_to_it() {
    workers(1, || {
        spawn(|| {
            let (queue, woken) = (Queue::new(), Arc::new(AtomicU32::new(0)));
            let (theirs, counts) = (queue.clone(), woken.clone());
            let waits = neighbour(move || {
                assert_eq!(theirs.get(), Ok(1));
                counts.fetch_add(1, SeqCst);
                park();
                counts.fetch_add(1, SeqCst);
                park();
                counts.fetch_add(1, SeqCst);
            });
            yield_now();
            waits.thread().unpark();
            yield_now();
            assert_eq!(woken.load(SeqCst), 0, "it waits for something else");
            queue.put(1).unwrap();
            yield_now();
            assert_eq!(woken.load(SeqCst), 2, "the token was kept");
            waits.thread().unpark();
            waits.thread().unpark();
            waits.join().unwrap();
        })
        .join()
        .unwrap();
    });
}

/// In the order in which they were woken, wherever they waited.
#[test]
fn those_woken_first_run_first() {
    workers(1, || {
        spawn(|| {
            let order = Queue::new();
            let all: Vec<_> = (0..5)
                .map(|number| {
                    let order = order.clone();
                    neighbour(move || {
                        park();
                        order.put(number).unwrap();
                    })
                })
                .collect();
            yield_now();
            for number in [3, 4, 0, 2, 1] {
                all[number].thread().unpark();
            }
            all.into_iter().for_each(|one| one.join().unwrap());
            assert!((0..5).map(|_| order.get().unwrap()).eq([3, 4, 0, 2, 1]));
        })
        .join()
        .unwrap();
    });
}

/// The worker does nothing else: another one takes it over, where that can be, when
/// somebody wakes it and when its time ends.
#[test]
fn a_hog_keeps_it_from_nobody() {
    if std::env::var("GREENROOM_THREAD_LOCALS").is_ok_and(|mode| mode == "shared") {
        return; // started ones stay with their worker
    }
    workers(2, || {
        greenroom::patch_all().unwrap();
        let queue = Queue::new();
        let theirs = queue.clone();
        let hog = spawn(move || {
            hog_until_done(move || assert_eq!(theirs.get(), Ok(1)));
        });
        thread::sleep(Duration::from_millis(20));
        queue.put(1).unwrap();
        hog.join().unwrap();
        let soon = Duration::from_millis(20);
        spawn(move || hog_until_done(move || park_timeout(soon))).join().unwrap();
    });
}

/// Computes until its neighbour has waited for what it waits for.
fn hog_until_done(wait: impl FnOnce() + Send + 'static) {
    let done = Arc::new(AtomicBool::new(false));
    let told = done.clone();
    let waits = neighbour(move || {
        wait();
        told.store(true, SeqCst);
    });
    yield_now();
    let start = Instant::now();
    while !done.load(SeqCst) {
        assert!(start.elapsed() < Duration::from_secs(60), "it was not taken over");
        std::hint::spin_loop();
    }
    waits.join().unwrap();
}

/// A dump says that it waits, and for what, while its worker computes; and that it
/// does no more once it was woken, though it cannot run yet.
#[test]
fn a_dump_shows_that_it_waits() {
    workers(1, || {
        let (queue, go) = (Queue::new(), Arc::new(AtomicBool::new(false)));
        let (theirs, goes) = (queue.clone(), go.clone());
        let there = Arc::new(AtomicBool::new(false));
        let tells = there.clone();
        let hog = spawn(move || {
            let waits = neighbour(move || theirs.get());
            yield_now();
            tells.store(true, SeqCst);
            while !goes.load(SeqCst) {
                std::hint::spin_loop();
            }
            waits
        });
        let waits = || dump().threads.into_iter().find(|one| one.state == ThreadState::Waiting);
        until(|| there.load(SeqCst));
        until(|| waits().is_some_and(|one| matches!(one.waits_for[..], [WaitsFor::Item(_)])));
        queue.put(7).unwrap();
        let still = waits();
        go.store(true, SeqCst);
        assert!(still.is_none(), "{still:?}");
        assert_eq!(hog.join().unwrap().join().unwrap(), Ok(7));
    });
}

/// Neighbours, and those elsewhere, wake the same ones at the same time: nobody is
/// lost, and nobody runs twice at once.
#[test]
fn all_wake_each_other() {
    workers(2, || {
        const EACH: u32 = 20_000;
        let pairs: Vec<_> = (0..6)
            .map(|_| {
                let (there, back) = (Queue::bounded(1), Queue::bounded(1));
                let (theirs, answers) = (there.clone(), back.clone());
                let stop = Arc::new(AtomicBool::new(false));
                let running = Arc::new(AtomicU32::new(0));
                let echo = spawn(move || {
                    for turn in theirs {
                        assert_eq!(running.fetch_add(1, SeqCst), 0);
                        running.fetch_sub(1, SeqCst);
                        answers.put(turn).unwrap();
                    }
                });
                let pelted = echo.thread().clone();
                let (over, me) = (stop.clone(), Queue::bounded(1));
                let mine = me.clone();
                let pelter = thread::spawn(move || {
                    let caller: greenroom::GreenThread = mine.get().unwrap();
                    while !over.load(SeqCst) {
                        pelted.unpark();
                        caller.unpark();
                        thread::yield_now();
                    }
                });
                let caller = spawn(move || {
                    me.put(current().unwrap()).unwrap();
                    for turn in 0..EACH {
                        there.put(turn).unwrap();
                        assert_eq!(back.get(), Ok(turn));
                    }
                    stop.store(true, SeqCst);
                    there.shutdown(false);
                });
                (echo, caller, pelter)
            })
            .collect();
        for (echo, caller, pelter) in pairs {
            caller.join().unwrap();
            echo.join().unwrap();
            pelter.join().unwrap();
        }
    });
}
