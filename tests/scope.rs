//! `scope`: what is borrowed stays until the last borrower has ended, however
//! that ends.

mod common;

use common::{until, workers};
use greenroom::{
    Builder, JoinError, Scope, park, scope, sleep, spawn, timeout, uncancellable, yield_now,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const NOT_SOON: Duration = Duration::from_secs(3600);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Writes to what it borrows when it goes, after a wait.
struct Late<'a>(&'a AtomicUsize);

impl Drop for Late<'_> {
    fn drop(&mut self) {
        uncancellable(|| sleep(ms(3)));
        self.0.fetch_add(1, SeqCst);
    }
}

/// From a green thread and from an OS thread.
fn everywhere(deed: fn()) {
    deed();
    spawn(deed).join().unwrap();
}

#[test]
fn it_waits_for_all_and_for_those_they_spawn() {
    fn tree<'scope>(s: &'scope Scope<'scope, '_>, count: &'scope AtomicUsize, depth: u32) {
        for _ in 0..2 * depth.min(1) {
            s.spawn(move || {
                yield_now();
                count.fetch_add(1, SeqCst);
                tree(s, count, depth - 1);
            });
        }
    }
    workers(2, || {
        everywhere(|| {
            let count = AtomicUsize::new(0);
            scope(|s| tree(s, &count, 6));
            assert_eq!(count.into_inner(), 126);
        })
    });
}

#[test]
fn results_and_names_come_through_handles() {
    workers(2, || {
        everywhere(|| {
            let words = [String::from("a"), String::from("bc")];
            let lengths = scope(|s| {
                let handles: Vec<_> =
                    words.iter().map(|w| s.spawn(|| (w.as_str(), w.len()))).collect();
                handles.into_iter().map(|h| h.join().unwrap()).collect::<Vec<_>>()
            });
            assert_eq!(lengths, [("a", 1), ("bc", 2)]);
            scope(|s| {
                let waits = Builder::new().name("waits".into()).spawn_scoped(s, park).unwrap();
                assert_eq!(waits.thread().name(), Some("waits"));
                let waits = waits.join_timeout(ms(2)).unwrap_err();
                assert!(!waits.is_finished());
                waits.thread().unpark();
                waits.join().unwrap();
            });
        })
    });
}

#[test]
fn the_first_panic_comes_when_all_have_ended() {
    workers(2, || {
        everywhere(|| {
            std::panic::set_hook(Box::new(|_| {}));
            let gone = AtomicUsize::new(0);
            let failed = catch_unwind(AssertUnwindSafe(|| {
                scope(|s| {
                    for _ in 0..4 {
                        let late = Late(&gone);
                        s.spawn(move || {
                            let _late = late;
                            yield_now();
                        });
                    }
                    s.spawn(|| panic!("first"));
                });
            }));
            assert_eq!(failed.unwrap_err().downcast_ref(), Some(&"first"));
            assert_eq!(gone.load(SeqCst), 4);
            // That of the closure itself goes before.
            let failed = catch_unwind(AssertUnwindSafe(|| {
                scope(|s| {
                    let late = Late(&gone);
                    s.spawn(move || {
                        let _late = late;
                        panic!("inside");
                    });
                    panic!("closure");
                });
            }));
            assert_eq!(failed.unwrap_err().downcast_ref(), Some(&"closure"));
            assert_eq!(gone.load(SeqCst), 5);
            // One that was joined is the joiner's.
            scope(|s| assert!(s.spawn(|| panic!("mine")).join().unwrap_err().is_panic()));
            // One that ended before its handle went is the scope's.
            let failed = catch_unwind(|| {
                scope(|s| {
                    let ended = s.spawn(|| panic!("early"));
                    until(|| ended.is_finished());
                })
            });
            assert_eq!(failed.unwrap_err().downcast_ref(), Some(&"early"));
        })
    });
}

#[test]
fn a_kill_ends_all_of_them_first() {
    workers(2, || {
        let (began, gone) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (begins, goes) = (began.clone(), gone.clone());
        let parent = spawn(move || {
            let owned = goes;
            scope(|s| {
                for _ in 0..5 {
                    let (begins, late) = (&begins, Late(&owned));
                    s.spawn(move || {
                        let _late = late;
                        begins.fetch_add(1, SeqCst);
                        sleep(NOT_SOON);
                    });
                }
            });
        });
        until(|| began.load(SeqCst) == 5);
        parent.kill();
        assert_eq!(gone.load(SeqCst), 5);
        assert!(parent.join().unwrap_err().is_killed());
    });
}

#[test]
fn a_timeout_is_theirs_too() {
    workers(2, || {
        everywhere(|| {
            let gone = AtomicUsize::new(0);
            let ended = timeout(ms(5), || {
                scope(|s| {
                    let late = Late(&gone);
                    s.spawn(move || {
                        let _late = late;
                        sleep(NOT_SOON);
                    });
                });
            });
            assert!(ended.is_err());
            assert_eq!(gone.load(SeqCst), 1);
            // What it joins itself says why.
            let why = timeout(ms(5), || {
                scope(|s| {
                    let late = s.spawn(|| sleep(NOT_SOON));
                    uncancellable(|| late.join())
                })
            });
            assert!(matches!(why, Ok(Err(JoinError::Elapsed)) | Err(_)));
        })
    });
}

#[test]
fn one_failure_ends_all_if_asked() {
    workers(2, || {
        everywhere(|| {
            std::panic::set_hook(Box::new(|_| {}));
            let failed = catch_unwind(|| {
                scope(|s| {
                    s.kill_on_failure();
                    let waits = s.spawn(|| sleep(NOT_SOON));
                    s.spawn(|| panic!("one"));
                    assert!(waits.join().unwrap_err().is_killed());
                    // Those that come later as well.
                    assert!(s.spawn(|| sleep(NOT_SOON)).join().unwrap_err().is_killed());
                })
            });
            assert_eq!(failed.unwrap_err().downcast_ref(), Some(&"one"));
            let failed = catch_unwind(|| {
                scope(|s| {
                    s.kill_on_failure();
                    s.spawn(|| sleep(NOT_SOON));
                    panic!("closure");
                })
            });
            assert_eq!(failed.unwrap_err().downcast_ref(), Some(&"closure"));
        })
    });
}

/// A handle that is forgotten keeps only its memory.
#[test]
fn leaked_handles_hold_nothing_up() {
    workers(2, || {
        everywhere(|| {
            let mut owned = vec![1, 2, 3];
            scope(|s| std::mem::forget(s.spawn(|| owned.push(4))));
            assert_eq!(owned, [1, 2, 3, 4]);
        })
    });
}

/// Ends, kills, panics and dropped handles against each other.
#[test]
fn races_end_before_the_scope() {
    workers(2, || {
        std::panic::set_hook(Box::new(|_| {}));
        for round in 0..500 {
            let (began, gone) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let result = catch_unwind(AssertUnwindSafe(|| {
                scope(|s| {
                    for i in 0..4 {
                        let (began, gone) = (&began, &gone);
                        let handle = s.spawn(move || {
                            began.fetch_add(1, SeqCst);
                            let _gone = Counts(gone);
                            yield_now();
                            assert!(round % 3 != 0 || i != 2);
                        });
                        if i % 2 == 0 {
                            handle.thread().request_kill();
                        }
                    }
                    if round % 2 == 0 {
                        s.kill();
                    }
                });
            }));
            assert_eq!(began.load(SeqCst), gone.load(SeqCst));
            assert!(result.is_ok() || round % 3 == 0);
        }
    });
}

struct Counts<'a>(&'a AtomicUsize);

impl Drop for Counts<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}
