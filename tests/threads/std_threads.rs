//! What the documentation of `std::thread` promises.

use super::patched::is_green;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn tests_and_their_threads_are_green() {
    assert!(is_green());
    assert!(thread::spawn(is_green).join().unwrap());
    assert!(thread::scope(|s| s.spawn(is_green).join().unwrap()));
}

#[test]
fn join_gives_the_result() {
    assert_eq!(thread::spawn(|| "x".repeat(3)).join().unwrap(), "xxx");
    let nested = thread::spawn(|| thread::spawn(|| thread::spawn(|| 7).join().unwrap()).join());
    assert_eq!(nested.join().unwrap().unwrap(), 7);
    let many: Vec<_> = (0..1000).map(|n| thread::spawn(move || n * 2)).collect();
    for (n, handle) in many.into_iter().enumerate() {
        assert_eq!(handle.join().unwrap(), n * 2);
    }
}

#[test]
fn a_panic_goes_to_who_joins() {
    let failed = thread::spawn(|| -> u32 { std::panic::panic_any("no luck") }).join();
    assert_eq!(*failed.unwrap_err().downcast::<&str>().unwrap(), "no luck");
    assert!(!thread::panicking());
}

#[test]
fn a_detached_one_runs_on() {
    let (tx, rx) = mpsc::channel();
    let handle = thread::spawn(move || {
        thread::sleep(Duration::from_millis(10));
        tx.send(1).unwrap();
    });
    drop(handle);
    assert_eq!(rx.recv(), Ok(1));
    // One that has ended when it is detached.
    let handle = thread::spawn(|| ());
    while !handle.is_finished() {
        thread::yield_now();
    }
    thread::sleep(Duration::from_millis(1));
    drop(handle);
}

#[test]
fn names_ids_and_current() {
    let named = thread::Builder::new().name("a rather long name, for C".into());
    let (inner, id) = named
        .spawn(|| {
            let me = thread::current();
            (me.name().map(str::to_owned), me.id())
        })
        .map(|handle| {
            assert_eq!(handle.thread().name(), Some("a rather long name, for C"));
            let id = handle.thread().id();
            let (name, inside) = handle.join().unwrap();
            assert_eq!(inside, id);
            (name, id)
        })
        .unwrap();
    assert_eq!(inner.as_deref(), Some("a rather long name, for C"));
    assert_ne!(id, thread::current().id());
    assert_eq!(thread::spawn(|| thread::current().name().map(str::to_owned)).join().unwrap(), None);
}

#[test]
fn stack_sizes_are_honoured() {
    fn deep(depth: usize) -> usize {
        let frame = std::hint::black_box([depth as u8; 1024]);
        if depth == 0 { 0 } else { deep(depth - 1) + frame[7] as usize % 2 }
    }
    let handle = thread::Builder::new().stack_size(64 << 20).spawn(|| deep(20_000)).unwrap();
    handle.join().unwrap();
    // The least, and an odd number.
    for size in [0, 1, 16 << 10, 100_001] {
        let handle = thread::Builder::new().stack_size(size).spawn(|| deep(4)).unwrap();
        handle.join().unwrap();
    }
}

#[test]
fn scoped_ones_borrow_and_are_joined() {
    let mut sums = [0; 4];
    let numbers: Vec<u32> = (0..100).collect();
    thread::scope(|s| {
        for (sum, part) in sums.iter_mut().zip(numbers.chunks(25)) {
            s.spawn(move || {
                thread::sleep(Duration::from_millis(1));
                *sum = part.iter().sum();
            });
        }
    });
    assert_eq!(sums.iter().sum::<u32>(), 4950);
    let failed = std::panic::catch_unwind(|| {
        thread::scope(|s| {
            s.spawn(|| std::panic::resume_unwind(Box::new(())));
        })
    });
    assert!(failed.is_err(), "a scope reports the panics that nobody joined");
}

#[test]
fn park_and_unpark() {
    let (tx, rx) = mpsc::channel();
    let parked = thread::spawn(move || {
        tx.send(thread::current()).unwrap();
        thread::park();
        thread::park_timeout(Duration::from_millis(5));
    });
    let start = Instant::now();
    rx.recv().unwrap().unpark();
    parked.join().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(5));
    // A token that came first, once.
    thread::current().unpark();
    thread::current().unpark();
    thread::park();
    let start = Instant::now();
    thread::park_timeout(Duration::from_millis(3));
    assert!(start.elapsed() >= Duration::from_millis(3));
}

#[test]
fn thread_locals_are_fresh_and_destroyed_before_join_returns() {
    static ALIVE: AtomicUsize = AtomicUsize::new(0);
    struct Counted(u32);
    impl Drop for Counted {
        fn drop(&mut self) {
            // A destructor may wait.
            thread::sleep(Duration::from_millis(1));
            ALIVE.fetch_sub(1, SeqCst);
        }
    }
    thread_local! {
        static LAZY: RefCell<Option<Counted>> = const { RefCell::new(None) };
        static PLAIN: Cell<u32> = const { Cell::new(3) };
    }
    for round in 0..5 {
        let barrier = Arc::new(Barrier::new(10));
        let handles: Vec<_> = (0..10)
            .map(|n| {
                let barrier = barrier.clone();
                thread::spawn(move || {
                    assert_eq!(PLAIN.replace(n), 3);
                    assert!(LAZY.with_borrow(Option::is_none));
                    ALIVE.fetch_add(1, SeqCst);
                    LAZY.set(Some(Counted(n)));
                    barrier.wait();
                    assert_eq!(LAZY.with_borrow(|l| l.as_ref().unwrap().0), n);
                    assert_eq!(PLAIN.get(), n);
                })
            })
            .collect();
        for handle in handles {
            handle.join().unwrap();
        }
        assert_eq!(ALIVE.load(SeqCst), 0, "round {round}");
    }
}

#[test]
fn a_destructor_may_use_other_thread_locals_and_spawn() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            SEEN.fetch_add(thread::spawn(|| 1).join().unwrap(), SeqCst);
        }
    }
    thread_local!(static LAST: Cell<Option<Last>> = const { Cell::new(None) });
    thread::spawn(|| LAST.set(Some(Last))).join().unwrap();
    assert_eq!(SEEN.load(SeqCst), 1);
}

#[test]
fn finished_is_seen() {
    let (tx, rx) = mpsc::channel::<()>();
    let handle = thread::spawn(move || rx.recv());
    assert!(!handle.is_finished());
    drop(tx);
    while !handle.is_finished() {
        thread::yield_now();
    }
    assert!(handle.join().unwrap().is_err());
}

#[test]
fn os_threads_spawn_and_join_green_ones() {
    let real = greenroom::patch::native(|| {
        thread::spawn(|| {
            assert!(!is_green());
            let green = thread::spawn(|| {
                assert!(is_green());
                thread::sleep(Duration::from_millis(2));
                5
            });
            green.join().unwrap()
        })
    });
    assert_eq!(real.join().unwrap(), 5);
}

#[test]
fn a_green_thread_waits_for_an_os_thread_without_its_worker() {
    let (tx, rx) = mpsc::channel();
    let real = greenroom::patch::native(|| thread::spawn(move || rx.recv().unwrap()));
    let feeder = thread::spawn(move || {
        thread::sleep(Duration::from_millis(10));
        tx.send(9).unwrap();
    });
    // With one worker, the feeder runs only if this parks.
    assert_eq!(real.join().unwrap(), 9);
    feeder.join().unwrap();
}

#[test]
fn native_lasts_across_a_switch_and_nests() {
    use greenroom::patch::native;
    let inside = || native(|| thread::spawn(is_green)).join().unwrap();
    native(|| {
        greenroom::yield_now();
        assert!(!thread::spawn(is_green).join().unwrap());
        native(|| ());
        assert!(!thread::spawn(is_green).join().unwrap());
    });
    assert!(!inside());
    assert!(thread::spawn(is_green).join().unwrap());
    let _ = std::panic::catch_unwind(|| native(|| std::panic::resume_unwind(Box::new(()))));
    assert!(thread::spawn(is_green).join().unwrap());
}

#[test]
fn greenrooms_named_threads_are_named_for_std() {
    let name = "reader of the second socket";
    let named = |f: fn() -> String| greenroom::Builder::new().name(name.into()).spawn(f).unwrap();
    let inside = named(|| {
        greenroom::yield_now();
        assert_eq!(greenroom::current().unwrap().name(), thread::current().name());
        thread::current().name().unwrap().to_owned()
    });
    assert_eq!(inside.join().unwrap(), name);
    let failed = named(|| std::panic::panic_any(7_u8)).join().unwrap_err();
    assert_eq!(*failed.into_panic().unwrap().downcast::<u8>().unwrap(), 7);
    // What std's handle of it wakes.
    let (tx, rx) = mpsc::channel();
    let parked = greenroom::Builder::new().name(name.into()).spawn(move || {
        tx.send(thread::current()).unwrap();
        thread::park();
    });
    rx.recv().unwrap().unpark();
    parked.unwrap().join().unwrap();
    let strange = greenroom::Builder::new().name("nul\0".into());
    assert_eq!(strange.spawn(|| 1).unwrap().join().unwrap(), 1);
}
