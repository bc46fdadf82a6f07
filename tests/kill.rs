//! Killing green threads: in every state, what runs then, and who decides.

mod common;

use common::{until, workers};
use greenroom::{JoinError, killall, park, park_timeout, sleep, spawn, uncancellable, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const NOT_SOON: Duration = Duration::from_secs(3600);

/// Counts when it goes.
struct Goes(Arc<AtomicUsize>);

impl Drop for Goes {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn one_that_waits_unwinds() {
    workers(2, || {
        let waits: [fn(); 5] = [
            park,
            || park_timeout(NOT_SOON),
            || sleep(NOT_SOON),
            || drop(spawn(park).join()),
            || {
                loop {
                    yield_now()
                }
            },
        ];
        for wait in waits {
            let (began, gone) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (begins, goes) = (began.clone(), Goes(gone.clone()));
            let green = spawn(move || {
                let _goes = goes;
                begins.fetch_add(1, SeqCst);
                wait();
            });
            until(|| began.load(SeqCst) == 1);
            green.kill();
            assert!(green.is_finished());
            assert_eq!(gone.load(SeqCst), 1);
            assert!(matches!(green.join(), Err(JoinError::Killed)));
        }
    });
}

#[test]
fn a_fresh_one_never_starts_and_drops_its_closure() {
    workers(1, || {
        spawn(|| {
            let (ran, gone) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (runs, goes) = (ran.clone(), Goes(gone.clone()));
            // The only worker runs us, so it is fresh until we wait.
            let green = spawn(move || {
                let _goes = goes;
                runs.fetch_add(1, SeqCst);
            });
            green.kill();
            assert_eq!((ran.load(SeqCst), gone.load(SeqCst)), (0, 1));
            assert!(green.join().unwrap_err().is_killed());
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_finished_one_keeps_its_result() {
    workers(1, || {
        let green = spawn(|| 7);
        until(|| green.is_finished());
        green.kill();
        assert_eq!(green.join().unwrap(), 7);
    });
}

#[test]
fn killing_oneself_unwinds_at_once() {
    workers(1, || {
        let green = spawn(|| -> () {
            greenroom::current().unwrap().kill();
            unreachable!("it has ended");
        });
        assert!(green.join().unwrap_err().is_killed());
    });
}

#[test]
fn catching_it_does_not_help() {
    workers(1, || {
        let (began, caught) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (begins, counts) = (began.clone(), caught.clone());
        let green = spawn(move || {
            begins.fetch_add(1, SeqCst);
            for wait in [park, || sleep(NOT_SOON), yield_now] {
                assert!(catch_unwind(AssertUnwindSafe(wait)).is_err());
                counts.fetch_add(1, SeqCst);
            }
            park();
        });
        until(|| began.load(SeqCst) == 1);
        green.kill();
        assert!(green.join().unwrap_err().is_killed());
        assert_eq!(caught.load(SeqCst), 3);
    });
}

#[test]
fn destructors_may_wait_while_it_unwinds() {
    struct Waits(Arc<AtomicUsize>);
    impl Drop for Waits {
        fn drop(&mut self) {
            sleep(Duration::from_millis(3));
            spawn(yield_now).join().unwrap();
            self.0.fetch_add(1, SeqCst);
        }
    }
    workers(1, || {
        let done = Arc::new(AtomicUsize::new(0));
        let greens: Vec<_> = (0..4)
            .map(|_| {
                let waits = Waits(done.clone());
                spawn(move || {
                    let _waits = waits;
                    park();
                })
            })
            .collect();
        spawn(yield_now).join().unwrap();
        killall(greens.iter().map(|g| g.thread().clone()));
        assert_eq!(done.load(SeqCst), 4);
        assert!(greens.into_iter().all(|g| g.join().is_err_and(|e| e.is_killed())));
    });
}

#[test]
fn a_shield_lets_it_finish() {
    workers(1, || {
        let (at, after) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (comes, finishes) = (at.clone(), after.clone());
        let green = spawn(move || {
            uncancellable(|| {
                comes.fetch_add(1, SeqCst);
                park();
                finishes.fetch_add(1, SeqCst);
            });
            sleep(NOT_SOON);
        });
        until(|| at.load(SeqCst) == 1);
        green.thread().request_kill();
        spawn(yield_now).join().unwrap();
        assert!(!green.is_finished());
        green.thread().unpark();
        assert!(green.join().unwrap_err().is_killed());
        assert_eq!(after.load(SeqCst), 1);
    });
}

/// A kill against a completion, a wake-up and a panic: one outcome each, and
/// what the closure held goes once.
#[test]
fn races_have_one_outcome() {
    const ROUNDS: usize = 3000;
    workers(2, || {
        std::panic::set_hook(Box::new(|_| {}));
        let gone = Arc::new(AtomicUsize::new(0));
        for round in 0..ROUNDS {
            let goes = Goes(gone.clone());
            let green = spawn(move || {
                let _goes = goes;
                match round % 3 {
                    0 => yield_now(),
                    1 => park(),
                    _ => panic!("mine"),
                }
                round
            });
            let waker = green.thread().clone();
            let wakes = spawn(move || waker.unpark());
            green.kill();
            assert!(green.is_finished());
            match green.join() {
                Ok(result) => assert!(result == round && round % 3 != 2),
                Err(JoinError::Panicked(_)) => assert_eq!(round % 3, 2),
                Err(error) => assert!(error.is_killed()),
            }
            wakes.join().unwrap();
            assert_eq!(gone.load(SeqCst), round + 1);
        }
    });
}
