//! Green-local values: whose they are, when they come and go, what is inherited.

mod common;

use common::{Counted, in_child, until, workers};
use greenroom::{Builder, green_local, joinall, spawn, spawn_later, yield_now};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn each_thread_has_its_own() {
    green_local! {
        static SUM: Cell<u64> = Cell::new(0);
        static SEEN: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    }
    fn adds(n: u64) -> bool {
        for i in 0..20 {
            SUM.set(SUM.get() + n);
            SEEN.with_borrow_mut(|seen| seen.push(i));
            yield_now();
        }
        SUM.get() == 20 * n && SEEN.take() == (0..20).collect::<Vec<_>>()
    }
    workers(2, || {
        let greens: Vec<_> = (0..200).map(|n| spawn(move || adds(n))).collect();
        let plain: Vec<_> = (0..4).map(|n| std::thread::spawn(move || adds(n))).collect();
        assert!(joinall(greens).into_iter().all(|same| same.unwrap()));
        assert!(plain.into_iter().all(|same| same.join().unwrap()));
        assert_eq!(SUM.get(), 0);
    });
}

/// What `Tells` said, in order.
static TOLD: Mutex<Vec<&str>> = Mutex::new(Vec::new());

struct Tells(&'static str, fn());
impl Drop for Tells {
    fn drop(&mut self) {
        (self.1)();
        TOLD.lock().unwrap().push(self.0);
    }
}

green_local! {
    static FIRST: Tells = Tells("first", || assert!(FIRST.try_with(|_| ()).is_err()));
    static SECOND: Tells = Tells("second", || {
        FIRST.with(|first| assert_eq!(first.0, "first"));
        LATE.with(|_| ());
        greenroom::sleep(Duration::from_millis(2));
        yield_now();
    });
    static LATE: Tells = Tells("late", || assert!(SECOND.try_with(|_| ()).is_err()));
}

fn begins_two() {
    FIRST.with(|_| ());
    SECOND.with(|_| ());
    assert!(TOLD.lock().unwrap().is_empty());
}

/// The last one first, each without itself and with those before it; what one
/// begins then goes too. All before a joiner goes on.
#[test]
fn they_go_in_order_and_may_wait() {
    workers(1, || {
        spawn(begins_two).join().unwrap();
        assert_eq!(*TOLD.lock().unwrap(), ["second", "late", "first"]);
    });
}

#[test]
fn on_os_threads_likewise() {
    workers(1, || {
        std::thread::spawn(begins_two).join().unwrap();
        assert_eq!(*TOLD.lock().unwrap(), ["second", "late", "first"]);
    });
}

#[test]
fn they_go_when_it_panics() {
    workers(1, || {
        let green = spawn(|| {
            begins_two();
            panic!("mine");
        });
        assert!(green.join().unwrap_err().is_panic());
        assert_eq!(*TOLD.lock().unwrap(), ["second", "late", "first"]);
    });
}

#[test]
fn a_destructor_that_panics_harms_nobody() {
    green_local! {
        static KEPT: Counted = Counted::new();
        static FAILS: Fails = Fails;
    }
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    fn begins_both() -> u32 {
        KEPT.with(|_| ());
        FAILS.with(|_| ());
        7
    }
    let ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
        assert_eq!(spawn(begins_both).join().unwrap(), 7);
        assert_eq!(std::thread::spawn(begins_both).join().unwrap(), 7);
        Counted::assert_gone(2);
    });
    ended.assert_success();
    ended.assert_says("in a destructor", 2);
}

#[test]
fn beginning_may_fail_or_use_itself() {
    static TRIES: AtomicUsize = AtomicUsize::new(0);
    green_local! {
        static FAILS_ONCE: usize = {
            assert!(TRIES.fetch_add(1, SeqCst) > 0, "not yet");
            5
        };
        static NESTED: (Counted, usize) = {
            let inner = if TRIES.fetch_add(1, SeqCst) < 4 { NESTED.with(|n| n.1) } else { 0 };
            (Counted::new(), inner + FAILS_ONCE.with(|n| *n))
        };
    }
    workers(1, || {
        let green = spawn(|| {
            let first = catch_unwind(AssertUnwindSafe(|| FAILS_ONCE.with(|n| *n)));
            assert!(first.is_err());
            assert_eq!(FAILS_ONCE.with(|n| *n), 5);
            let innermost = NESTED.with(|n| n.1);
            assert_eq!(innermost, 5, "whoever came first stays");
            NESTED.with(|n| n.1)
        });
        assert_eq!(green.join().unwrap(), 5);
        Counted::assert_gone(3);
    });
}

/// Counts its copies.
#[derive(Debug)]
struct Heir(u32, #[allow(dead_code, reason = "it counts")] Counted);
impl Clone for Heir {
    fn clone(&self) -> Heir {
        Heir(self.0, Counted::new())
    }
}

green_local! {
    /// Passed on.
    #[inherit]
    static ID: RefCell<Heir> = RefCell::new(Heir(0, Counted::new()));
    #[inherit]
    #[allow(dead_code, reason = "it is never begun")]
    static UNUSED: Heir = unreachable!("nobody has it");
    static MINE: Cell<u32> = Cell::new(0);
}

fn id() -> (u32, u32) {
    (ID.with_borrow(|id| id.0), MINE.get())
}

#[test]
fn what_is_inherited_is_a_copy_of_that_moment() {
    workers(2, || {
        assert_eq!(spawn(id).join().unwrap(), (0, 0));
        ID.set(Heir(1, Counted::new()));
        MINE.set(1);
        let early = spawn_later(Duration::from_millis(5), id);
        ID.set(Heir(2, Counted::new()));
        assert_eq!(early.join().unwrap(), (1, 0));
        let named = Builder::new().name("n".into()).spawn(id).unwrap();
        assert_eq!(named.join().unwrap(), (2, 0));
        let green = spawn(|| {
            let before = spawn(id);
            ID.with_borrow_mut(|id| id.0 = 3);
            let after = spawn(|| (id(), spawn(id).join().unwrap()));
            (before.join().unwrap().0, after.join().unwrap())
        });
        assert_eq!(green.join().unwrap(), (2, ((3, 0), (3, 0))));
        assert_eq!(id(), (2, 1));
        let unseen = std::thread::spawn(id).join().unwrap();
        assert_eq!(unseen, (0, 0), "no green thread, so it inherits nothing");
    });
}

#[test]
fn patched_threads_inherit_too() {
    // With shared thread-locals the family is refused.
    let vars = [("GREENROOM_WORKERS", "2"), ("GREENROOM_THREAD_LOCALS", "own")];
    in_child(&vars, || {
        greenroom::patch_all().unwrap();
        ID.set(Heir(4, Counted::new()));
        assert_eq!(std::thread::spawn(id).join().unwrap(), (4, 0));
        let green = spawn(|| std::thread::spawn(id).join().unwrap());
        assert_eq!(green.join().unwrap(), (4, 0));
    })
    .assert_success();
}

#[test]
fn every_copy_goes() {
    workers(2, || {
        let parent = spawn(|| {
            ID.set(Heir(1, Counted::new()));
            let children: Vec<_> = (0..50).map(|_| spawn(|| ())).collect(); // never looks
            drop(spawn(id));
            joinall(children).into_iter().for_each(|r| r.unwrap());
        });
        parent.join().unwrap();
        Counted::assert_gone(52);
    });
}

#[test]
fn also_of_those_that_never_start() {
    let ended = in_child(&[("GREENROOM_WORKERS", "none")], || {
        ID.set(Heir(1, Counted::new()));
        assert!(spawn(id).join().is_err());
        drop(spawn(id));
        assert!(Builder::new().spawn(id).is_err());
        until(|| common::DROPPED.load(SeqCst) == 3);
        assert_eq!(common::MADE.load(SeqCst), 4, "ours is still here");
    });
    ended.assert_success();
}

#[test]
fn a_copy_that_fails_fails_the_spawn() {
    green_local! {
        #[inherit]
        static BAD: Bad = Bad;
    }
    struct Bad;
    impl Clone for Bad {
        fn clone(&self) -> Bad {
            panic!("no copies");
        }
    }
    workers(1, || {
        BAD.with(|_| ());
        let kept = Counted::new();
        let spawned = catch_unwind(AssertUnwindSafe(|| spawn(move || drop(kept))));
        assert!(spawned.is_err());
        Counted::assert_gone(1);
        assert!(std::thread::spawn(|| spawn(|| 1).join().unwrap()).join().is_ok());
    });
}

/// A kill unwinds the waits of the closure, and not those of destructors.
#[test]
fn they_go_in_peace_when_it_is_killed() {
    struct Waits(Counted);
    impl Drop for Waits {
        fn drop(&mut self) {
            greenroom::sleep(Duration::from_millis(2));
            yield_now();
            spawn(yield_now).join().unwrap();
        }
    }
    green_local!(static GREEN: Waits = Waits(Counted::new()));
    // Of the green thread with own thread-locals, else of the worker.
    thread_local!(static THREAD: Waits = Waits(Counted::new()));
    workers(1, || {
        let own = std::env::var("GREENROOM_THREAD_LOCALS").is_ok_and(|mode| mode == "own");
        let each = if own { 2 } else { 1 };
        let begun = || {
            let begun = std::sync::Arc::new(AtomicUsize::new(0));
            let begins = begun.clone();
            let green = spawn(move || {
                GREEN.with(|_| ());
                if own {
                    THREAD.with(|_| ());
                }
                begins.fetch_add(1, SeqCst);
                greenroom::park();
            });
            until(|| begun.load(SeqCst) == 1);
            green
        };
        let green = begun();
        green.kill();
        assert!(green.join().unwrap_err().is_killed());
        Counted::assert_gone(each);
        // Killed while they go already.
        let green = begun();
        green.thread().unpark();
        yield_now();
        green.kill();
        drop(green.join());
        Counted::assert_gone(2 * each);
    });
}
