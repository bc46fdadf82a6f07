//! `timeout`: what it ends, whose it is, and what wins.

mod common;

use common::{in_child, until, workers};
use greenroom::patch::{Family, is_patched};
use greenroom::queue::Queue;
use greenroom::sync::Mutex;
use greenroom::{park, sleep, spawn, time_left, timeout, uncancellable};
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const NOT_SOON: Duration = Duration::from_secs(3600);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Counts when it goes.
struct Goes(Arc<AtomicUsize>);

impl Drop for Goes {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// From a green thread and from an OS thread.
fn everywhere(deed: fn()) {
    deed();
    spawn(deed).join().unwrap();
}

#[test]
fn it_ends_our_own_waits() {
    workers(1, || {
        everywhere(|| {
            let locked = Arc::new(Mutex::new(()));
            let _guard = locked.lock();
            let theirs = locked.clone();
            let waits: Vec<Box<dyn Fn()>> = vec![
                Box::new(|| sleep(NOT_SOON)),
                Box::new(park),
                Box::new(|| drop(spawn(|| sleep(NOT_SOON)).join())),
                Box::new(|| drop(Queue::<String>::new().get())),
                Box::new(move || drop(theirs.lock())),
            ];
            for wait in waits {
                let gone = Arc::new(AtomicUsize::new(0));
                let goes = Goes(gone.clone());
                let start = Instant::now();
                let ended = timeout(ms(5), move || {
                    let _goes = goes;
                    wait();
                });
                assert!(ended.is_err() && start.elapsed() >= ms(5));
                assert_eq!(gone.load(SeqCst), 1);
            }
        });
    });
}

#[test]
fn it_fails_patched_calls() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let ended = spawn(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let mut errors = Vec::new();
            let ended = timeout(ms(5), || {
                errors.push(here.read(&mut [0]).unwrap_err().kind());
                let again = Instant::now();
                here.set_read_timeout(Some(NOT_SOON)).unwrap();
                errors.push(here.read(&mut [0]).unwrap_err().kind());
                assert!(again.elapsed() < NOT_SOON);
            });
            assert_eq!(errors, [ErrorKind::TimedOut; 2]);
            assert!(ended.is_err(), "it was cut short");
            // Outside nothing is left of it.
            here.set_read_timeout(Some(ms(1))).unwrap();
            assert_eq!(here.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        });
        ended.join().unwrap();
    });
}

#[test]
fn std_sleeps_end_in_silence() {
    let ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
        greenroom::patch_all().unwrap();
        let green = spawn(|| {
            assert!(timeout(ms(5), || thread::sleep(NOT_SOON)).is_err());
            thread::sleep(ms(1)); // again a sleep like any other
        });
        green.join().unwrap();
        if is_patched(Family::Threads) {
            // On a thread of std's as well, which is a green one.
            let std = thread::spawn(|| timeout(ms(5), || thread::sleep(NOT_SOON)).is_err());
            assert!(std.join().unwrap());
        }
    });
    ended.assert_success();
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[test]
fn nested_ones_are_told_apart() {
    workers(1, || {
        everywhere(|| {
            // The inner one ends first.
            let outer = timeout(NOT_SOON, || timeout(ms(5), || sleep(NOT_SOON)));
            assert!(matches!(outer, Ok(Err(_))));
            // The outer one ends first, through the inner one.
            let passed = AtomicUsize::new(0);
            let outer = timeout(ms(5), || {
                let inner = timeout(NOT_SOON, || sleep(NOT_SOON));
                passed.fetch_add(1, SeqCst);
                inner
            });
            assert!(outer.is_err());
            assert_eq!(passed.load(SeqCst), 0);
            // One that the inner one has ended goes on under the outer one.
            let outer = timeout(ms(20), || {
                assert!(timeout(ms(1), || sleep(NOT_SOON)).is_err());
                sleep(NOT_SOON);
            });
            assert!(outer.is_err());
        });
    });
}

#[test]
fn a_result_that_is_there_wins() {
    workers(1, || {
        everywhere(|| {
            assert_eq!(timeout(Duration::ZERO, || 7), Ok(7));
            let late = timeout(ms(1), || {
                let start = Instant::now();
                while start.elapsed() < ms(5) {
                    std::hint::spin_loop();
                }
                8
            });
            assert_eq!(late, Ok(8));
        });
    });
}

#[test]
fn catching_it_does_not_help() {
    workers(1, || {
        everywhere(|| {
            let caught = AtomicUsize::new(0);
            let ended = timeout(ms(1), || {
                for _ in 0..3 {
                    let waits = AssertUnwindSafe(|| sleep(NOT_SOON));
                    assert!(catch_unwind(waits).is_err());
                    caught.fetch_add(1, SeqCst);
                }
                sleep(NOT_SOON);
            });
            assert!(ended.is_err());
            assert_eq!(caught.load(SeqCst), 3);
            // Nor is what was caught the end of another.
            let mut kept = None;
            for expected in [true, false] {
                let ended = catch_unwind(AssertUnwindSafe(|| {
                    timeout(ms(1), || match kept.take() {
                        Some(payload) => resume_unwind(payload),
                        None => kept = catch_unwind(|| sleep(NOT_SOON)).err(),
                    })
                }));
                assert_eq!(ended.is_ok_and(|ended| ended.is_err()), expected);
            }
        });
    });
}

#[test]
fn panics_and_kills_go_through() {
    workers(1, || {
        let panicked = spawn(|| timeout(NOT_SOON, || panic!("mine")).is_err());
        assert!(panicked.join().unwrap_err().is_panic());
        let began = Arc::new(AtomicUsize::new(0));
        let begins = began.clone();
        let killed = spawn(move || {
            timeout(NOT_SOON, || {
                begins.fetch_add(1, SeqCst);
                sleep(NOT_SOON);
            })
        });
        until(|| began.load(SeqCst) == 1);
        killed.kill();
        assert!(killed.join().unwrap_err().is_killed());
    });
}

#[test]
fn a_shield_keeps_it_out() {
    workers(1, || {
        everywhere(|| {
            let finished = AtomicUsize::new(0);
            let ended = timeout(ms(1), || {
                uncancellable(|| {
                    assert_eq!(time_left(), None);
                    sleep(ms(5));
                    finished.fetch_add(1, SeqCst);
                });
                assert_eq!(time_left(), Some(Duration::ZERO));
                sleep(NOT_SOON);
            });
            assert!(ended.is_err());
            assert_eq!(finished.load(SeqCst), 1);
        });
    });
}

/// Timeouts, wake-ups, kills and panics against each other.
#[test]
fn races_have_one_outcome() {
    const ROUNDS: usize = 2000;
    workers(2, || {
        std::panic::set_hook(Box::new(|_| {}));
        let gone = Arc::new(AtomicUsize::new(0));
        for round in 0..ROUNDS {
            let goes = Goes(gone.clone());
            let green = spawn(move || {
                let goes = AssertUnwindSafe(goes);
                let ended = timeout(Duration::from_micros(round as u64 % 200), || {
                    let _goes = goes;
                    park();
                    assert!(round % 5 != 0, "mine");
                });
                ended.is_ok()
            });
            let waker = green.thread().clone();
            let wakes = spawn(move || waker.unpark());
            if round % 3 == 0 {
                green.thread().request_kill();
            }
            match green.join() {
                Ok(in_time) => assert!(!in_time || round % 5 != 0),
                Err(error) if error.is_panic() => assert_eq!(round % 5, 0),
                Err(error) => assert!(error.is_killed() && round % 3 == 0),
            }
            wakes.join().unwrap();
            assert_eq!(gone.load(SeqCst), round + 1);
        }
    });
}
