//! Joining: from anywhere, with and without a limit, in order, and oneself.

mod common;

use common::{Counted, Random, spin_until, until, workers};
use greenroom::{Builder, GreenThread, JoinError, JoinHandle};
use greenroom::{joinall, park, sleep, spawn};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const NOT_SOON: Duration = Duration::from_secs(3600);

#[test]
fn from_os_threads_and_green_threads() {
    workers(2, || {
        std::thread::scope(|s| {
            for _ in 0..8 {
                s.spawn(|| {
                    for n in 0..500 {
                        let here = spawn(move || n);
                        let there = spawn(move || spawn(move || n + 1).join().unwrap());
                        assert_eq!(here.join().unwrap(), n);
                        assert_eq!(there.join().unwrap(), n + 1);
                    }
                });
            }
        });
    });
}

/// One that has long ended, one that parks, one that runs.
#[test]
fn whatever_it_does() {
    workers(2, || {
        let ended = spawn(|| 1);
        until(|| ended.is_finished());
        assert_eq!(ended.join().unwrap(), 1);

        let parked = spawn(|| {
            park();
            2
        });
        let waker = parked.thread().clone();
        let late = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            waker.unpark();
        });
        assert_eq!(parked.join().unwrap(), 2);
        late.join().unwrap();

        let busy = spawn(|| {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(20) {}
            3
        });
        assert_eq!(busy.join().unwrap(), 3);
    });
}

#[test]
fn a_timeout_gives_the_handle_back() {
    workers(2, || {
        let patience = Duration::from_millis(20);
        let try_it = move || {
            let handle = spawn(|| {
                park();
                "done"
            });
            let start = Instant::now();
            let handle = handle.join_timeout(patience).unwrap_err();
            assert!(start.elapsed() >= patience);
            let handle = handle.join_timeout(Duration::ZERO).unwrap_err();
            assert!(!handle.is_finished());
            handle.thread().unpark();
            assert_eq!(handle.join_timeout(NOT_SOON).unwrap().unwrap(), "done");
        };
        try_it();
        spawn(try_it).join().unwrap();
    });
}

#[test]
fn a_finished_one_needs_no_time() {
    workers(2, || {
        let handle = spawn(|| 1);
        until(|| handle.is_finished());
        assert_eq!(handle.join_timeout(Duration::ZERO).unwrap().unwrap(), 1);
        // The longest possible wait is no overflow.
        assert_eq!(spawn(|| 2).join_timeout(Duration::MAX).unwrap().unwrap(), 2);
        let within = spawn(|| spawn(|| 3).join_timeout(Duration::MAX).unwrap().unwrap());
        assert_eq!(within.join().unwrap(), 3);
    });
}

/// Several threads, green or not, wait for the same one in turn.
#[test]
fn a_handle_travels() {
    workers(2, || {
        let handle = spawn(|| {
            park();
            5
        });
        let green = handle.thread().clone();
        let soon = Duration::from_millis(2);
        let handle = std::thread::spawn(move || handle.join_timeout(soon).unwrap_err());
        let handle = handle.join().unwrap();
        let handle = spawn(move || handle.join_timeout(soon).unwrap_err()).join().unwrap();
        let last = spawn(move || handle.join().unwrap());
        green.unpark();
        assert_eq!(last.join().unwrap(), 5);
    });
}

#[test]
fn is_finished_says_whether_join_would_wait() {
    workers(1, || {
        let handle = Arc::new(spawn(|| {
            park();
            sleep(Duration::from_millis(1));
        }));
        assert!(!handle.is_finished());
        // Shared: others may ask and unpark.
        let shared = handle.clone();
        std::thread::spawn(move || shared.thread().unpark()).join().unwrap();
        until(|| handle.is_finished());
        Arc::into_inner(handle).unwrap().join().unwrap();
    });
}

#[test]
fn joinall_keeps_the_order_given() {
    workers(2, || {
        let handles: Vec<_> = (0..100)
            .map(|n| {
                spawn(move || {
                    park();
                    assert!(n % 10 != 3, "three");
                    n
                })
            })
            .collect();
        let greens: Vec<_> = handles.iter().map(|h| h.thread().clone()).collect();
        // They end in the opposite order.
        let waker = spawn(move || {
            for green in greens.iter().rev() {
                green.unpark();
                sleep(Duration::from_micros(50));
            }
        });
        for (n, result) in joinall(handles).into_iter().enumerate() {
            match result {
                Ok(value) => assert_eq!(value, n),
                Err(error) => assert!(error.is_panic() && n % 10 == 3, "{n}: {error}"),
            }
        }
        waker.join().unwrap();
        assert!(joinall(Vec::<JoinHandle<()>>::new()).is_empty());
    });
}

/// An iterator may spawn as it goes: all of them run before one is waited for.
#[test]
fn joinall_of_threads_that_need_each_other() {
    workers(1, || {
        let first: Arc<Mutex<Option<GreenThread>>> = Arc::default();
        let handles = (0..2).map(|n| {
            let first = first.clone();
            spawn(move || match n {
                0 => {
                    *first.lock().unwrap() = greenroom::current();
                    park();
                }
                _ => first.lock().unwrap().take().unwrap().unpark(),
            })
        });
        assert!(joinall(handles).iter().all(Result::is_ok));
    });
}

#[test]
fn what_may_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    fn moves<T: Send>() {}
    crosses::<GreenThread>();
    crosses::<JoinHandle<Cell<u8>>>();
    crosses::<Builder>();
    moves::<JoinError>();
}

#[test]
fn handles_and_errors_have_texts() {
    workers(1, || {
        let handle = Builder::new().name("n".into()).spawn(park).unwrap();
        let text = format!("{handle:?}");
        assert!(text.contains("\"n\"") && text.contains("finished: false"), "{text}");
        handle.thread().unpark();
        handle.join().unwrap();
        let error = JoinError::Itself;
        assert!(error.to_string().contains("cannot join itself"), "{error}");
        assert!(error.into_panic().is_err());
        assert!(JoinError::Killed.is_killed());
    });
}

/// Limits that run out just as the green thread ends, from an OS thread and
/// from a green one: no result is lost, none is dropped twice.
#[test]
fn timeouts_against_finishing() {
    const ROUNDS: usize = 10_000;
    fn race(seed: u64) {
        let mut random = Random::new(seed);
        for _ in 0..ROUNDS {
            let (spins, limit) = (random.below(2000), Duration::from_nanos(random.below(60_000)));
            let mut handle = spawn(move || {
                (0..spins).for_each(|_| std::hint::spin_loop());
                Counted::new()
            });
            for _ in 0..random.below(3) {
                match handle.join_timeout(limit) {
                    Ok(result) => {
                        result.unwrap();
                        handle = spawn(Counted::new);
                        break;
                    }
                    Err(back) => handle = back,
                }
            }
            match random.below(2) {
                0 => drop(handle.join().unwrap()),
                _ => drop(handle),
            }
        }
    }
    workers(2, || {
        let green = spawn(|| race(1));
        let os = std::thread::spawn(|| race(2));
        green.join().unwrap();
        os.join().unwrap();
        until(|| common::DROPPED.load(SeqCst) == common::MADE.load(SeqCst));
        assert!(common::MADE.load(SeqCst) >= 2 * ROUNDS);
        Counted::assert_gone(common::MADE.load(SeqCst));
    });
}

/// What the green thread did is visible to whoever joined it, on another core.
#[test]
fn joining_publishes() {
    workers(2, || {
        for n in 0..2000u64 {
            let cell = Arc::new(Mutex::new(0));
            let plain = Box::new(n);
            let (set, started) = (cell.clone(), Arc::new(AtomicBool::new(false)));
            let running = started.clone();
            let handle = spawn(move || {
                running.store(true, SeqCst);
                *set.lock().unwrap() = *plain + 1;
                Box::new(*plain + 2)
            });
            spin_until(|| started.load(SeqCst));
            assert_eq!(*handle.join().unwrap(), n + 2);
            assert_eq!(Arc::into_inner(cell).unwrap().into_inner().unwrap(), n + 1);
        }
    });
}
