//! Panics: they end one green thread, reach its joiner, and are reported as
//! std reports them.

mod common;

use common::{Counted, in_child, until, workers};
use greenroom::{Builder, current, joinall, sleep, spawn, yield_now};
use std::any::Any;
use std::panic::{self, AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ONE_WORKER: &[(&str, &str)] = &[("GREENROOM_WORKERS", "1")];

fn payload_of<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Box<dyn Any + Send> {
    let error = spawn(f).join().err().expect("it panics");
    assert!(error.is_panic() && !error.is_killed());
    error.into_panic().unwrap()
}

#[test]
fn the_payload_reaches_the_joiner() {
    workers(2, || {
        assert_eq!(*payload_of(|| panic!("plain")).downcast::<&str>().unwrap(), "plain");
        let with = 5;
        let text = payload_of(move || panic!("with {with}")).downcast::<String>().unwrap();
        assert_eq!(*text, "with 5");
        #[derive(Debug, PartialEq)]
        struct Own(u8);
        assert_eq!(*payload_of(|| panic_any(Own(7))).downcast::<Own>().unwrap(), Own(7));
        // Passed on, as with OS threads.
        let passed = payload_of(|| resume_unwind(payload_of(|| panic_any(Own(8)))));
        assert_eq!(*passed.downcast::<Own>().unwrap(), Own(8));

        let said = |f: fn()| spawn(f).join().unwrap_err().to_string();
        assert_eq!(said(|| panic!("oh {}", 1)), "the green thread panicked: oh 1");
        assert_eq!(said(|| panic_any(1u8)), "the green thread panicked: Box<dyn Any>");
    });
}

#[test]
fn nobody_else_is_disturbed() {
    workers(2, || {
        let handles: Vec<_> = (0..1000)
            .map(|n| {
                spawn(move || {
                    let _held = Counted::new();
                    for step in 0..10 {
                        assert!(n % 3 != 0 || step < n % 10, "{n}");
                        yield_now();
                    }
                    n
                })
            })
            .collect();
        for (n, result) in joinall(handles).into_iter().enumerate() {
            match result {
                Ok(value) => assert!(value == n && n % 3 != 0),
                Err(error) => {
                    let text = error.into_panic().unwrap().downcast::<String>().unwrap();
                    assert!(*text == n.to_string() && n % 3 == 0);
                }
            }
        }
        Counted::assert_gone(1000);
        assert!(!spawn(std::thread::panicking).join().unwrap());
    });
}

/// Destructors run, innermost first, through frames of any kind.
#[test]
fn unwinding_runs_destructors() {
    struct Note(Arc<Mutex<Vec<u32>>>, u32);
    impl Drop for Note {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            self.0.lock().unwrap().push(self.1);
        }
    }
    fn nest(log: &Arc<Mutex<Vec<u32>>>, depth: u32) {
        let _note = Note(log.clone(), depth);
        if depth == 50 {
            yield_now();
            panic!("at the bottom");
        }
        let dynamic: &dyn Fn() = &|| nest(log, depth + 1);
        yield_now();
        dynamic();
    }
    workers(2, || {
        // A mutex is poisoned by a panic, but this one is locked only while
        // its holder is panicking already.
        let log: Arc<Mutex<Vec<u32>>> = Arc::default();
        let inside = log.clone();
        assert!(spawn(move || nest(&inside, 0)).join().unwrap_err().is_panic());
        assert!(log.lock().unwrap().iter().copied().eq((0..=50).rev()));
    });
}

/// What one catches itself is no end.
#[test]
fn catching_on_the_green_thread() {
    workers(1, || {
        let caught = spawn(|| {
            (0..1000)
                .filter(|n| {
                    let step = || {
                        yield_now();
                        assert!(n % 2 == 0);
                    };
                    catch_unwind(AssertUnwindSafe(step)).is_err()
                })
                .count()
        });
        assert_eq!(caught.join().unwrap(), 500);
    });
}

#[test]
fn stderr_says_what_std_says_with_the_name() {
    let ended = in_child(ONE_WORKER, || {
        let worker = Builder::new().name("parser".into());
        let handle = worker.spawn(|| panic!("bad {}", "input")).unwrap();
        println!("parser {}", handle.thread().id());
        handle.join().unwrap_err();
        spawn(|| panic_any(1)).join().unwrap_err();
        // Other threads are still reported by std.
        let os = std::thread::Builder::new().name("plain".into());
        os.spawn(|| panic!("on an OS thread")).unwrap().join().unwrap_err();
    });
    ended.assert_success();
    let id = ended.stdout.split("parser ").nth(1).and_then(|s| s.lines().next()).unwrap();
    let place = format!("panicked at {}:", file!());
    ended.assert_says(&format!("\ngreen thread 'parser' ({id}) {place}"), 1);
    ended.assert_says("\nbad input\n", 1);
    ended.assert_says("\nBox<dyn Any>\n", 1);
    ended.assert_says("green thread '<unnamed>' (", 1);
    ended.assert_says("\nthread 'plain' (", 1);
    ended.assert_says("\nthread 'greenroom-", 0);
    assert!(ended.stderr.contains("note: run with `RUST_BACKTRACE=1`"), "{ended}");
    assert!(!ended.stderr.contains("stack backtrace:"), "{ended}");
}

#[test]
fn a_backtrace_where_one_is_wanted() {
    let vars = [("GREENROOM_WORKERS", "1"), ("RUST_BACKTRACE", "1")];
    let ended = in_child(&vars, || {
        // The smallest stack has room for it.
        let small = Builder::new().stack_size(1);
        #[inline(never)]
        fn a_frame_to_be_named() {
            panic!("on purpose");
        }
        small.spawn(a_frame_to_be_named).unwrap().join().unwrap_err();
    });
    ended.assert_success();
    ended.assert_says("stack backtrace:", 1);
    assert!(ended.stderr.contains("a_frame_to_be_named"), "{ended}");
}

/// A hook of the program's own, set before or after the start, gets the panics
/// of green threads and can tell whose they are.
#[test]
fn the_programs_hook_is_called() {
    static CALLS: Mutex<Vec<(char, Option<String>)>> = Mutex::new(Vec::new());
    let ended = in_child(ONE_WORKER, || {
        let hook = |which| {
            move |_: &panic::PanicHookInfo<'_>| {
                let name = current().and_then(|green| green.name().map(str::to_owned));
                CALLS.lock().unwrap().push((which, name));
            }
        };
        let fail = || {
            let named = Builder::new().name("failing".into());
            named.spawn(|| panic!("on purpose")).unwrap().join().unwrap_err();
        };
        panic::set_hook(Box::new(hook('a')));
        fail();
        panic::set_hook(Box::new(hook('b')));
        fail();
        drop(panic::take_hook());
        let name = Some("failing".to_owned());
        assert_eq!(*CALLS.lock().unwrap(), [('a', name.clone()), ('b', name)]);
    });
    ended.assert_success();
    ended.assert_says("on purpose", 0);
}

/// `take_hook` hands out our report like any other, to be wrapped.
#[test]
fn the_report_can_be_wrapped() {
    let ended = in_child(ONE_WORKER, || {
        spawn(|| ()).join().unwrap();
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            eprintln!("wrapped");
            before(info);
        }));
        let named = Builder::new().name("inner".into());
        named.spawn(|| panic!("on purpose")).unwrap().join().unwrap_err();
    });
    ended.assert_success();
    ended.assert_says("wrapped\n\ngreen thread 'inner' (", 1);
}

/// Panics while it is dropped, and sleeps first.
struct SlowDrop(&'static AtomicUsize);

impl Drop for SlowDrop {
    fn drop(&mut self) {
        sleep(Duration::from_millis(10));
        self.0.fetch_add(1, SeqCst);
    }
}

/// Unwinding may park: others run meanwhile, panic themselves, unwind and park
/// too, and everybody's payload goes to his own joiner.
#[test]
fn unwinding_may_park() {
    workers(1, || {
        static SLOW: AtomicUsize = AtomicUsize::new(0);
        let unwinding: Vec<_> = (0..50)
            .map(|n| {
                spawn(move || {
                    let _slow = SlowDrop(&SLOW);
                    (0..n % 5).for_each(|_| yield_now());
                    panic_any(n);
                })
            })
            .collect();
        let calm: Vec<_> = (0..50)
            .map(|n| {
                spawn(move || {
                    (0..10).for_each(|_| sleep(Duration::from_millis(2)));
                    n
                })
            })
            .collect();
        for (n, result) in joinall(unwinding).into_iter().enumerate() {
            let payload = result.unwrap_err().into_panic().unwrap();
            assert_eq!(*payload.downcast::<i32>().unwrap(), n as i32);
        }
        for (n, result) in joinall(calm).into_iter().enumerate() {
            assert_eq!(result.unwrap(), n);
        }
        assert_eq!(SLOW.load(SeqCst), 50);
        // The worker's count of panics is level again.
        assert!(!spawn(std::thread::panicking).join().unwrap());
    });
}

/// A destructor that runs while unwinding may use green threads as any other
/// code does, and may catch a panic of its own.
#[test]
fn a_destructor_may_spawn_join_and_catch() {
    workers(1, || {
        static DID: AtomicBool = AtomicBool::new(false);
        struct Busy;
        impl Drop for Busy {
            fn drop(&mut self) {
                assert_eq!(spawn(|| 5).join().unwrap(), 5);
                assert!(spawn(|| panic!("inner")).join().unwrap_err().is_panic());
                assert!(catch_unwind(|| panic!("caught inside")).is_err());
                DID.store(true, SeqCst);
            }
        }
        let handle = spawn(|| {
            let _busy = Busy;
            panic!("outer");
        });
        let payload = handle.join().unwrap_err().into_panic().unwrap();
        assert_eq!(*payload.downcast::<&str>().unwrap(), "outer");
        assert!(DID.load(SeqCst));
        assert!(!spawn(std::thread::panicking).join().unwrap());
    });
}

/// As on OS threads: a second panic out of a destructor ends the process.
#[test]
fn a_panic_out_of_a_destructor_while_unwinding_aborts() {
    let ended = in_child(ONE_WORKER, || {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("second");
            }
        }
        let handle = spawn(|| {
            let _bomb = Bomb;
            panic!("first");
        });
        let _ = handle.join();
    });
    ended.assert_signal(libc::SIGABRT);
    ended.assert_says("\nfirst\n", 1);
    ended.assert_says("\nsecond\n", 1);
}

/// A child that fails is noticed: the other tests rely on it.
#[test]
fn a_panic_on_the_main_thread_is_the_childs_end() {
    let ended = in_child(ONE_WORKER, || {
        let forever = spawn(|| sleep(Duration::MAX));
        until(|| !forever.is_finished());
        panic!("the test's own");
    });
    assert_eq!(ended.status.code(), Some(101), "{ended}");
    ended.assert_says("the test's own", 1);
}
