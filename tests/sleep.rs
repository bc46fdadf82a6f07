//! Sleeping: never too short, in the order of the deadlines, any number at once.

mod common;

use common::{Random, until, workers};
use greenroom::{joinall, sleep, sleep_until, spawn, spawn_later, yield_now};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn never_too_short() {
    workers(2, || {
        let nap = |n: u64| {
            let mut random = Random::new(n);
            for _ in 0..20 {
                let d = Duration::from_nanos(random.below(5_000_000));
                let start = Instant::now();
                match n % 2 {
                    0 => sleep(d),
                    _ => sleep_until(start + d),
                }
                assert!(start.elapsed() >= d, "{d:?} took {:?}", start.elapsed());
            }
        };
        let green: Vec<_> = (0..200).map(|n| spawn(move || nap(n))).collect();
        // On an OS thread too.
        nap(1000);
        nap(1001);
        joinall(green).into_iter().for_each(|r| r.unwrap());
    });
}

/// What others do meanwhile takes them no longer.
#[test]
fn sleepers_do_not_wait_for_each_other() {
    workers(1, || {
        let start = Instant::now();
        let naps = (0..100).map(|_| spawn(|| sleep(ms(200))));
        joinall(naps).into_iter().for_each(|r| r.unwrap());
        assert!(start.elapsed() < ms(5000), "{:?}", start.elapsed());
    });
}

#[test]
fn in_the_order_of_the_deadlines() {
    const SLEEPERS: u64 = 200;
    workers(1, || {
        let order = Arc::new(Mutex::new(Vec::new()));
        // Time enough to arm them all before the first one is due.
        let base = Instant::now() + ms(1000);
        let green: Vec<_> = (0..SLEEPERS)
            .map(|n| {
                let order = order.clone();
                let rank = n * 77 % SLEEPERS;
                spawn(move || {
                    sleep_until(base + Duration::from_micros(rank * 100));
                    order.lock().unwrap().push(rank);
                })
            })
            .collect();
        joinall(green).into_iter().for_each(|r| r.unwrap());
        assert!(order.lock().unwrap().iter().copied().eq(0..SLEEPERS));
    });
}

#[test]
fn spawn_later_starts_in_time_and_in_order() {
    workers(1, || {
        let order = Arc::new(Mutex::new(Vec::new()));
        let start = Instant::now();
        let delays = [6000, 2000, 4000, 0];
        let handles = delays.map(|delay| {
            let order = order.clone();
            spawn_later(ms(delay), move || {
                order.lock().unwrap().push(delay);
                Instant::now()
            })
        });
        for (delay, handle) in delays.into_iter().zip(handles) {
            assert!(handle.join().unwrap() >= start + ms(delay));
        }
        assert_eq!(*order.lock().unwrap(), [0, 2000, 4000, 6000]);
    });
}

/// A handle of one that has not started works like any other.
#[test]
fn spawn_later_can_be_dropped_and_given_up() {
    workers(1, || {
        let ran = Arc::new(AtomicBool::new(false));
        let inside = ran.clone();
        drop(spawn_later(ms(20), move || inside.store(true, SeqCst)));
        let far = spawn_later(Duration::MAX, || ());
        let far = far.join_timeout(ms(10)).unwrap_err();
        assert!(!far.is_finished());
        until(|| ran.load(SeqCst));
    });
}

#[test]
fn sleeping_for_no_time_lets_the_others_run() {
    workers(1, || {
        for nap in [|| sleep(Duration::ZERO), || sleep(Duration::from_nanos(1))] {
            let green = spawn(move || {
                let ran = Arc::new(AtomicUsize::new(0));
                let others: Vec<_> = (0..10)
                    .map(|_| {
                        let ran = ran.clone();
                        spawn(move || ran.fetch_add(1, SeqCst))
                    })
                    .collect();
                nap();
                assert_eq!(ran.load(SeqCst), 10);
                joinall(others);
            });
            green.join().unwrap();
        }
    });
}

#[test]
fn the_past_is_over_at_once() {
    workers(1, || {
        let long_ago =
            Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or_else(Instant::now);
        let past = move || {
            let start = Instant::now();
            (0..100).for_each(|_| sleep_until(long_ago));
            assert!(start.elapsed() < ms(2000), "{:?}", start.elapsed());
        };
        past();
        spawn(past).join().unwrap();
    });
}

/// They sleep until the process ends, which they do not hold up.
#[test]
fn for_ever() {
    workers(2, || {
        let asleep = Arc::new(AtomicUsize::new(0));
        let sleeper = || {
            let asleep = asleep.clone();
            move || {
                asleep.fetch_add(1, SeqCst);
                sleep(Duration::MAX);
                panic!("for ever is over");
            }
        };
        let green: Vec<_> = (0..10).map(|_| spawn(sleeper())).collect();
        let os = std::thread::spawn(sleeper());
        until(|| asleep.load(SeqCst) == 11);
        // Timers of others come and go beside them.
        let naps = (0..10).map(|n| spawn(move || sleep(ms(n))));
        joinall(naps).into_iter().for_each(|r| r.unwrap());
        assert!(green.iter().all(|g| !g.is_finished()) && !os.is_finished());
    });
}

/// All of them have gone to sleep before the first may leave.
#[test]
fn a_hundred_thousand_at_once() {
    const SLEEPERS: usize = 100_000;
    workers(2, || {
        let asleep = Arc::new(AtomicUsize::new(0));
        let green: Vec<_> = (0..SLEEPERS)
            .map(|n| {
                let asleep = asleep.clone();
                spawn(move || {
                    asleep.fetch_add(1, SeqCst);
                    while asleep.load(SeqCst) < SLEEPERS {
                        sleep(ms(100) + Duration::from_micros(n as u64 % 1000 * 500));
                    }
                })
            })
            .collect();
        joinall(green).into_iter().for_each(|r| r.unwrap());
    });
}

/// One that never stops yielding does not hold up the timers of its worker.
#[test]
fn timers_fire_beside_busy_ones() {
    workers(1, || {
        let over = Arc::new(AtomicBool::new(false));
        let seen = over.clone();
        let busy = spawn(move || {
            while !seen.load(SeqCst) {
                yield_now();
            }
        });
        let naps = (1..20).map(|n| spawn(move || sleep(ms(n))));
        joinall(naps).into_iter().for_each(|r| r.unwrap());
        assert!(!busy.is_finished());
        over.store(true, SeqCst);
        busy.join().unwrap();
    });
}
