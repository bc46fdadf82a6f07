//! A green thread's end as a future: in every order of events.

mod common;

use common::{Counted, until, workers};
use greenroom::{JoinError, JoinFuture, block_on, joinall, park, spawn, yield_now};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

#[derive(Default)]
struct Counts(AtomicUsize);
impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll<T>(future: &mut Pin<Box<JoinFuture<T>>>, by: &Arc<Counts>) -> Poll<Result<T, JoinError>> {
    future.as_mut().poll(&mut Context::from_waker(&Waker::from(by.clone())))
}

#[test]
fn ready_before_it_is_asked() {
    workers(1, || {
        let green = spawn(|| 7);
        until(|| green.is_finished());
        let (mut future, counts) = (Box::pin(green.into_future()), Arc::default());
        assert!(matches!(poll(&mut future, &counts), Poll::Ready(Ok(7))));
        drop(future);
        assert_eq!(Arc::strong_count(&counts), 1);
        assert_eq!(counts.0.load(SeqCst), 0);
    });
}

/// Only the last waker is woken, once, and those before are dropped.
#[test]
fn wakers_may_change() {
    workers(1, || {
        let green = spawn(|| {
            park();
            7
        });
        let thread = green.thread().clone();
        let (mut future, wakers) =
            (Box::pin(green.into_future()), [(); 3].map(|()| Arc::default()));
        for by in &wakers {
            assert!(poll(&mut future, by).is_pending());
        }
        assert_eq!(wakers.each_ref().map(Arc::strong_count), [1, 1, 2]);
        thread.unpark();
        // It is counted, and then dropped.
        until(|| wakers[2].0.load(SeqCst) == 1 && Arc::strong_count(&wakers[2]) == 1);
        assert!(matches!(poll(&mut future, &wakers[0]), Poll::Ready(Ok(7))));
        assert_eq!(wakers.each_ref().map(|w| w.0.load(SeqCst)), [0, 0, 1]);
        assert_eq!(wakers.each_ref().map(Arc::strong_count), [1, 1, 1]);
    });
}

#[test]
fn panics_come_and_it_cannot_await_itself() {
    workers(1, || {
        let error = block_on(spawn(|| panic!("mine"))).unwrap_err();
        assert_eq!(error.to_string(), "the green thread panicked: mine");
        assert_eq!(block_on(greenroom::ThreadPool::new(1).spawn(|| 5)).unwrap(), 5);
        let own = Arc::new(greenroom::sync::AsyncResult::new());
        let theirs = own.clone();
        let result = Arc::new(greenroom::sync::AsyncResult::new());
        let outcome = result.clone();
        let green = spawn(move || {
            let own: &greenroom::sync::Mutex<Option<greenroom::JoinHandle<()>>> = theirs.wait();
            let itself = own.lock().take().unwrap();
            outcome.set(block_on(itself).unwrap_err().to_string()).unwrap();
        });
        assert!(own.set(greenroom::sync::Mutex::new(Some(green))).is_ok());
        assert!(result.wait().contains("cannot join itself"));
    });
}

#[test]
fn dropped_it_detaches() {
    workers(1, || {
        for asked in [false, true] {
            let go = Arc::new(AtomicBool::new(false));
            let goes = go.clone();
            let green = spawn(move || {
                until(|| goes.load(SeqCst));
                Counted::new()
            });
            let (mut future, counts) = (Box::pin(green.into_future()), Arc::default());
            if asked {
                assert!(poll(&mut future, &counts).is_pending());
            }
            drop(future);
            assert_eq!(Arc::strong_count(&counts), 1);
            go.store(true, SeqCst);
            let made = if asked { 2 } else { 1 };
            until(|| common::MADE.load(SeqCst) == made);
            Counted::assert_gone(made);
            assert_eq!(counts.0.load(SeqCst), 0);
        }
    });
}

#[test]
fn a_waker_that_panics_harms_nobody() {
    struct Fails;
    impl Wake for Fails {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }
    workers(1, || {
        let green = spawn(park);
        let thread = green.thread().clone();
        let mut future = Box::pin(green.into_future());
        let waker = Waker::from(Arc::new(Fails));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        thread.unpark();
        block_on(future).unwrap();
    });
}

/// The end against the first poll, further polls, and the drop.
#[test]
fn races_leave_nothing_behind() {
    const ROUNDS: usize = 5000;
    workers(2, || {
        let races = || {
            let counts = Arc::<Counts>::default();
            for round in 0..ROUNDS {
                let green = spawn(move || {
                    if round % 3 == 0 {
                        yield_now();
                    }
                    Counted::new()
                });
                let mut future = Box::pin(green.into_future());
                match round % 5 {
                    0 => drop(future),
                    1 => drop(poll(&mut future, &counts)),
                    2 => {
                        if poll(&mut future, &counts).is_pending() {
                            drop(poll(&mut future, &counts));
                        }
                    }
                    3 => drop(block_on(future).unwrap()),
                    _ => {
                        if poll(&mut future, &counts).is_pending() {
                            drop(block_on(future).unwrap());
                        }
                    }
                }
            }
            until(|| Arc::strong_count(&counts) == 1);
        };
        let greens = [spawn(races), spawn(races)];
        thread::spawn(races).join().unwrap();
        joinall(greens).into_iter().for_each(|r| r.unwrap());
        until(|| common::MADE.load(SeqCst) == 3 * ROUNDS); // detached ones may be late
        Counted::assert_gone(3 * ROUNDS);
    });
}
