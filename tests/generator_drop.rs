//! Generators that are dropped on their way: what unwinds, what is leaked.

mod common;

use common::{Counted, in_child, workers};
use greenroom::generator::Co;
use greenroom::{Generator, Step};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::thread::panicking;

type Plain = Generator<(), u32, ()>;

/// Does something when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Yields what it is told as often as it is asked, with something to drop.
fn endless() -> Plain {
    let outer = Counted::new();
    Generator::new(move |co, ()| {
        let _both = (outer, Counted::new());
        loop {
            co.yield_(1);
        }
    })
}

#[test]
fn a_suspended_one_unwinds() {
    workers(1, || {
        let mut one = endless();
        assert_eq!(one.by_ref().take(3).sum::<u32>(), 3);
        drop(one);
        Counted::assert_gone(2);
        assert!(!panicking());
    });
}

#[test]
fn a_fresh_one_drops_its_closure_alone() {
    workers(1, || {
        drop(endless());
        Counted::assert_gone(1);
    });
}

#[test]
fn a_finished_one_has_nothing_left() {
    workers(1, || {
        let counted = Counted::new();
        let mut one = Generator::<(), (), ()>::new(move |_, ()| drop(counted));
        one.resume(());
        Counted::assert_gone(1);
        drop(one);
        Counted::assert_gone(1);
    });
}

#[test]
fn nested_ones_unwind_from_within() {
    workers(1, || {
        let mut outer = Plain::new(|co, ()| {
            let mut inner = endless();
            loop {
                inner.resume(());
                co.yield_(2);
            }
        });
        outer.resume(());
        drop(outer);
        Counted::assert_gone(2);
    });
}

#[test]
fn amid_an_unwinding_it_unwinds_too() {
    workers(1, || {
        let caught = catch_unwind(|| {
            let mut one = endless();
            one.resume(());
            resume_unwind(Box::new(5));
        });
        assert_eq!(*caught.unwrap_err().downcast::<i32>().unwrap(), 5);
        Counted::assert_gone(2);
        assert!(!panicking());
    });
}

#[test]
fn in_the_middle_of_an_adapter() {
    workers(1, || {
        let pairs = endless().zip(endless()).map(|(a, b)| a + b).take(2);
        assert_eq!(pairs.sum::<u32>(), 4);
        Counted::assert_gone(4);
    });
}

#[test]
fn a_body_that_catches_it_may_return() {
    workers(1, || {
        let mut one = Generator::<(), u32, Counted>::new(|co, ()| {
            let caught = catch_unwind(AssertUnwindSafe(|| co.yield_(1)));
            assert!(caught.is_err());
            Counted::new()
        });
        one.resume(());
        drop(one);
        Counted::assert_gone(1);
    });
}

/// It cannot go on living, and it cannot stop what drops it.
#[test]
fn a_body_that_catches_it_and_yields_unwinds_again() {
    workers(1, || {
        let times = Rc::new(Cell::new(0));
        let seen = times.clone();
        let mut one = Plain::new(move |co, ()| {
            let _counted = Counted::new();
            for _ in 0..5 {
                let _ = catch_unwind(AssertUnwindSafe(|| co.yield_(1)));
                times.set(times.get() + 1);
            }
        });
        one.resume(());
        drop(one);
        assert_eq!(seen.get(), 5);
        Counted::assert_gone(1);
    });
}

#[test]
fn a_body_that_never_stops_is_leaked() {
    let ended = in_child(&[], || {
        let mut one = Plain::new(|co, ()| {
            loop {
                let _ = catch_unwind(AssertUnwindSafe(|| co.yield_(1)));
            }
        });
        one.resume(());
        drop(one);
        // Its stack is nobody else's.
        assert_eq!(endless().take(1000).sum::<u32>(), 1000);
    });
    ended.assert_success();
    ended.assert_says("generator was dropped and yielded on; its stack is leaked", 1);
}

/// A destructor cannot unwind, and there is nothing to return to it.
#[test]
fn a_destructor_that_yields_is_leaked() {
    fn body(co: &Co<(), u32>, (): ()) {
        let _yields = OnDrop(|| co.yield_(7));
        co.yield_(1);
    }
    let ended = in_child(&[], || {
        let mut one = Plain::new(body);
        one.resume(());
        drop(one);
        assert!(panicking(), "std counts the unwinding that was cut short");
        assert_eq!(endless().take(1000).sum::<u32>(), 1000);
    });
    ended.assert_success();
    ended.assert_says("and yielded on", 1);
}

/// Without an end that is forced on it a destructor may yield.
#[test]
fn a_destructor_may_yield_amid_a_panic() {
    workers(1, || {
        let mut one = Generator::<u32, u32, ()>::new(|co, first| {
            let _yields = OnDrop(|| drop(Counted::new()));
            let _waits = OnDrop(|| assert_eq!(co.yield_(first), 8));
            resume_unwind(Box::new("the end"));
        });
        assert_eq!(one.resume(4), Step::Yielded(4));
        let end = catch_unwind(AssertUnwindSafe(|| one.resume(8))).unwrap_err();
        assert_eq!(*end.downcast::<&str>().unwrap(), "the end");
        Counted::assert_gone(1);
        assert!(!panicking());
    });
}

#[test]
fn dropped_there_it_is_leaked() {
    let ended = in_child(&[], || {
        let mut one = Plain::new(|co, ()| {
            let _yields = OnDrop(|| co.yield_(7));
            resume_unwind(Box::new("never comes out"));
        });
        assert_eq!(one.resume(()), Step::Yielded(7));
        drop(one);
    });
    ended.assert_success();
    ended.assert_says("generator was dropped while it unwound; its stack is leaked", 1);
}

#[test]
fn a_destructors_panic_comes_out_of_the_drop() {
    workers(1, || {
        let mut one = Plain::new(|co, ()| {
            let counted = Counted::new();
            let _panics = OnDrop(|| resume_unwind(Box::new("from a destructor")));
            // Amid the unwinding a panic would abort, so it ends there first.
            let _ = catch_unwind(AssertUnwindSafe(|| co.yield_(1)));
            drop(counted);
        });
        one.resume(());
        let out = catch_unwind(AssertUnwindSafe(|| drop(one))).unwrap_err();
        assert_eq!(*out.downcast::<&str>().unwrap(), "from a destructor");
        Counted::assert_gone(1);
    });
}

#[test]
fn a_fresh_closures_panic_comes_out_once() {
    workers(1, || {
        let panics = OnDrop(|| {
            drop(Counted::new());
            resume_unwind(Box::new(3));
        });
        let one = Plain::new(move |_, ()| drop(panics));
        let out = catch_unwind(AssertUnwindSafe(|| drop(one))).unwrap_err();
        assert_eq!(*out.downcast::<i32>().unwrap(), 3);
        Counted::assert_gone(1);
    });
}

/// On the stack of another one this would be suspended with that one on top.
#[test]
fn its_co_is_no_use_on_another_stack() {
    let mut outer = Plain::new(|co, ()| {
        co.yield_(1);
        let co: *const Co<(), u32> = co;
        let mut inner = Plain::new(move |_, ()| {
            // SAFETY: the outer body waits here. What safe crates with scoped
            // thread-locals make possible.
            unsafe { &*co }.yield_(2);
        });
        let panic = catch_unwind(AssertUnwindSafe(|| inner.resume(()))).unwrap_err();
        assert!(panic.downcast::<&str>().unwrap().contains("on another stack"));
        // SAFETY: as above.
        unsafe { &*co }.yield_(3);
    });
    assert_eq!(outer.by_ref().collect::<Vec<_>>(), [1, 3]);
}
