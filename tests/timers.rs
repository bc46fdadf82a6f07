//! Calls that come later or are cancelled, and ticks.

mod common;

use common::{Counted, until, workers};
use greenroom::{Timer, interval, joinall, sleep, spawn, spawn_later, timeout, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const NOT_SOON: Duration = Duration::from_secs(3600);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn it_fires_once_after_its_time() {
    workers(1, || {
        let start = Instant::now();
        let mut timer = Timer::new(ms(20), move || (Instant::now() - start, Counted::new()));
        assert!(timer.is_pending());
        timer.start();
        timer.start();
        let (after, _counted) = timer.join().unwrap().unwrap();
        assert!(after >= ms(20));
        assert_eq!(common::MADE.load(SeqCst), 1);
    });
}

#[test]
fn cancelled_it_gives_back_what_it_would_call() {
    workers(1, || {
        spawn(|| {
            for started in [false, true] {
                let counted = Counted::new();
                let mut timer = Timer::new(NOT_SOON, move || drop(counted));
                if started {
                    timer.start();
                    sleep(ms(1));
                }
                let f = timer.cancel().unwrap();
                assert!(timer.cancel().is_none() && !timer.is_pending());
                timer.start();
                // Its green thread ends now, and not at its time.
                assert!(timer.join().unwrap().is_none());
                f();
            }
            Counted::assert_gone(2);
        })
        .join()
        .unwrap();
    });
}

#[test]
fn dropped_it_goes_on_if_it_was_started() {
    workers(1, || {
        let fired = Arc::new(AtomicUsize::new(0));
        for started in [false, true] {
            let counts = fired.clone();
            let counted = Counted::new();
            let mut timer = Timer::new(ms(1), move || {
                counts.fetch_add(1, SeqCst);
                drop(counted);
            });
            if started {
                timer.start();
            }
        }
        Counted::assert_gone(2);
        assert_eq!(fired.load(SeqCst), 1);
    });
}

#[test]
fn a_panic_goes_to_the_joiner_and_it_cannot_cancel_itself() {
    workers(1, || {
        let mut timer = Timer::new(ms(1), || panic!("mine"));
        timer.start();
        assert!(timer.join().unwrap_err().is_panic());
        let own = Arc::new(greenroom::sync::Mutex::new(None::<Timer<fn() -> bool, bool>>));
        let theirs = own.clone();
        let itself = spawn(move || {
            until(|| theirs.lock().is_some());
            theirs.lock().take().unwrap().join().unwrap()
        });
        let mut timer = Timer::new(ms(1), (|| true) as fn() -> bool);
        timer.start();
        until(|| !timer.is_pending());
        assert!(timer.cancel().is_none());
        *own.lock() = Some(timer);
        assert_eq!(itself.join().unwrap(), Some(true));
    });
}

/// Cancelled from several threads about when it fires: exactly one has it.
#[test]
fn firing_and_cancelling_race() {
    const ROUNDS: usize = 2000;
    workers(2, || {
        let (fired, back) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for round in 0..ROUNDS {
            let before = fired.load(SeqCst);
            let counts = fired.clone();
            let counted = Counted::new();
            let delay = Duration::from_nanos(round as u64 * 37 % 20_000);
            let mut timer = Timer::new(delay, move || {
                counts.fetch_add(1, SeqCst);
                drop(counted);
            });
            timer.start();
            let timer = Arc::new(timer);
            let cancels = |timer: Arc<Timer<_, ()>>, back: Arc<AtomicUsize>| {
                move || {
                    yield_now();
                    back.fetch_add(usize::from(timer.cancel().is_some()), SeqCst);
                }
            };
            let other = spawn(cancels(timer.clone(), back.clone()));
            cancels(timer.clone(), back.clone())();
            other.join().unwrap();
            let timer = Arc::into_inner(timer).unwrap();
            let outcome = timer.join().unwrap();
            assert_eq!(fired.load(SeqCst) + back.load(SeqCst), round + 1);
            assert_eq!(fired.load(SeqCst), before + usize::from(outcome.is_some()));
        }
        Counted::assert_gone(ROUNDS);
    });
}

#[test]
fn ticks_do_not_drift() {
    workers(1, || {
        let on_either = || {
            let period = ms(4);
            let start = Instant::now();
            let mut ticks = interval(period);
            let first = ticks.next().unwrap();
            assert!(first >= start + period);
            for n in 1..8 {
                if n % 2 == 0 {
                    sleep(ms(1)); // work
                }
                let due = ticks.next().unwrap();
                let since = due - first;
                // Whole periods later, however late we are.
                assert_eq!(since.as_nanos() % period.as_nanos(), 0);
                assert!(since >= period * n && Instant::now() >= due);
            }
        };
        spawn(on_either).join().unwrap();
        thread::spawn(on_either).join().unwrap();
    });
}

#[test]
fn missed_ticks_become_one() {
    workers(1, || {
        let green = spawn(|| {
            let mut ticks = interval(ms(2));
            let first = ticks.next().unwrap();
            sleep(ms(31));
            let before = Instant::now();
            let late = ticks.next().unwrap();
            assert!(late <= before, "one that was missed");
            assert_eq!((late - first).as_nanos() % ms(2).as_nanos(), 0);
            let next = ticks.next().unwrap();
            assert!(next > before && (next - first).as_nanos().is_multiple_of(2_000_000));
        });
        green.join().unwrap();
        let at_once = joinall((0..3).map(|_| spawn(|| interval(Duration::ZERO).nth(9))));
        assert!(at_once.into_iter().all(|tick| tick.unwrap().is_some()));
    });
}

#[test]
fn a_later_one_that_is_killed_never_starts() {
    workers(1, || {
        let counted = Counted::new();
        let late = spawn_later(NOT_SOON, move || {
            drop(counted);
            unreachable!("it was killed");
        });
        yield_now();
        late.kill();
        assert!(late.join().unwrap_err().is_killed());
        let counted = Counted::new();
        let mut timer = Timer::new(NOT_SOON, move || drop(counted));
        timer.start();
        assert!(timeout(ms(5), || interval(NOT_SOON).next()).is_err());
        drop(timer.cancel());
        assert!(timer.join().unwrap().is_none());
        Counted::assert_gone(2);
    });
}
