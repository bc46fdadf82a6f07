//! Greenlets that nobody can switch to any more.

mod common;

use common::{Counted, DROPPED, in_child, workers};
use greenroom::Greenlet;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::Ordering::SeqCst;

/// Does something when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Hands back whatever it gets to this one, with something to drop.
fn echo() -> Greenlet<u32> {
    let (main, counted) = (Greenlet::current(), Counted::new());
    Greenlet::new(move |mut n| {
        let _both = (counted, Counted::new());
        loop {
            n = main.switch(n);
        }
    })
}

#[test]
fn a_suspended_one_unwinds_with_its_last_handle() {
    workers(1, || {
        let one = echo();
        let other = one.clone();
        assert_eq!(one.switch(4), 4);
        drop(one);
        assert_eq!(other.switch(5), 5);
        assert_eq!(DROPPED.load(SeqCst), 0);
        drop(other);
        Counted::assert_gone(2);
    });
}

#[test]
fn a_fresh_one_drops_its_closure() {
    workers(1, || {
        drop(echo());
        Counted::assert_gone(1);
    });
}

#[test]
fn a_child_keeps_its_parent() {
    workers(1, || {
        let parent = echo();
        let child = Greenlet::new(|n| n + 1);
        child.set_parent(&parent).unwrap();
        drop(parent);
        assert_eq!(DROPPED.load(SeqCst), 0);
        assert_eq!(child.switch(7), 8, "by way of the parent, which starts");
        drop(child);
        Counted::assert_gone(2);
    });
}

#[test]
fn amid_an_unwinding_it_unwinds_too() {
    workers(1, || {
        let caught = catch_unwind(|| {
            let one = echo();
            one.switch(1);
            resume_unwind(Box::new(5));
        });
        assert_eq!(*caught.unwrap_err().downcast::<i32>().unwrap(), 5);
        Counted::assert_gone(2);
        assert!(!std::thread::panicking());
    });
}

/// What it sends arrives before it goes: it starts as the parent of one that ends,
/// and once that has another parent, nobody has a handle to it.
#[test]
fn one_that_goes_by_switching_away_delivers() {
    workers(1, || {
        let main = Greenlet::current();
        let first = Greenlet::new(|text: String| text);
        let known = Rc::new(RefCell::new(Some(first.clone())));
        let goes = Greenlet::new(move |text: String| {
            let _counted = Counted::new();
            known.take().unwrap().set_parent(&main).unwrap();
            main.switch(text + " and gone")
        });
        first.set_parent(&goes).unwrap();
        drop(goes);
        assert_eq!(first.switch("here".into()), "here and gone");
        Counted::assert_gone(1);
    });
}

/// A destructor that switches does so as whoever drops the greenlet.
#[test]
fn its_destructors_may_switch() {
    workers(1, || {
        let log = Rc::new(RefCell::new(Vec::new()));
        let main = Greenlet::<u32>::current();
        let helper = Greenlet::new({
            let (main, log) = (main.clone(), log.clone());
            move |mut n| {
                loop {
                    log.borrow_mut().push(n);
                    n = main.switch(n + 1);
                }
            }
        });
        let dropped = Greenlet::new({
            let (main, helper, log) = (main.clone(), helper.clone(), log.clone());
            move |n: u32| {
                let _switches = OnDrop(|| {
                    assert_eq!(Greenlet::<u32>::current(), main);
                    let back = helper.switch(30);
                    log.borrow_mut().push(back);
                });
                main.switch(n)
            }
        });
        assert_eq!(dropped.switch(1), 1);
        assert_eq!(helper.switch(10), 11);
        drop(dropped);
        assert_eq!(*log.borrow(), [10, 30, 31]);
        assert_eq!(helper.switch(40), 41);
    });
}

/// The same, dropped by a greenlet, which is suspended in the middle of it.
#[test]
fn whoever_drops_it_may_wait_in_there() {
    workers(1, || {
        let main = Greenlet::<u32>::current();
        let dropper = Greenlet::new({
            let main = main.clone();
            move |n: u32| {
                let inner = Greenlet::new({
                    let main = main.clone();
                    move |n: u32| {
                        let _waits = OnDrop(|| assert_eq!(main.switch(500), 6));
                        let _counted = Counted::new();
                        let parent = Greenlet::current().parent().unwrap();
                        parent.switch(n + 1)
                    }
                });
                let n = inner.switch(n);
                drop(inner);
                n + 1000
            }
        });
        assert_eq!(dropper.switch(1), 500);
        Counted::assert_gone(1);
        assert_eq!(dropper.switch(6), 1002);
    });
}

/// It runs on in the drop, until it ends.
#[test]
fn a_body_that_catches_it_runs_on_as_whoever_drops_it() {
    let main = Greenlet::<u32>::current();
    let ran = Rc::new(RefCell::new(Vec::new()));
    let catches = Greenlet::new({
        let (main, ran) = (main.clone(), ran.clone());
        move |n: u32| {
            let caught = catch_unwind(AssertUnwindSafe(|| main.switch(n)));
            ran.borrow_mut().push(caught.is_err());
            ran.borrow_mut().push(main.switch(8) == 8);
            n
        }
    });
    catches.switch(1);
    drop(catches);
    assert_eq!(*ran.borrow(), [true, true]);
}

#[test]
fn a_destructors_panic_stays_there() {
    workers(1, || {
        let main = Greenlet::<u32>::current();
        let panics = Greenlet::new(move |n: u32| {
            let _counted = Counted::new();
            let _ = catch_unwind(AssertUnwindSafe(|| main.switch(n)));
            resume_unwind(Box::new("nobody hears this"));
        });
        panics.switch(1);
        drop(panics);
        Counted::assert_gone(1);
        assert!(!std::thread::panicking());
    });
}

/// Suspended in a destructor amid its own unwinding, it cannot unwind again.
#[test]
fn one_that_unwound_is_leaked() {
    let ended = in_child(&[], || {
        let main = Greenlet::<u32>::current();
        let unwinds = Greenlet::new(move |n: u32| {
            let _switches = OnDrop(|| {
                main.switch(n);
            });
            resume_unwind(Box::new("never arrives"));
        });
        assert_eq!(unwinds.switch(3), 3);
        drop(unwinds);
    });
    ended.assert_success();
    ended.assert_says("greenlet was dropped while it unwound; its stack is leaked", 1);
}

#[test]
fn many_use_few_stacks() {
    workers(1, || {
        let mappings = || std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
        let main = Greenlet::<u32>::current();
        let run = || {
            let main = main.clone();
            let suspended = Greenlet::new(move |n| main.switch(n));
            assert_eq!(suspended.switch(1), 1);
            assert_eq!(Greenlet::new(|n: u32| n).switch(2), 2);
        };
        run();
        let before = mappings();
        (0..20_000).for_each(|_| run());
        assert!(mappings() <= before + 5, "{before} mappings became {}", mappings());
    });
}
