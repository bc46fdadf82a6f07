//! Generators on green threads: waiting in them, moving with them.

mod common;

use common::{Counted, in_child, os_thread, slow, spin_until, until, workers};
use greenroom::generator::{Co, ResumeError};
use greenroom::sync::Event;
use greenroom::{Generator, Step, joinall, sleep, spawn};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

#[test]
fn a_body_that_waits_parks_its_green_thread() {
    workers(1, || {
        let all = (0..50).map(|id| {
            spawn(move || {
                let mut mine = slow::numbers(1000 * id);
                let got: Vec<_> = mine.by_ref().collect();
                assert_eq!(got, (1000 * id..1000 * id + 20).collect::<Vec<_>>());
                assert!(mine.is_done());
            })
        });
        for result in joinall(all.collect::<Vec<_>>()) {
            result.unwrap();
        }
    });
}

/// Nobody could open the door if the worker waited at it.
#[test]
fn others_run_meanwhile() {
    workers(1, || {
        let door = std::sync::Arc::new(Event::new());
        let behind = door.clone();
        let waits = spawn(move || {
            let mut nested = Generator::<(), (), u32>::new(move |_, ()| {
                let mut inner = Generator::<(), (), u32>::new(move |_, ()| {
                    behind.wait();
                    5
                });
                inner.resume(()).returned().unwrap() + 1
            });
            nested.resume(()).returned()
        });
        let opens = spawn(move || door.set());
        opens.join().unwrap();
        assert_eq!(waits.join().unwrap(), Some(6));
    });
}

#[test]
fn errno_and_panics_stay_apart() {
    workers(2, || {
        let all = (0..20).map(|id| {
            spawn(move || {
                let mut faulty = Generator::<(), usize, ()>::new(move |co, ()| {
                    let _counted = Counted::new();
                    co.yield_(id);
                    sleep(Duration::from_micros(50));
                    std::panic::resume_unwind(Box::new(id));
                });
                assert_eq!(faulty.resume(()), Step::Yielded(id));
                sleep(Duration::from_micros(50));
                faulty.resume(())
            })
        });
        for (id, result) in joinall(all.collect::<Vec<_>>()).into_iter().enumerate() {
            let payload = result.unwrap_err().into_panic().unwrap();
            assert_eq!(*payload.downcast::<usize>().unwrap(), id);
        }
        Counted::assert_gone(20);
    });
}

/// Now and then one computes: with own thread-locals those behind it move away, with
/// generators on their way and their own locals in use.
#[test]
fn they_move_with_their_green_thread() {
    thread_local!(static MINE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) });
    static ROUNDS: AtomicUsize = AtomicUsize::new(0);
    static MOVED: AtomicUsize = AtomicUsize::new(0);
    static STOP: AtomicBool = AtomicBool::new(false);
    fn body(co: &Co<usize, usize>, mut n: usize) {
        let first = os_thread();
        MINE.with(|mine| {
            while !STOP.load(SeqCst) {
                sleep(Duration::from_millis(1));
                mine.borrow_mut().push(n);
                if n % 20 == 19 && MOVED.load(SeqCst) == 0 {
                    let start = Instant::now(); // stands in the others' way
                    spin_until(|| start.elapsed() > Duration::from_millis(20));
                }
                n = co.yield_(n + 1);
                MOVED.fetch_add(usize::from(os_thread() != first), SeqCst);
                MINE.with(|now| assert!(std::ptr::eq(now, mine)));
            }
        });
    }
    workers(2, || {
        let own = is_own();
        let walks = |_| {
            spawn(move || {
                let mut walk = Generator::new(body);
                let steps = (0..).take_while(|n| {
                    ROUNDS.fetch_add(1, SeqCst);
                    walk.resume(*n) == Step::Yielded(n + 1)
                });
                let steps = steps.count();
                if own {
                    MINE.with(|mine| assert_eq!(*mine.borrow(), (0..steps).collect::<Vec<_>>()));
                }
            })
        };
        let all: Vec<_> = (0..30).map(walks).collect();
        until(|| ROUNDS.load(SeqCst) > 1000 && (!own || MOVED.load(SeqCst) > 0));
        STOP.store(true, SeqCst);
        joinall(all).into_iter().for_each(|result| result.unwrap());
        assert_eq!(MOVED.load(SeqCst) > 0, own);
    });
}

fn is_own() -> bool {
    std::env::var("GREENROOM_THREAD_LOCALS").is_ok_and(|v| v == "own")
}

/// Green threads of one worker could hand one on through a shared thread-local.
#[test]
fn another_green_thread_is_refused() {
    thread_local!(static LEFT: RefCell<Option<Generator<(), u32, ()>>> = const { RefCell::new(None) });
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_THREAD_LOCALS", "shared")];
    let ended = in_child(&vars, || {
        let leave = || {
            let mut generator = Generator::new(|co, ()| {
                let _counted = Counted::new();
                loop {
                    co.yield_(3);
                }
            });
            assert_eq!(generator.next(), Some(3));
            LEFT.set(Some(generator));
        };
        spawn(leave).join().unwrap();
        spawn(|| {
            let mut left = LEFT.take().unwrap();
            assert!(matches!(left.try_resume(()), Err(ResumeError::Elsewhere(()))));
            drop(left);
        })
        .join()
        .unwrap();
        assert_eq!((common::MADE.load(SeqCst), common::DROPPED.load(SeqCst)), (1, 0));
        // A fresh one is nobody's yet.
        spawn(|| LEFT.set(Some(Generator::new(|co, ()| co.yield_(4))))).join().unwrap();
        let mut found = spawn(|| LEFT.take().unwrap().next());
        until(|| found.is_finished());
        found = match found.join_timeout(Duration::ZERO) {
            Ok(value) => return assert_eq!(value.unwrap(), Some(4)),
            Err(handle) => handle,
        };
        found.join().unwrap();
    });
    ended.assert_success();
    ended.assert_says("dropped by another green thread than its own; its stack is leaked", 1);
}

static RUNS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn they_work_in_patched_threads() {
    workers(2, || {
        greenroom::patch_all().unwrap();
        let threads: Vec<_> = (0..10)
            .map(|id| {
                std::thread::spawn(move || {
                    let mut naps = Generator::<(), usize, ()>::new(move |co, ()| {
                        for n in 0..10 {
                            std::thread::sleep(Duration::from_micros(200));
                            co.yield_(id * n);
                        }
                    });
                    assert_eq!(naps.by_ref().sum::<usize>(), 45 * id);
                    RUNS.fetch_add(1, SeqCst);
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(RUNS.load(SeqCst), 10);
    });
}
