//! Generators and greenlets that suspend inside a `timeout`, `uncancellable` or
//! `patch::native`: whoever goes on is not in it.

mod common;

use common::{Counted, until, workers};
use greenroom::{Generator, Greenlet, Step, sleep, spawn, time_left, timeout, uncancellable};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(30);

/// As on a green thread, so on an OS thread.
fn everywhere(deed: fn()) {
    deed();
    spawn(deed).join().unwrap();
}

/// Suspended inside a timeout of an hour, and one of two around it.
fn inside() -> Generator<(), Duration, bool> {
    let mut generator = Generator::new(|co, ()| {
        let outer = timeout(2 * LONG, || {
            let inner = timeout(LONG, || {
                co.yield_(time_left().unwrap());
                co.yield_(time_left().unwrap());
            });
            co.yield_(time_left().unwrap());
            inner.is_ok()
        });
        outer == Ok(true) && time_left().is_none()
    });
    assert!(generator.resume(()).yielded().unwrap() <= LONG);
    generator
}

#[test]
fn a_timeout_stays_with_the_body() {
    everywhere(|| {
        let mut generator = inside();
        assert_eq!(time_left(), None);
        assert!(generator.resume(()).yielded().unwrap() <= LONG);
        assert!(generator.resume(()).yielded().unwrap() > LONG);
        assert_eq!(time_left(), None);
        assert_eq!(generator.resume(()), Step::Returned(true));
        assert_eq!(time_left(), None);
    });
}

/// What a resumer is in comes and goes while the body stays in its own.
#[test]
fn they_need_not_end_in_turn() {
    everywhere(|| {
        let mut generator = inside();
        for minutes in [1, 120, 5] {
            let d = Duration::from_secs(60 * minutes);
            let left = timeout(d, || {
                let within = generator.resume(());
                assert!(time_left().unwrap() <= d);
                assert!(time_left().unwrap() > d / 2);
                within.yielded()
            });
            assert_eq!(time_left(), None);
            // The last time, it returns.
            assert!(left.unwrap().is_none_or(|within| within <= d));
        }
        assert!(generator.is_done());
        // Stacks of frames that are gone are used again.
        assert_eq!(inside().count(), 2);
        assert_eq!(time_left(), None);
    });
}

#[test]
fn a_timeout_around_a_resume_ends_what_the_body_waits_for() {
    everywhere(|| {
        let mut sleeper = Generator::<(), (), ()>::new(|co, ()| {
            let _counted = Counted::new();
            let _ = timeout(LONG, || {
                co.yield_(());
                sleep(LONG);
            });
        });
        sleeper.resume(());
        assert!(timeout(SHORT, || sleeper.resume(())).is_err());
        assert!(sleeper.is_done());
        until(|| common::MADE.load(SeqCst) == common::DROPPED.load(SeqCst));
        sleep(2 * SHORT);
        assert_eq!(time_left(), None);
    });
}

#[test]
fn a_bodys_timeout_ends_nothing_of_its_resumers() {
    everywhere(|| {
        let mut hasty = Generator::<(), (), bool>::new(|co, ()| {
            timeout(SHORT, || {
                co.yield_(());
                sleep(LONG);
            })
            .is_err()
        });
        hasty.resume(());
        sleep(2 * SHORT);
        assert_eq!(timeout(LONG, || hasty.resume(())), Ok(Step::Returned(true)));
    });
}

#[test]
fn one_that_is_dropped_inside_leaves_nothing() {
    everywhere(|| {
        timeout(LONG, || {
            let generator = inside();
            let left = timeout(2 * LONG, move || {
                drop(generator);
                time_left().unwrap()
            });
            assert!(left.unwrap() <= LONG);
        })
        .unwrap();
        assert_eq!(time_left(), None);
        let main = Greenlet::current();
        let greenlet = Greenlet::new(move |n: u32| {
            timeout(LONG, || uncancellable(|| main.switch(n))).unwrap()
        });
        greenlet.switch(1);
        timeout(2 * LONG, || {
            drop(greenlet);
            assert!(time_left().unwrap() > LONG);
        })
        .unwrap();
        assert_eq!(time_left(), None);
    });
}

/// A generator's frame is on the greenlet's stack while that one is suspended,
/// and both are gone on with inside of another timeout.
#[test]
fn greenlets_have_their_own() {
    everywhere(|| {
        let main = Greenlet::<u32>::current();
        let greenlet = Greenlet::new(move |n| {
            assert_eq!(time_left(), None, "main's timeout is main's");
            // Told whether it is resumed inside a timeout.
            let mut within = Generator::<bool, (), ()>::new(move |co, mut inside| {
                loop {
                    main.switch(n);
                    assert_eq!(time_left().is_some(), inside);
                    inside = co.yield_(());
                }
            });
            loop {
                within.resume(false);
                assert_eq!(time_left(), None);
                timeout(LONG, || within.resume(true)).unwrap();
                assert_eq!(time_left(), None);
            }
        });
        for (n, d) in [(1, SHORT * 1000), (2, LONG), (3, 3 * LONG), (4, LONG)] {
            timeout(d, || greenlet.switch(n)).unwrap();
            assert_eq!(time_left(), None);
            greenlet.switch(n);
            assert_eq!(time_left(), None);
        }
    });
}

#[test]
fn a_shield_stays_with_the_body() {
    workers(1, || {
        static REACHED: AtomicUsize = AtomicUsize::new(0);
        let green = spawn(|| {
            let mut shielded = Generator::<(), (), ()>::new(|co, ()| {
                uncancellable(|| {
                    co.yield_(());
                    greenroom::yield_now(); // the kill has come
                    REACHED.fetch_add(1, SeqCst);
                    co.yield_(());
                });
            });
            shielded.resume(());
            uncancellable(greenroom::park);
            shielded.resume(());
            REACHED.fetch_add(1, SeqCst);
            greenroom::park();
            REACHED.fetch_add(1, SeqCst);
        });
        until(|| greenroom::spawn(|| ()).join().is_ok());
        green.thread().request_kill();
        green.thread().unpark();
        assert!(green.join().unwrap_err().is_killed());
        assert_eq!(REACHED.load(SeqCst), 2);
    });
}

/// What the thread's own greenlet is in covers those that it waits for.
#[test]
fn a_shield_around_a_switch_holds_in_greenlets() {
    workers(1, || {
        static REACHED: AtomicUsize = AtomicUsize::new(0);
        let green = spawn(|| {
            let main = Greenlet::current();
            let waits = Greenlet::new(move |n: u32| {
                greenroom::park();
                REACHED.fetch_add(1, SeqCst);
                main.switch(n);
                let _counted = Counted::new();
                greenroom::park(); // not shielded now
                REACHED.fetch_add(1, SeqCst);
                n
            });
            uncancellable(|| waits.switch(1));
            REACHED.fetch_add(1, SeqCst);
            waits.switch(2);
            REACHED.fetch_add(1, SeqCst);
        });
        until(|| spawn(|| ()).join().is_ok());
        green.thread().request_kill();
        until(|| spawn(|| ()).join().is_ok());
        green.thread().unpark();
        assert!(green.join().unwrap_err().is_killed());
        assert_eq!(REACHED.load(SeqCst), 2);
        Counted::assert_gone(1);
    });
}

/// Outside of it new threads are green ones, inside they are not.
#[test]
fn native_stays_with_the_body() {
    workers(1, || {
        if greenroom::patch::Patch::none().threads(true).apply().is_err() {
            return; // shared thread-locals were asked for
        }
        fn spawns_green() -> bool {
            std::thread::spawn(|| greenroom::current().is_some()).join().unwrap()
        }
        let deed = || {
            let mut native = Generator::<(), bool, bool>::new(|co, ()| {
                greenroom::patch::native(|| {
                    co.yield_(spawns_green());
                    co.yield_(spawns_green());
                });
                spawns_green()
            });
            assert_eq!(native.resume(()), Step::Yielded(false));
            assert!(spawns_green());
            greenroom::patch::native(|| {
                assert_eq!(native.resume(()), Step::Yielded(false));
                assert!(!spawns_green());
            });
            assert!(spawns_green());
            assert_eq!(native.resume(()), Step::Returned(true));
            assert!(spawns_green());
            // Begun inside of one of the resumer's, gone on with outside; and the
            // other way round.
            let both = || {
                Generator::<(), bool, bool>::new(|co, ()| {
                    greenroom::patch::native(|| {
                        co.yield_(spawns_green());
                        co.yield_(spawns_green());
                    });
                    spawns_green()
                })
            };
            let mut begun = greenroom::patch::native(|| {
                let mut begun = both();
                assert_eq!(begun.resume(()), Step::Yielded(false));
                begun
            });
            assert_eq!(begun.resume(()), Step::Yielded(false));
            assert_eq!(begun.resume(()), Step::Returned(true));
            let mut ends = both();
            assert_eq!(ends.resume(()), Step::Yielded(false));
            assert_eq!(ends.resume(()), Step::Yielded(false));
            let last = greenroom::patch::native(|| ends.resume(()));
            assert_eq!(last, Step::Returned(false));
            assert!(spawns_green());
        };
        deed();
        spawn(deed).join().unwrap();
    });
}
