//! Suspended generators and greenlets that are kept in thread-locals to the end
//! of their thread: what they use there may be gone before them.

mod common;

use common::{DROPPED, MADE, in_child};
use greenroom::{Generator, Greenlet};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// What a body uses while it is suspended. Gone, it is poison.
struct Used(Cell<u32>);

const WHOLE: u32 = 0x600D;

impl Drop for Used {
    fn drop(&mut self) {
        self.0.set(0xBAD);
    }
}

/// Looks at what it refers to when its stack unwinds.
struct Looks<'a>(&'a Used);

impl Drop for Looks<'_> {
    fn drop(&mut self) {
        assert_eq!(self.0.0.get(), WHOLE);
        DROPPED.fetch_add(1, SeqCst);
    }
}

thread_local! {
    static EARLY: RefCell<Vec<Box<dyn FnMut() -> bool>>> = const { RefCell::new(Vec::new()) };
    static USED: Used = const { Used(Cell::new(WHOLE)) };
    static LATE: RefCell<Vec<Box<dyn FnMut() -> bool>>> = const { RefCell::new(Vec::new()) };
}

/// Suspended in the middle of `USED.with`.
fn generator() -> Box<dyn FnMut() -> bool> {
    let mut generator = Generator::<(), (), ()>::new(|co, ()| {
        USED.with(|used| {
            MADE.fetch_add(1, SeqCst);
            let _looks = Looks(used);
            loop {
                co.yield_(());
                assert_eq!(used.0.get(), WHOLE);
            }
        });
    });
    Box::new(move || generator.try_resume(()).is_ok())
}

fn greenlet() -> Box<dyn FnMut() -> bool> {
    let main = Greenlet::current();
    let greenlet = Greenlet::new(move |()| {
        USED.with(|used| {
            MADE.fetch_add(1, SeqCst);
            let _looks = Looks(used);
            loop {
                main.switch(());
                assert_eq!(used.0.get(), WHOLE);
            }
        });
    });
    Box::new(move || greenlet.try_switch(()).is_ok())
}

/// Before and after `USED`, so that in whatever order they go, some go later.
fn keep_all() {
    for make in [generator, greenlet] {
        EARLY.with_borrow_mut(|early| early.push(make()));
    }
    USED.with(|_| ());
    for make in [generator, greenlet] {
        LATE.with_borrow_mut(|late| late.push(make()));
    }
    for kept in [&EARLY, &LATE] {
        kept.with_borrow_mut(|kept| {
            assert!(kept.iter_mut().all(|run| run() && run()));
        });
    }
}

fn assert_leaked() {
    assert_eq!((MADE.load(SeqCst), DROPPED.load(SeqCst)), (4, 0));
}

#[test]
fn they_are_leaked_on_an_os_thread() {
    let ended = in_child(&[], || {
        std::thread::spawn(keep_all).join().unwrap();
        assert_leaked();
    });
    ended.assert_success();
    ended.assert_says("generator was dropped at the end of its thread; its stack is leaked", 2);
    ended.assert_says("greenlet was dropped at the end of its thread; its stack is leaked", 2);
}

#[test]
fn they_are_leaked_on_a_green_thread_with_its_own() {
    let vars = [("GREENROOM_THREAD_LOCALS", "own"), ("GREENROOM_WORKERS", "1")];
    let ended = in_child(&vars, || {
        greenroom::spawn(keep_all).join().unwrap();
        assert_leaked();
        // The next one with the same block starts afresh.
        greenroom::spawn(|| {
            let mut next = generator();
            assert!(next() && next());
        })
        .join()
        .unwrap();
        assert_eq!((MADE.load(SeqCst), DROPPED.load(SeqCst)), (5, 1));
    });
    ended.assert_success();
    ended.assert_says("was dropped at the end of its thread; its stack is leaked", 4);
}

/// In a destructor of a thread-local they are not to be resumed either, and
/// those that are started there are not to be resumed again.
#[test]
fn they_do_not_run_meanwhile() {
    static RAN: AtomicBool = AtomicBool::new(false);
    struct Runs(Vec<Box<dyn FnMut() -> bool>>);
    impl Drop for Runs {
        fn drop(&mut self) {
            assert!(self.0.iter_mut().all(|run| !run()));
            let mut new = generator();
            assert!(new() && !new());
            let mut new = greenlet();
            assert!(!new());
            RAN.store(true, SeqCst);
        }
    }
    thread_local!(static RUNS: RefCell<Runs> = const { RefCell::new(Runs(Vec::new())) });
    let ended = in_child(&[], || {
        let thread = std::thread::spawn(|| {
            USED.with(|_| ()); // goes after `RUNS`
            RUNS.with_borrow_mut(|runs| {
                runs.0 = vec![generator(), greenlet()];
                assert!(runs.0.iter_mut().all(|run| run() && run()));
            });
        });
        thread.join().unwrap();
        assert!(RAN.load(SeqCst));
        assert_eq!((MADE.load(SeqCst), DROPPED.load(SeqCst)), (3, 0));
    });
    ended.assert_success();
}

/// The first of its thread, and only when thread-locals go already.
#[test]
fn nor_one_that_starts_so_late() {
    static RAN: AtomicBool = AtomicBool::new(false);
    struct Starts;
    impl Drop for Starts {
        fn drop(&mut self) {
            EARLY.with_borrow_mut(|early| early.push(generator()));
            EARLY.with_borrow_mut(|early| assert!(early[0]()));
            RAN.store(true, SeqCst);
        }
    }
    thread_local!(static STARTS: Starts = const { Starts });
    let ended = in_child(&[], || {
        let thread = std::thread::spawn(|| {
            EARLY.with_borrow(|_| ());
            USED.with(|_| ());
            STARTS.with(|_| ());
        });
        thread.join().unwrap();
        assert!(RAN.load(SeqCst));
        assert_eq!((MADE.load(SeqCst), DROPPED.load(SeqCst)), (1, 0));
    });
    ended.assert_success();
}

/// What `green_local!` declares goes with its green thread, whatever the mode.
#[test]
fn green_local_values_go_likewise() {
    greenroom::green_local! {
        static KEPT: RefCell<Vec<Box<dyn FnMut() -> bool>>> = const { RefCell::new(Vec::new()) };
        static IN_USE: Used = Used(Cell::new(WHOLE));
    }
    fn suspended() -> Box<dyn FnMut() -> bool> {
        let mut generator = Generator::<(), (), ()>::new(|co, ()| {
            IN_USE.with(|used| {
                MADE.fetch_add(1, SeqCst);
                let _looks = Looks(used);
                loop {
                    co.yield_(());
                }
            });
        });
        Box::new(move || generator.try_resume(()).is_ok())
    }
    let ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
        let keep = || {
            KEPT.with(|_| ()); // goes after `IN_USE`
            let mut generator = suspended();
            assert!(generator());
            KEPT.with(|kept| kept.borrow_mut().push(generator));
        };
        greenroom::spawn(keep).join().unwrap();
        assert_eq!((MADE.load(SeqCst), DROPPED.load(SeqCst)), (1, 0));
        // Dropped before, it unwinds.
        greenroom::spawn(|| assert!(suspended()())).join().unwrap();
        assert_eq!((MADE.load(SeqCst), DROPPED.load(SeqCst)), (2, 1));
        std::thread::spawn(keep).join().unwrap();
        assert_eq!((MADE.load(SeqCst), DROPPED.load(SeqCst)), (3, 1));
    });
    ended.assert_success();
    ended.assert_says("was dropped at the end of its thread; its stack is leaked", 2);
}
