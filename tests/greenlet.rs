//! Greenlets, as Python's: who runs, who gets what, whose parent is whose.

mod common;

use common::{Counted, workers};
use greenroom::Greenlet;
use greenroom::generator::{ParentError, SwitchError};
use std::any::Any;
use std::cell::{OnceCell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

/// What comes out of `f` as a panic.
fn panic_of<R>(f: impl FnOnce() -> R) -> Box<dyn Any + Send> {
    catch_unwind(AssertUnwindSafe(f)).err().expect("it panics")
}

/// What two that know each other know each other by.
type Slot<T> = Rc<OnceCell<Greenlet<T>>>;

fn slot<T>() -> Slot<T> {
    Rc::new(OnceCell::new())
}

/// A handle only: one of the slot would be kept on the caller's stack.
fn of<T: 'static>(slot: &Slot<T>) -> Greenlet<T> {
    slot.get().expect("it is set").clone()
}

#[test]
fn they_take_turns_and_pass_values() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let (one, two) = (slot(), slot::<u32>());
    let body = |name: &'static str, other: Slot<u32>| {
        let log = log.clone();
        move |mut n| {
            for _ in 0..3 {
                log.borrow_mut().push((name, n));
                let other = of(&other);
                n = other.switch(n + 1);
            }
            n
        }
    };
    one.set(Greenlet::new(body("one", two.clone()))).unwrap();
    two.set(Greenlet::new(body("two", one.clone()))).unwrap();
    // `one` goes through first; its parent is this one.
    assert_eq!(of(&one).switch(1), 7);
    assert!(of(&one).is_dead());
    assert!(of(&two).is_active());
    let expected = [("one", 1), ("two", 2), ("one", 3), ("two", 4), ("one", 5), ("two", 6)];
    assert_eq!(*log.borrow(), expected);
    // The rest of `two`, whose other one is dead: its parent gets that.
    assert_eq!(of(&two).switch(20), 20);
}

#[test]
fn a_dead_ones_switch_goes_to_its_parent() {
    let main = Greenlet::current();
    let dead = Greenlet::new(|n: u32| n + 1);
    assert_eq!(dead.switch(1), 2);
    assert!(dead.is_dead() && !dead.is_active());
    assert_eq!(dead.switch(5), 5, "its parent is us");
    let inner = Greenlet::new(move |n| dead.switch(n) + 1);
    assert_eq!(inner.switch(7), 7);
    assert_eq!(main.switch(9), 9, "oneself");
    assert_eq!(inner.switch(8), 9);
}

/// The grandchild dies, and its parent goes on, not who switched to it.
#[test]
fn the_parent_goes_on_not_the_caller() {
    let main = Greenlet::current();
    let parent = Greenlet::new({
        let main = main.clone();
        move |n: u32| {
            let got = main.switch(n);
            got + 1000
        }
    });
    parent.switch(1);
    let child = Greenlet::new(|n: u32| n * 2);
    child.set_parent(&parent).unwrap();
    let caller = Greenlet::new({
        let child = child.clone();
        move |n| {
            child.switch(n);
            unreachable!("nobody switches to it");
        }
    });
    assert_eq!(caller.switch(21), 1042);
    assert!(child.is_dead() && parent.is_dead() && caller.is_active());
}

/// A parent that has not started gets the value as its first.
#[test]
fn a_fresh_parent_starts() {
    let parent = Greenlet::new(|n: u32| n + 5);
    let child = Greenlet::new(|n: u32| n * 2);
    child.set_parent(&parent).unwrap();
    assert_eq!(child.switch(4), 13);
    assert!(parent.is_dead());
}

#[test]
fn parents_are_where_they_were_made_and_make_no_circle() {
    let main = Greenlet::<()>::current();
    assert_eq!(main.parent(), None);
    let seen = Rc::new(RefCell::new(None));
    let outer = Greenlet::new({
        let seen = seen.clone();
        move |()| {
            let inner = Greenlet::new(|()| ());
            assert_eq!(inner.parent(), Some(Greenlet::current()));
            *seen.borrow_mut() = Some(inner);
        }
    });
    outer.switch(());
    let inner = seen.take().unwrap();
    assert_eq!(inner.parent(), Some(outer.clone()));
    assert_eq!(outer.parent(), Some(main.clone()));
    assert_eq!(outer.set_parent(&inner), Err(ParentError::Circle));
    assert_eq!(inner.set_parent(&inner), Err(ParentError::Circle));
    assert_eq!(main.set_parent(&inner), Err(ParentError::Own));
    assert_eq!(inner.set_parent(&main), Ok(()));
    assert_eq!(inner.parent(), Some(main));
}

#[test]
fn a_panic_goes_to_the_parent() {
    let faulty = Greenlet::new(|n: u32| resume_unwind(Box::new(n)));
    let panic = panic_of(|| faulty.switch(3));
    assert_eq!(*panic.downcast::<u32>().unwrap(), 3);
    assert!(faulty.is_dead());
    // Past a dead parent, to the next.
    let main = Greenlet::current();
    let parent = Greenlet::new(|n: u32| n);
    let child = Greenlet::new({
        let main = main.clone();
        move |n: u32| {
            main.switch(n);
            resume_unwind(Box::new("late"))
        }
    });
    child.set_parent(&parent).unwrap();
    assert_eq!(child.switch(1), 1);
    assert_eq!(parent.switch(2), 2);
    assert_eq!(*panic_of(|| child.switch(3)).downcast::<&str>().unwrap(), "late");
    // One that catches it goes on.
    let careful = Greenlet::new(|n: u32| {
        let child = Greenlet::new(|n: u32| resume_unwind(Box::new(n + 1)));
        *panic_of(|| child.switch(n)).downcast::<u32>().unwrap()
    });
    assert_eq!(careful.switch(6), 7);
}

#[test]
fn what_is_thrown_unwinds_where_it_waits() {
    workers(1, || {
        let main = Greenlet::current();
        let waits = |counted| {
            let main = main.clone();
            Greenlet::new(move |n: u32| {
                let _counted: Counted = counted;
                main.switch(n + 1)
            })
        };
        let started = waits(Counted::new());
        assert_eq!(started.switch(1), 2);
        assert_eq!(*panic_of(|| started.throw(Box::new(5))).downcast::<i32>().unwrap(), 5);
        Counted::assert_gone(1);
        // A fresh one never runs.
        let fresh = waits(Counted::new());
        assert_eq!(*panic_of(|| fresh.throw(Box::new(6))).downcast::<i32>().unwrap(), 6);
        Counted::assert_gone(2);
        // And with a dead one it is the parent: us.
        for dead in [started, fresh] {
            assert!(dead.is_dead());
            assert_eq!(*panic_of(|| dead.throw(Box::new(7))).downcast::<i32>().unwrap(), 7);
        }
        assert_eq!(*panic_of(|| main.throw(Box::new(8))).downcast::<i32>().unwrap(), 8);
    });
}

#[test]
fn a_kill_ends_one_and_its_parent_gets_the_value() {
    workers(1, || {
        let main = Greenlet::current();
        let endless = |counted| {
            let main = main.clone();
            Greenlet::new(move |mut n: u32| {
                let _counted: Counted = counted;
                loop {
                    n = main.switch(n + 1);
                }
            })
        };
        let started = endless(Counted::new());
        assert_eq!((started.switch(1), started.switch(5)), (2, 6));
        assert_eq!(started.kill(70), 70);
        Counted::assert_gone(1);
        let fresh = endless(Counted::new());
        assert_eq!(fresh.kill(71), 71);
        Counted::assert_gone(2);
        assert!(started.is_dead() && fresh.is_dead());
        assert_eq!(started.kill(72), 72, "its parent gets it at once");
        let itself = Greenlet::new(|n: u32| Greenlet::current().kill(n + 1));
        assert_eq!(itself.switch(8), 9);
        assert!(panic_of(|| main.kill(1)).is::<&str>());
    });
}

#[test]
fn a_body_that_catches_its_kill_goes_on() {
    let main = Greenlet::current();
    let stubborn = Greenlet::new({
        let main = main.clone();
        move |n: u32| {
            let _kill = panic_of(|| main.switch(n));
            main.switch(100);
            200
        }
    });
    assert_eq!(stubborn.switch(1), 1);
    assert_eq!(stubborn.kill(2), 100, "not the value: it did not end");
    assert!(stubborn.is_active());
    assert_eq!(stubborn.switch(3), 200);
}

#[test]
fn values_of_another_type_are_refused() {
    let main = Greenlet::<u32>::current();
    let text = Greenlet::<String>::new(move |text| {
        // The thread's own waits for a text.
        let refused = main.try_switch(5).unwrap_err();
        assert!(matches!(refused, SwitchError::WrongType { value: 5, .. }), "{refused:?}");
        assert!(refused.to_string().contains("String"), "{refused}");
        text + "!"
    });
    assert_eq!(text.switch("a".into()), "a!");
    // A child that ends has nobody to give its value back to.
    let number = Greenlet::new(|n: u32| n + 1);
    let between = Greenlet::<String>::new(move |_| {
        let number = number.clone();
        number.set_parent(&Greenlet::current().parent().unwrap()).unwrap();
        number.switch(1).to_string()
    });
    let panic = panic_of(|| between.switch("b".into()));
    assert!(panic.downcast::<String>().unwrap().contains("another type"));
}
