//! Scopes whose caller is to end: what it hears of those that ended for it.

mod common;

use common::{until, workers};
use greenroom::{ScopedJoinHandle, scope, sleep, spawn, timeout, uncancellable, yield_now};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const NOT_SOON: Duration = Duration::from_secs(3600);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// From a green thread and from an OS thread.
fn everywhere(deed: fn()) {
    deed();
    spawn(deed).join().unwrap();
}

#[test]
fn what_a_timeout_has_cut_short_is_not_returned() {
    workers(2, || {
        greenroom::patch_all().unwrap();
        everywhere(|| {
            let (mut here, _there) = UnixStream::pair().unwrap();
            let waits: [&mut (dyn FnMut() + Send); 2] =
                [&mut || sleep(NOT_SOON), &mut || drop(here.read(&mut [0]))];
            for wait in waits {
                let result = timeout(ms(5), || {
                    scope(|s| {
                        let green = s.spawn(wait);
                        // The scope itself does not wait.
                        uncancellable(|| until(|| green.is_finished()));
                    })
                });
                assert!(result.is_err());
            }
            // Its own is nobody else's.
            timeout(NOT_SOON, || {
                scope(|s| drop(s.spawn(|| timeout(ms(5), || sleep(NOT_SOON)))));
            })
            .unwrap();
        });
    });
}

#[test]
fn a_kill_after_a_timeout_ends_all() {
    workers(2, || {
        let began = Arc::new(AtomicBool::new(false));
        let begins = began.clone();
        let parent = spawn(move || {
            timeout(ms(5), || {
                scope(|s| {
                    // It has no time limit.
                    uncancellable(|| s.spawn(|| sleep(NOT_SOON)));
                    begins.store(true, SeqCst);
                })
            })
        });
        until(|| began.load(SeqCst));
        sleep(ms(20));
        parent.kill();
        assert!(parent.join().unwrap_err().is_killed());
    });
}

/// Counts when it goes, and panics then.
struct Payload(Arc<AtomicUsize>);

impl Drop for Payload {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        panic!("a payload's own");
    }
}

/// However many fail, and however badly their payloads go: the first comes out,
/// the others are dropped, and not amid an unwinding, which would abort.
#[test]
fn each_failure_is_dropped_once() {
    workers(2, || {
        std::panic::set_hook(Box::new(|_| {}));
        everywhere(|| {
            for closure_fails in [false, true] {
                let gone = Arc::new(AtomicUsize::new(0));
                let failed = catch_unwind(AssertUnwindSafe(|| {
                    scope(|s| {
                        for _ in 0..3 {
                            let gone = gone.clone();
                            s.spawn(move || panic_any(Payload(gone)));
                        }
                        assert!(!closure_fails, "closure");
                    })
                }));
                let first = failed.unwrap_err();
                assert_eq!(first.is::<&str>(), closure_fails);
                assert_eq!(gone.load(SeqCst), if closure_fails { 3 } else { 2 });
                drop(catch_unwind(AssertUnwindSafe(|| drop(first))));
                assert_eq!(gone.load(SeqCst), 3);
            }
        });
    });
}

/// A kill, or a `timeout`, ends the wait for one that panics before the waiter
/// has let go of its handle. With one worker the order is exact.
#[test]
fn a_panic_while_its_joiner_is_cut_short_is_the_scopes() {
    workers(1, || {
        std::panic::set_hook(Box::new(|_| {}));
        type Handle<'a> = ScopedJoinHandle<'a, ()>;
        let joins: [fn(Handle); 2] = [|h| drop(h.join()), |h| drop(h.join_timeout(NOT_SOON))];
        for join in joins {
            let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
            let theirs = flags.clone();
            let parent = spawn(move || {
                scope(|s| {
                    let child = s.spawn(|| {
                        theirs[0].store(true, SeqCst);
                        while !theirs[1].load(SeqCst) {
                            yield_now();
                        }
                        panic!("child");
                    });
                    assert!(catch_unwind(AssertUnwindSafe(|| join(child))).is_err());
                })
            });
            let thread = parent.thread().clone();
            spawn(move || {
                while !flags[0].load(SeqCst) {
                    yield_now();
                }
                thread.request_kill();
                yield_now(); // the parent gives up
                flags[1].store(true, SeqCst);
            });
            let payload = parent.join().unwrap_err().into_panic().unwrap();
            assert_eq!(payload.downcast_ref(), Some(&"child"));
        }
    });
}
