//! Futures on green threads and OS threads: no wake-up is lost, and wakers may
//! do as they like.

mod common;

use common::{until, workers};
use greenroom::sync::Event;
use greenroom::{block_on, joinall, park, spawn, timeout, yield_now};
use std::alloc::{GlobalAlloc, Layout, System};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

/// Counts what is allocated.
struct Counts;
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes everything on.
unsafe impl GlobalAlloc for Counts {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(1, SeqCst);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counts = Counts;

/// Runs it on a green thread and on an OS thread.
fn on_both(deed: impl Fn() + Send + Clone + 'static) {
    spawn(deed.clone()).join().unwrap();
    thread::spawn(deed).join().unwrap();
}

/// Ready once somebody calls `fire`, on whatever thread.
#[derive(Clone, Default)]
struct Bell(Arc<(AtomicBool, Mutex<Option<Waker>>)>);

impl Bell {
    fn fire(&self) {
        self.0.0.store(true, SeqCst);
        if let Some(waker) = self.0.1.lock().unwrap().take() {
            waker.wake();
        }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        *self.0.1.lock().unwrap() = Some(context.waker().clone());
        if self.0.0.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }

    async fn rung(&self) {
        poll_fn(|context| self.poll(context)).await
    }
}

#[test]
fn woken_from_anywhere() {
    workers(2, || {
        on_both(|| {
            assert_eq!(block_on(async { 1 }), 1);
            for wakes_green in [true, false] {
                let (bell, theirs) = (Bell::default(), Bell::default());
                let (rings, awaits) = (bell.clone(), theirs.clone());
                let ringer = move || {
                    block_on(awaits.rung());
                    rings.fire();
                };
                let ends = if wakes_green {
                    spawn(ringer);
                    None
                } else {
                    Some(thread::spawn(ringer))
                };
                theirs.fire();
                block_on(bell.rung());
                ends.into_iter().for_each(|t| t.join().unwrap());
            }
        });
    });
}

/// The poll waits for something itself after its waker was woken, so whatever
/// woke the thread is used up when the poll is over.
#[test]
fn a_wake_during_a_poll_that_waits_is_kept() {
    workers(1, || {
        on_both(|| {
            let mut polls = 0;
            block_on(poll_fn(|context| {
                polls += 1;
                if polls == 10 {
                    return Poll::Ready(());
                }
                let (waker, event) = (context.waker().clone(), Arc::new(Event::new()));
                let sets = event.clone();
                spawn(move || {
                    waker.wake();
                    yield_now();
                    sets.set();
                });
                event.wait();
                Poll::Pending
            }));
        });
    });
}

/// A future inside whose poll another one is waited for: the outer's waker is
/// woken while the inner waits.
#[test]
fn one_inside_another() {
    workers(1, || {
        on_both(|| {
            let mut polls = 0;
            block_on(poll_fn(|context| {
                polls += 1;
                if polls == 10 {
                    return Poll::Ready(());
                }
                let (waker, bell) = (context.waker().clone(), Bell::default());
                let rings = bell.clone();
                spawn(move || {
                    waker.wake();
                    yield_now();
                    rings.fire();
                });
                block_on(bell.rung());
                Poll::Pending
            }));
        });
    });
}

#[test]
fn one_that_asks_for_turns_lets_others_run() {
    workers(1, || {
        let done = Arc::new(AtomicBool::new(false));
        let sets = done.clone();
        let green = spawn(move || {
            spawn(move || sets.store(true, SeqCst));
            block_on(poll_fn(|context| {
                context.waker().wake_by_ref();
                if done.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
            }));
        });
        green.join().unwrap();
    });
}

#[test]
fn wakers_may_outlive_what_they_wake() {
    workers(2, || {
        let kept: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let greens: Vec<_> = (0..50)
            .map(|_| {
                let kept = kept.clone();
                spawn(move || {
                    block_on(poll_fn(|context| {
                        let mut kept = kept.lock().unwrap();
                        kept.extend((0..3).map(|_| context.waker().clone()));
                        Poll::Ready(())
                    }));
                    // A waker may wake it here as well, which ends no `park`.
                    park();
                })
            })
            .collect();
        until(|| kept.lock().unwrap().len() == 150);
        kept.lock().unwrap().iter().for_each(Waker::wake_by_ref);
        spawn(yield_now).join().unwrap();
        assert!(!greens.iter().any(|green| green.is_finished()));
        greens.iter().for_each(|green| green.thread().unpark());
        joinall(greens).into_iter().for_each(|r| r.unwrap());
        let mut wakers = std::mem::take(&mut *kept.lock().unwrap());
        let theirs = wakers.split_off(75);
        let other = thread::spawn(move || theirs.into_iter().for_each(Waker::wake));
        for waker in wakers {
            waker.wake_by_ref();
            let again = waker.clone();
            assert!(again.will_wake(&waker));
            drop(waker);
            again.wake();
        }
        other.join().unwrap();
    });
}

/// A thousand polls, each with a clone of the waker, woken by another.
#[test]
fn polls_allocate_nothing() {
    const POLLS: usize = 1000;
    workers(1, || {
        let slot: Arc<Mutex<Option<Waker>>> = Arc::default();
        let (theirs, end) = (slot.clone(), Arc::new(AtomicBool::new(false)));
        let ends = end.clone();
        let waking = spawn(move || {
            while !end.load(SeqCst) {
                if let Some(waker) = theirs.lock().unwrap().take() {
                    waker.wake();
                }
                yield_now();
            }
        });
        let polling = spawn(move || {
            let (mut polls, mut before) = (0, 0);
            block_on(poll_fn(|context| {
                polls += 1;
                if polls == 10 {
                    before = ALLOCATED.load(SeqCst);
                }
                *slot.lock().unwrap() = Some(context.waker().clone());
                if polls < POLLS { Poll::Pending } else { Poll::Ready(()) }
            }));
            ALLOCATED.load(SeqCst) - before
        });
        let allocated = polling.join().unwrap();
        ends.store(true, SeqCst);
        waking.join().unwrap();
        assert!(allocated < POLLS / 10, "{allocated} allocations");
    });
}

/// Many rounds on both sorts of threads, woken at any moment.
#[test]
fn no_wake_is_lost_in_races() {
    const ROUNDS: usize = 3000;
    workers(2, || {
        let races = || {
            for round in 0..ROUNDS {
                let (bell, back) = (Bell::default(), Bell::default());
                let (rings, answers) = (bell.clone(), back.clone());
                let other = spawn(move || {
                    rings.fire();
                    block_on(answers.rung());
                });
                if round % 2 == 0 {
                    yield_now();
                }
                block_on(async {
                    let (mut one, mut two) = (pin!(bell.rung()), pin!(other.into_future()));
                    poll_fn(|context| one.as_mut().poll(context)).await;
                    back.fire();
                    poll_fn(|context| two.as_mut().poll(context)).await.unwrap();
                });
            }
        };
        let green = spawn(races);
        thread::spawn(races).join().unwrap();
        green.join().unwrap();
    });
}

/// Tells when it is dropped.
struct Guards(Arc<AtomicUsize>);
impl Drop for Guards {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A kill and the end of a timeout drop the future; its wakers do no harm then.
#[test]
fn one_that_is_cut_short_is_dropped() {
    workers(1, || {
        let (dropped, bell) = (Arc::new(AtomicUsize::new(0)), Bell::default());
        let waits = |bell: Bell, dropped: Arc<AtomicUsize>| {
            move || {
                block_on(async move {
                    let _guards = Guards(dropped);
                    bell.rung().await;
                })
            }
        };
        let green = spawn(waits(bell.clone(), dropped.clone()));
        until(|| bell.0.1.lock().unwrap().is_some());
        let waker = bell.0.1.lock().unwrap().clone().unwrap();
        green.kill();
        assert_eq!(dropped.load(SeqCst), 1);
        waker.wake_by_ref();
        assert!(green.join().unwrap_err().is_killed());
        waker.wake();
        on_both(move || {
            let before = dropped.load(SeqCst);
            let waits = waits(Bell::default(), dropped.clone());
            assert!(timeout(Duration::from_millis(5), waits).is_err());
            assert_eq!(dropped.load(SeqCst), before + 1);
        });
        assert_eq!(timeout(Duration::from_secs(60), || block_on(spawn(|| 7)).unwrap()), Ok(7));
    });
}

/// Against the kill of the one that waits: it ends either way, and a result that
/// came with the kill counts.
#[test]
fn wakes_and_kills_race() {
    workers(2, || {
        for round in 0..2000 {
            let bell = Bell::default();
            let rings = bell.clone();
            let green = spawn(move || {
                block_on(bell.rung());
                round
            });
            let other = spawn(move || rings.fire());
            if round % 3 == 0 {
                yield_now();
            }
            green.kill();
            match green.join() {
                Ok(n) => assert_eq!(n, round),
                Err(error) => assert!(error.is_killed()),
            }
            other.join().unwrap();
        }
    });
}
