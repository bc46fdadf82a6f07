//! What greenlets do on their way out that nobody can switch to any more, and what
//! they drag along.

mod common;

use common::{Counted, DROPPED, in_child, until, workers};
use greenroom::sync::Event;
use greenroom::{Generator, Greenlet, spawn, time_left, timeout, uncancellable};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Does something when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// On a stack of 256 KiB, within each other they would not fit.
#[test]
fn a_long_line_of_parents() {
    workers(1, || {
        let line = || {
            let mut last = Greenlet::new(|n: u32| n);
            for _ in 0..5000 {
                let counted = Counted::new();
                let next = Greenlet::new(move |n: u32| {
                    drop(counted);
                    n + 1
                });
                next.set_parent(&last).unwrap();
                last = next;
            }
            last
        };
        spawn(move || drop(line())).join().unwrap();
        Counted::assert_gone(5000);
        spawn(move || assert_eq!(line().switch(0), 5000)).join().unwrap();
        Counted::assert_gone(10_000);
    });
}

/// Each makes the next, whose parent it is, and ends.
#[test]
fn a_long_line_of_dead_parents() {
    fn step(left: u32, next: Rc<RefCell<Option<Greenlet<u32>>>>) -> Greenlet<u32> {
        Greenlet::new(move |n| {
            let after = (left > 0).then(|| step(left - 1, next.clone()));
            *next.borrow_mut() = after;
            n + 1
        })
    }
    workers(1, || {
        let run = || {
            let next = Rc::new(RefCell::new(None));
            let (mut one, mut n) = (Some(step(40_000, next.clone())), 0);
            while let Some(it) = one {
                n = it.switch(n);
                one = next.take();
            }
            n
        };
        assert_eq!(spawn(run).join().unwrap(), 40_001);
    });
}

/// Suspended in the destructor of another's closure, it is to end there, not to go
/// on behind it.
#[test]
fn one_that_waits_in_anothers_end_ends() {
    workers(1, || {
        let main = Greenlet::<u32>::current();
        let went_on = Rc::new(Cell::new(false));
        let make = || {
            let (main, went_on) = (main.clone(), went_on.clone());
            Greenlet::new(move |n: u32| {
                let _counted = Counted::new();
                let waits = {
                    let main = main.clone();
                    OnDrop(move || _ = main.switch(n + 1))
                };
                drop(Greenlet::new(move |n: u32| {
                    let _waits = &waits; // its own
                    n
                }));
                went_on.set(true);
                main.switch(n)
            })
        };
        let dropped = make();
        assert_eq!(dropped.switch(1), 2);
        drop(dropped);
        assert!(!went_on.get());
        Counted::assert_gone(1);
        let killed = make();
        assert_eq!(killed.switch(1), 2);
        assert_eq!(killed.kill(70), 70);
        assert!(killed.is_dead() && !went_on.get());
        Counted::assert_gone(2);
        let lives = make();
        assert_eq!((lives.switch(1), lives.switch(2)), (2, 1));
        assert!(went_on.get());
    });
}

#[test]
fn one_that_will_not_end_is_leaked() {
    let ended = in_child(&[], || {
        let main = Greenlet::<u32>::current();
        let seen = main.clone();
        let guarded = Greenlet::new(move |mut n| {
            loop {
                n = catch_unwind(AssertUnwindSafe(|| main.switch(n))).unwrap_or(0);
            }
        });
        assert_eq!(guarded.switch(3), 3);
        drop(guarded);
        assert_eq!(Greenlet::<u32>::current(), seen);
        assert_eq!(Greenlet::new(|n: u32| n + 1).switch(4), 5);
    });
    ended.assert_success();
    ended.assert_says("greenlet was dropped and switched on; its stack is leaked", 1);
}

/// What it was to give its parent when it was killed, and did not as it lived on.
#[test]
fn a_panic_of_its_last_value_stays_there() {
    struct Panics(bool);
    impl Drop for Panics {
        fn drop(&mut self) {
            drop(Counted::new());
            if self.0 {
                resume_unwind(Box::new("nobody hears this"));
            }
        }
    }
    workers(1, || {
        let main = Greenlet::<Panics>::current();
        let catches = Greenlet::new(move |value| {
            let killed = catch_unwind(AssertUnwindSafe(|| main.switch(value)));
            assert!(killed.is_err());
            main.switch(Panics(false))
        });
        drop(catches.switch(Panics(false)));
        drop(catches.kill(Panics(true)));
        drop(catches);
        Counted::assert_gone(3);
    });
}

/// Its body is in what it has entered, and in what whoever drops it is in.
#[test]
fn it_ends_within_what_is_around_the_drop() {
    const LONG: Duration = Duration::from_secs(3600);
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    workers(1, || {
        let deed = || {
            let main = Greenlet::<u32>::current();
            let catches = Greenlet::new(move |n| {
                let within = timeout(2 * LONG, || {
                    assert!(time_left().unwrap() > LONG);
                    assert!(catch_unwind(AssertUnwindSafe(|| main.switch(n))).is_err());
                    greenroom::yield_now();
                    greenroom::sleep(Duration::from_millis(1));
                    SEEN.fetch_add(1, SeqCst);
                    time_left().is_none()
                });
                SEEN.fetch_add(1, SeqCst);
                assert!(within.unwrap() && time_left().is_none());
                n
            });
            catches.switch(1);
            greenroom::current().unwrap().request_kill();
            uncancellable(|| drop(catches));
            assert_eq!(SEEN.load(SeqCst), 2);
        };
        spawn(deed).join().unwrap();
        let main = Greenlet::<u32>::current();
        let catches = Greenlet::new(move |n| {
            let within = timeout(2 * LONG, || {
                assert!(catch_unwind(AssertUnwindSafe(|| main.switch(n))).is_err());
                SEEN.fetch_add(1, SeqCst);
                time_left().unwrap() <= LONG
            });
            assert!(within.unwrap());
            SEEN.fetch_add(1, SeqCst);
            n
        });
        catches.switch(1);
        timeout(LONG, || drop(catches)).unwrap();
        assert_eq!((SEEN.load(SeqCst), time_left()), (4, None));
    });
}

/// With shared thread-locals std counts panics by workers: while these suspend,
/// another green thread unwinds.
#[test]
fn the_unwinding_of_another_green_thread_leaks_nothing() {
    static UNWINDS: AtomicBool = AtomicBool::new(false);
    fn suspended(is_generator: bool) -> Box<dyn Any> {
        if is_generator {
            let mut generator = Generator::<(), (), ()>::new(|co, ()| {
                let _counted = Counted::new();
                until(|| UNWINDS.load(SeqCst));
                co.yield_(());
            });
            generator.resume(());
            return Box::new(generator);
        }
        let main = Greenlet::<u32>::current();
        let greenlet = Greenlet::new(move |n| {
            let _counted = Counted::new();
            until(|| UNWINDS.load(SeqCst));
            main.switch(n)
        });
        greenlet.switch(1);
        Box::new(greenlet)
    }
    workers(1, || {
        let look = || {
            for is_generator in [true, false] {
                let go = Arc::new(Event::new());
                let waits = go.clone();
                let other = spawn(move || {
                    let _waits = OnDrop(|| {
                        UNWINDS.store(true, SeqCst);
                        waits.wait();
                    });
                    resume_unwind(Box::new(1));
                });
                let suspended = suspended(is_generator);
                UNWINDS.store(false, SeqCst);
                go.set();
                assert!(other.join().unwrap_err().is_panic());
                drop(suspended);
            }
            assert_eq!(DROPPED.load(SeqCst), 2);
        };
        spawn(look).join().unwrap();
        Counted::assert_gone(2);
    });
}
