//! Spawning: closures run once, values come back, names and identities hold.

mod common;

use common::{Counted, until, workers};
use greenroom::{Builder, current, joinall, spawn, yield_now};
use std::cell::Cell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn values_come_back() {
    workers(2, || {
        assert_eq!(spawn(|| 42).join().unwrap(), 42);
        assert_eq!(spawn(|| "text".to_owned()).join().unwrap(), "text");
        let boxed: Box<dyn Fn(i32) -> i32 + Send> =
            spawn(|| Box::new(|n| n + 1) as _).join().unwrap();
        assert_eq!(boxed(1), 2);
        let result: Result<u8, String> = spawn(|| Err("no".to_owned())).join().unwrap();
        assert_eq!(result, Err("no".to_owned()));
    });
}

#[test]
fn results_of_any_kind() {
    workers(2, || {
        // Send, but not Sync.
        assert_eq!(spawn(|| Cell::new(7)).join().unwrap().get(), 7);
        spawn(|| ()).join().unwrap();
        // With an alignment greater than the allocator's own.
        #[repr(align(256))]
        struct Aligned(u8);
        let aligned = spawn(|| Aligned(9)).join().unwrap();
        assert_eq!((aligned.0, &raw const aligned as usize % 256), (9, 0));
        // An uninhabited one never comes, but its thread may.
        let never = spawn(|| -> std::convert::Infallible { panic!("on purpose") });
        assert!(never.join().unwrap_err().is_panic());
    });
}

#[test]
fn large_results_and_closures() {
    workers(2, || {
        const SIZE: usize = 100_000;
        let input = [3u8; SIZE];
        let handle = Builder::new()
            .stack_size(8 << 20)
            .spawn(move || {
                let mut output = input;
                output[SIZE - 1] = 4;
                output
            })
            .unwrap();
        let output = handle.join().unwrap();
        assert!(output[..SIZE - 1].iter().all(|b| *b == 3));
        assert_eq!(output[SIZE - 1], 4);
    });
}

#[test]
fn a_closure_without_captures_and_one_that_is_a_pointer() {
    workers(1, || {
        fn plain() -> u32 {
            5
        }
        assert_eq!(spawn(plain).join().unwrap(), 5);
        assert_eq!(spawn(plain as fn() -> u32).join().unwrap(), 5);
        let boxed: Box<dyn FnOnce() -> u32 + Send> = Box::new(plain);
        assert_eq!(spawn(boxed).join().unwrap(), 5);
    });
}

/// Each waits for the one that it spawned, a thousand deep.
#[test]
fn nested_spawns() {
    workers(2, || {
        fn nest(depth: u32) -> u32 {
            if depth == 0 { 0 } else { spawn(move || nest(depth - 1)).join().unwrap() + 1 }
        }
        assert_eq!(spawn(|| nest(1000)).join().unwrap(), 1000);
        assert_eq!(nest(1000), 1000);
    });
}

#[test]
fn a_hundred_thousand_from_an_os_thread() {
    workers(2, || {
        let handles: Vec<_> = (0..100_000u64).map(|n| spawn(move || n)).collect();
        let sum: u64 = joinall(handles).into_iter().map(Result::unwrap).sum();
        assert_eq!(sum, 100_000 * 99_999 / 2);
    });
}

#[test]
fn a_hundred_thousand_from_a_green_thread() {
    workers(2, || {
        let all = spawn(|| {
            let handles: Vec<_> = (0..100_000u64).map(|n| spawn(move || n)).collect();
            joinall(handles).into_iter().map(Result::unwrap).sum::<u64>()
        });
        assert_eq!(all.join().unwrap(), 100_000 * 99_999 / 2);
    });
}

/// One after the other, so that each reuses what the last one left.
#[test]
fn a_hundred_thousand_one_by_one() {
    workers(2, || {
        let all = spawn(|| (0..100_000u64).map(|n| spawn(move || n).join().unwrap()).sum::<u64>());
        assert_eq!(all.join().unwrap(), 100_000 * 99_999 / 2);
    });
}

#[test]
fn captures_are_dropped_once() {
    workers(2, || {
        let handles: Vec<_> = (0..1000)
            .map(|n| {
                let captured = Counted::new();
                spawn(move || {
                    let _moved_in = captured;
                    if n % 2 == 0 {
                        yield_now();
                    }
                })
            })
            .collect();
        joinall(handles).into_iter().for_each(|r| r.unwrap());
        Counted::assert_gone(1000);
    });
}

#[test]
fn names_and_identities() {
    workers(2, || {
        assert!(current().is_none());
        let named = Builder::new().name("parser".into()).spawn(|| current().unwrap()).unwrap();
        let handle = named.thread().clone();
        assert_eq!(handle.name(), Some("parser"));
        let inside = named.join().unwrap();
        assert_eq!(inside, handle);
        assert_eq!((inside.id(), inside.name()), (handle.id(), Some("parser")));

        let other = spawn(|| current().unwrap()).join().unwrap();
        assert_ne!(other, handle);
        assert_eq!(other.name(), None);
        let text = format!("{handle:?}");
        assert!(text.contains("\"parser\"") && text.contains(&handle.id().to_string()), "{text}");
        // A handle outlives its green thread by as long as it likes.
        handle.unpark();
        assert_eq!(handle.clone().name(), Some("parser"));
    });
}

#[test]
fn ids_are_unique() {
    workers(2, || {
        let ids = Arc::new(Mutex::new(Vec::new()));
        std::thread::scope(|s| {
            for _ in 0..4 {
                let ids = ids.clone();
                s.spawn(move || {
                    let green = |_| spawn(|| spawn(|| current().unwrap().id()).thread().id());
                    let mine: Vec<_> = (0..2000).map(green).collect();
                    let both = mine.into_iter().flat_map(|h| [h.thread().id(), h.join().unwrap()]);
                    ids.lock().unwrap().extend(both.collect::<Vec<_>>());
                });
            }
        });
        let ids = ids.lock().unwrap();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4 * 2000 * 2);
    });
}

/// `current` is right again after each switch.
#[test]
fn current_stays_true_across_switches() {
    workers(2, || {
        let check = || {
            let me = current().unwrap();
            for _ in 0..100 {
                yield_now();
                assert_eq!(current().unwrap(), me);
            }
            me.id()
        };
        for handle in (0..100).map(|_| spawn(check)).collect::<Vec<_>>() {
            assert_eq!(handle.thread().id(), handle.join().unwrap());
        }
        assert!(current().is_none());
    });
}

/// Each green thread finds `errno` as it left it.
#[test]
fn errno_is_kept_across_switches() {
    fn errno() -> i32 {
        std::io::Error::last_os_error().raw_os_error().unwrap()
    }
    workers(1, || {
        let check = |n| {
            move || {
                for wait in [yield_now, || greenroom::sleep(Duration::from_micros(100))] {
                    // SAFETY: this thread's own errno.
                    unsafe { *libc::__errno_location() = n };
                    wait();
                    assert_eq!(errno(), n);
                }
            }
        };
        let all: Vec<_> = (1..100).map(|n| spawn(check(n))).collect();
        joinall(all).into_iter().for_each(|r| r.unwrap());
    });
}

/// From the destructor of a thread-local, when much of the thread is gone.
#[test]
fn spawning_while_an_os_thread_ends() {
    workers(2, || {
        static RAN: AtomicUsize = AtomicUsize::new(0);
        struct Late;
        impl Drop for Late {
            fn drop(&mut self) {
                let n = spawn(|| RAN.fetch_add(1, SeqCst)).join().unwrap();
                assert!(n < 100);
                drop(spawn(|| RAN.fetch_add(1, SeqCst)));
            }
        }
        thread_local!(static LATE: Late = const { Late });
        for _ in 0..50 {
            std::thread::spawn(|| LATE.with(|_| ())).join().unwrap();
        }
        until(|| RAN.load(SeqCst) == 100);
    });
}
