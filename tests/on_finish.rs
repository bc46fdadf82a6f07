//! Callbacks for the end of a green thread: early, late, cancelled, failing,
//! and raced against the end.

mod common;

use common::{Random, in_child, spin_until, until, workers};
use greenroom::{Ending, JoinError, ThreadPool, joinall, park, sleep, spawn, yield_now};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn it_hears_how_it_ended() {
    workers(2, || {
        let (tell, told) = channel();
        let returns = spawn(|| 1);
        let panics = spawn(|| panic!("on purpose"));
        let killed = spawn(park);
        returns.on_finish({
            let tell = tell.clone();
            move |_, how| tell.send(how).unwrap()
        });
        assert_eq!(told.recv().unwrap(), Ending::Returned);
        panics.on_finish({
            let tell = tell.clone();
            move |_, how| tell.send(how).unwrap()
        });
        assert_eq!(told.recv().unwrap(), Ending::Panicked);
        killed.on_finish(move |_, how| tell.send(how).unwrap());
        killed.kill();
        assert_eq!(told.recv().unwrap(), Ending::Killed);
        // Nobody was robbed of a result.
        assert_eq!(returns.join().unwrap(), 1);
        assert!(panics.join().unwrap_err().is_panic());
        assert!(killed.join().unwrap_err().is_killed());
    });
}

/// With one worker they run in the order in which they came, those that came
/// late included, and find the result there.
#[test]
fn in_order_and_after_the_result() {
    workers(1, || {
        spawn(|| {
            let heard = Arc::new(Mutex::new(Vec::new()));
            let green = Arc::new(spawn(|| 7));
            let says = |n: usize| {
                let (heard, green) = (heard.clone(), green.clone());
                move |thread: &greenroom::GreenThread, _| {
                    assert!(green.is_finished() && thread.is_finished());
                    assert_eq!(thread, green.thread());
                    heard.lock().unwrap().push(n);
                }
            };
            (0..3).for_each(|n| drop(green.on_finish(says(n))));
            until(|| heard.lock().unwrap().len() == 3);
            (3..5).for_each(|n| drop(green.thread().on_finish(says(n))));
            until(|| heard.lock().unwrap().len() == 5);
            assert_eq!(*heard.lock().unwrap(), [0, 1, 2, 3, 4]);
        })
        .join()
        .unwrap();
    });
}

/// A callback that waits, or panics, is alone with that.
#[test]
fn each_is_on_its_own() {
    let ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
        let green = spawn(park);
        let (tell, told) = channel();
        green.on_finish(|_, _| park()); // for ever
        green.on_finish(|_, _| panic!("a callback's own"));
        green.on_finish(move |_, _| {
            sleep(Duration::from_millis(1));
            tell.send(()).unwrap();
        });
        green.thread().unpark();
        told.recv().unwrap();
        green.join().unwrap();
    });
    ended.assert_success();
    ended.assert_says("a callback's own", 1);
}

#[test]
fn a_cancelled_one_is_dropped_and_not_called() {
    workers(1, || {
        let green = spawn(park);
        let held = Arc::new(());
        let theirs = held.clone();
        let callback = green.on_finish(move |_, _| unreachable!("{theirs:?}"));
        let (tell, told) = channel();
        green.on_finish(move |_, _| tell.send(()).unwrap());
        assert_eq!(Arc::strong_count(&held), 2);
        assert!(callback.cancel());
        assert_eq!(Arc::strong_count(&held), 1);
        green.thread().unpark();
        told.recv().unwrap();
        let late = green.on_finish(|_, _| {});
        assert!(!late.cancel(), "called at once");
    });
}

/// Also of one whose handle is gone, of one that never started, and of a job.
#[test]
fn of_all_sorts() {
    workers(1, || {
        let (tell, told) = channel();
        let tells = || {
            let tell = tell.clone();
            move |_: &greenroom::GreenThread, how| tell.send(how).unwrap()
        };
        let detached = spawn(|| {
            park();
            panic!("detached")
        });
        let thread = detached.thread().clone();
        detached.on_finish(tells());
        drop(detached);
        thread.unpark();
        assert_eq!(told.recv().unwrap(), Ending::Panicked);
        // Detached and ended before anybody asked.
        thread.on_finish(tells());
        assert_eq!(told.recv().unwrap(), Ending::Panicked);
        let gone = spawn(|| ()).thread().clone();
        until(|| gone.is_finished());
        gone.on_finish(tells());
        assert_eq!(told.recv().unwrap(), Ending::Returned);

        let tells_fresh = tells();
        spawn(move || {
            let fresh = spawn(|| unreachable!("the only worker runs us"));
            fresh.on_finish(tells_fresh);
            fresh.kill();
        })
        .join()
        .unwrap();
        assert_eq!(told.recv().unwrap(), Ending::Killed);

        let (go, wait) = channel::<()>();
        let job = ThreadPool::new(1).spawn(move || wait.recv().unwrap());
        job.on_finish(tells());
        go.send(()).unwrap();
        assert_eq!(told.recv().unwrap(), Ending::Returned);
        job.join().unwrap();
    });
}

/// A `std::thread` is one, too, once they are patched.
#[test]
fn of_a_patched_thread() {
    let vars = [("GREENROOM_WORKERS", "2"), ("GREENROOM_THREAD_LOCALS", "own")];
    in_child(&vars, || {
        greenroom::patch_all().unwrap();
        let called = Arc::new(AtomicUsize::new(0));
        let (calls, late) = (called.clone(), called.clone());
        let thread = std::thread::spawn(move || {
            let me = greenroom::current().unwrap();
            me.on_finish(move |_, how| {
                assert_eq!(how, Ending::Returned);
                calls.fetch_add(1, SeqCst);
            });
            me
        });
        let thread = thread.join().unwrap();
        until(|| called.load(SeqCst) == 1);
        thread.on_finish(move |_, _| {
            late.fetch_add(1, SeqCst);
        });
        until(|| called.load(SeqCst) == 2);
    })
    .assert_success();
}

/// Callbacks that come and go while it ends: each is called or cancelled, and
/// never both.
#[test]
fn races_have_one_outcome() {
    const ROUNDS: usize = 3000;
    workers(2, || {
        let called = Arc::new(AtomicUsize::new(0));
        let mut expected = 0;
        let mut random = Random::new(1);
        for round in 0..ROUNDS {
            let spins = random.below(3000);
            let green = spawn(move || match round % 3 {
                0 => (0..spins).for_each(|_| std::hint::spin_loop()),
                1 => yield_now(),
                _ => park(),
            });
            let askers = (0..2).map(|_| {
                let (thread, called) = (green.thread().clone(), called.clone());
                spawn(move || {
                    let cancels = (0..3).filter(|n| {
                        let called = called.clone();
                        let callback = thread.on_finish(move |_, _| {
                            called.fetch_add(1, SeqCst);
                        });
                        n % 2 == 0 && callback.cancel()
                    });
                    3 - cancels.count()
                })
            });
            let askers: Vec<_> = askers.collect();
            match round % 2 {
                0 => green.thread().unpark(),
                _ => green.thread().request_kill(),
            }
            match green.join() {
                Ok(()) | Err(JoinError::Killed) => {}
                Err(other) => panic!("{other}"),
            }
            expected += joinall(askers).into_iter().map(Result::unwrap).sum::<usize>();
        }
        until(|| called.load(SeqCst) >= expected);
        assert_eq!(called.load(SeqCst), expected);
        assert!(expected >= ROUNDS * 2, "the uncancelled ones at least");
    });
}

/// Ten thousand for one, and one for each of ten thousand.
#[test]
fn many() {
    workers(2, || {
        let called = Arc::new(AtomicUsize::new(0));
        let green = spawn(park);
        let greens: Vec<_> = (0..10_000).map(|_| spawn(park)).collect();
        for other in &greens {
            for thread in [other.thread(), green.thread()] {
                let called = called.clone();
                thread.on_finish(move |_, _| {
                    called.fetch_add(1, SeqCst);
                });
            }
        }
        greens.iter().chain([&green]).for_each(|g| g.thread().unpark());
        spin_until(|| called.load(SeqCst) == 20_000);
        assert!(joinall(greens).iter().all(Result::is_ok));
    });
}

/// From whoever asked for it, whenever it is called and whoever ends: also a
/// job, on an OS thread that has values of its own, whose `Clone` fails.
#[test]
fn a_callback_inherits_from_whoever_asked() {
    #[derive(Default)]
    struct Heir(u32);
    impl Clone for Heir {
        fn clone(&self) -> Heir {
            assert_ne!(self.0, 13, "no luck");
            Heir(self.0)
        }
    }
    greenroom::green_local! {
        #[inherit]
        static HEIR: RefCell<Heir> = RefCell::default();
    }
    in_child(&[("GREENROOM_WORKERS", "2")], || {
        HEIR.set(Heir(7));
        let (tell, told) = channel();
        let asks = |thread: &greenroom::GreenThread| {
            let tell = tell.clone();
            thread.on_finish(move |_, _| tell.send(HEIR.take().0).unwrap())
        };
        let green = spawn(|| {
            HEIR.set(Heir(8));
            park();
        });
        asks(green.thread());
        green.thread().unpark();
        assert_eq!(told.recv().unwrap(), 7);
        asks(green.thread());
        assert_eq!(told.recv().unwrap(), 7);

        let pool = ThreadPool::new(1);
        let (go, wait) = channel::<()>();
        let job = pool.spawn(move || {
            HEIR.set(Heir(13));
            wait.recv().unwrap();
        });
        asks(job.thread());
        go.send(()).unwrap();
        assert_eq!(told.recv().unwrap(), 7);
        job.join().unwrap();
        assert_eq!(pool.spawn(|| 1).join().unwrap(), 1, "its thread lives");
        // What fails, fails whoever asks.
        HEIR.set(Heir(13));
        assert!(catch_unwind(AssertUnwindSafe(|| asks(green.thread()))).is_err());
    })
    .assert_success();
}
