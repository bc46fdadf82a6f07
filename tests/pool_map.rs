//! The maps of a pool: order, laziness, failures, kills, and inside themselves.

mod common;

use common::{Counted, in_child, spin_until, until, workers};
use greenroom::{Pool, park, sleep, spawn, timeout, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

#[test]
fn results_in_order() {
    let deed = || {
        let pool = Pool::new(7);
        let slowly = |n: u64| {
            // The later ones for less; and some for so long that others overtake them.
            let long = if n.is_multiple_of(7) { 5000 } else { 0 };
            sleep(Duration::from_micros(long + 300 - 3 * n));
            n * n
        };
        let squares: Vec<_> = (0..100).map(|n| n * n).collect();
        assert_eq!(pool.map(0..100, slowly), squares);
        assert_eq!(pool.imap(0..100, slowly).collect::<Vec<_>>(), squares);
        let mut unordered: Vec<_> = pool.imap_unordered(0..100, slowly).collect();
        assert_ne!(unordered, squares, "those that sleep less come first");
        unordered.sort();
        assert_eq!(unordered, squares);
        assert_eq!(pool.map(0..0, slowly), []);
        assert_eq!(pool.imap_unordered(0..0, slowly).next(), None);
        pool.join().unwrap();
        assert_eq!(pool.free_count(), 7);
    };
    workers(2, move || {
        deed();
        spawn(deed).join().unwrap();
    });
}

/// Nothing is taken up before the first result is asked for, and then no more
/// than the pool has places.
#[test]
fn lazy_and_bounded() {
    workers(2, || {
        let pool = Pool::new(3);
        let (begun, asked) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
        let counts = begun.clone();
        let items = std::iter::from_fn(|| Some(asked.fetch_add(1, SeqCst)));
        let mut map = pool.imap(items, move |n| {
            counts.fetch_add(1, SeqCst);
            n
        });
        assert_eq!(begun.load(SeqCst), 0);
        for n in 0..50 {
            assert_eq!(map.next(), Some(n));
            pool.join().unwrap(); // all that has begun has ended, and waits
            assert!(begun.load(SeqCst) <= n + 3);
            assert!(asked.load(SeqCst) <= n + 4);
        }
        drop(map);
        let counts = begun.clone();
        begun.store(0, SeqCst);
        let mut map = pool.imap_unordered(0.., move |n: usize| {
            counts.fetch_add(1, SeqCst);
            n
        });
        for n in 1..50 {
            map.next().unwrap();
            pool.join().unwrap();
            assert!(begun.load(SeqCst) <= n + 2);
        }
    });
}

/// The first in order goes on in the caller, once the others have ended; the
/// lazy ones go on after it.
#[test]
fn a_failure_goes_to_the_caller() {
    in_child(&[("GREENROOM_WORKERS", "2")], || {
        std::panic::set_hook(Box::new(|_| {}));
        let pool = Pool::new(4);
        let done = Arc::new(AtomicUsize::new(0));
        let counts = done.clone();
        let odd = move |n: usize| {
            yield_now();
            counts.fetch_add(1, SeqCst);
            if n % 2 == 1 {
                std::panic::panic_any(n);
            }
            n
        };
        let failed = catch_unwind(AssertUnwindSafe(|| pool.map(0..10, odd.clone())));
        assert_eq!(*failed.unwrap_err().downcast::<usize>().unwrap(), 1);
        assert_eq!(done.load(SeqCst), 10);
        let mut map = pool.imap(0..10, odd);
        for n in 0..10 {
            match catch_unwind(AssertUnwindSafe(|| map.next().unwrap())) {
                Ok(value) => assert!(n % 2 == 0 && value == n),
                Err(payload) => assert_eq!(*payload.downcast::<usize>().unwrap(), n),
            }
        }
        assert_eq!(map.next(), None);
        assert_eq!(pool.join().unwrap_err().count(), 10);
    })
    .assert_success();
}

/// With a single place, and that their own.
#[test]
fn inside_its_own_pool() {
    workers(2, || {
        for size in [1, 2, 5] {
            let pool = Pool::new(size);
            let inner = pool.clone();
            let sums = pool.map(1..10_u64, move |n| {
                let squares = inner.map(0..n, |m| m * m).into_iter().sum::<u64>();
                let lazily = inner.imap(0..n, |m| m * m).sum::<u64>();
                let any = inner.imap_unordered(0..n, |m| m * m).sum::<u64>();
                assert!(squares == lazily && squares == any);
                squares
            });
            let expected: Vec<_> = (1..10).map(|n| (0..n).map(|m| m * m).sum::<u64>()).collect();
            assert_eq!(sums, expected);
            assert_eq!(pool.free_count(), size);
        }
    });
}

#[test]
fn kill_stops_them() {
    in_child(&[("GREENROOM_WORKERS", "2")], || {
        std::panic::set_hook(Box::new(|_| {}));
        let maps: [fn(Pool, Arc<AtomicUsize>) -> usize; 3] = [
            |pool, begun| pool.map(0.., work(begun)).len(),
            |pool, begun| pool.imap(0.., work(begun)).count(),
            |pool, begun| pool.imap_unordered(0.., work(begun)).count(),
        ];
        fn work(begun: Arc<AtomicUsize>) -> impl Fn(usize) + Send + Sync {
            move |_| {
                begun.fetch_add(1, SeqCst);
                park();
            }
        }
        for map in maps {
            let pool = Pool::new(3);
            let begun = Arc::new(AtomicUsize::new(0));
            let (theirs, counts) = (pool.clone(), begun.clone());
            let mapper = spawn(move || map(theirs, counts));
            until(|| begun.load(SeqCst) == 3);
            pool.kill();
            assert!(mapper.join().unwrap_err().is_panic());
            assert_eq!((begun.load(SeqCst), pool.free_count(), pool.len()), (3, 3, 0));
            // Another one can begin.
            assert_eq!(pool.map(0..3, |n| n), [0, 1, 2]);
        }
    })
    .assert_success();
}

/// One whose mapper is killed takes up no more; what was begun goes on.
#[test]
fn a_mapper_that_is_killed_leaves_the_pool_as_it_is() {
    workers(2, || {
        let pool = Pool::new(2);
        let begun = Arc::new(AtomicUsize::new(0));
        let (theirs, counts) = (pool.clone(), begun.clone());
        let mapper = spawn(move || {
            theirs.map(0.., move |_| {
                counts.fetch_add(1, SeqCst);
                sleep(Duration::from_millis(10));
                Counted::new()
            })
        });
        until(|| begun.load(SeqCst) >= 2);
        mapper.kill();
        assert!(mapper.join().unwrap_err().is_killed());
        pool.join().unwrap();
        assert_eq!(pool.free_count(), 2);
        Counted::assert_gone(begun.load(SeqCst));
    });
}

/// A `timeout` around the wait for a result takes nothing away.
#[test]
fn cut_short_they_go_on() {
    workers(2, || {
        fn all(mut map: impl Iterator<Item = usize>, limit: Duration) -> Vec<usize> {
            let mut got = Vec::new();
            loop {
                match timeout(limit, || map.next()) {
                    Ok(Some(value)) => got.push(value),
                    Ok(None) => return got,
                    Err(_) => yield_now(),
                }
            }
        }
        fn slow(n: usize) -> usize {
            sleep(Duration::from_micros(200));
            n
        }
        let pool = Pool::new(2);
        // Others want places, too, so the maps wait for those as well.
        let busy = pool.clone();
        let rival = spawn(move || (0..200).for_each(|n| drop(busy.spawn(move || slow(n)))));
        for micros in [20, 100, 150] {
            let limit = Duration::from_micros(micros);
            let (one, other) = (pool.clone(), pool.clone());
            let in_order = spawn(move || all(one.imap(0..40, slow), limit));
            let any = spawn(move || all(other.imap_unordered(0..40, slow), limit));
            assert_eq!(in_order.join().unwrap(), (0..40).collect::<Vec<_>>());
            let mut any = any.join().unwrap();
            any.sort();
            assert_eq!(any, (0..40).collect::<Vec<_>>());
        }
        rival.join().unwrap();
        pool.join().unwrap();
        assert_eq!(pool.free_count(), 2);
    });
}

/// Nor around what is done there and then: what came late has come, a result as
/// well as a failure. Only what was itself cut short is gone.
#[test]
fn what_comes_late_is_not_lost() {
    in_child(&[("GREENROOM_WORKERS", "1")], || {
        std::panic::set_hook(Box::new(|_| {}));
        let pool = Pool::new(1);
        let inner = pool.clone();
        pool.apply(move || {
            let late = |n: usize| {
                let start = Instant::now();
                spin_until(|| start.elapsed() > Duration::from_millis(3));
                match n % 3 {
                    1 => panic_any(n),
                    2 => sleep(Duration::from_secs(3600)),
                    _ => {}
                }
                n
            };
            let (one, other) = (inner.imap(0..9, late), inner.imap_unordered(0..9, late));
            let maps: [Box<dyn Iterator<Item = usize>>; 2] = [Box::new(one), Box::new(other)];
            for mut map in maps {
                for n in 0..9 {
                    let next = || timeout(Duration::from_millis(1), || map.next());
                    let next = catch_unwind(AssertUnwindSafe(next));
                    match next.map_err(|payload| *payload.downcast::<usize>().unwrap()) {
                        Ok(Ok(value)) => assert!(value == Some(n) && n % 3 == 0),
                        Ok(Err(_)) => assert_eq!(n % 3, 2),
                        Err(failed) => assert!(failed == n && n % 3 == 1),
                    }
                }
                assert_eq!(map.next(), None);
            }
        });
    })
    .assert_success();
}

/// Closing lets what has begun come to its end.
#[test]
fn a_closed_pool_finishes_its_maps() {
    in_child(&[("GREENROOM_WORKERS", "2")], || {
        std::panic::set_hook(Box::new(|_| {}));
        let pool = Pool::new(2);
        let mut map = pool.imap(0..5, |n| n);
        assert_eq!(map.next(), Some(0));
        pool.close();
        assert_eq!(map.collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(catch_unwind(AssertUnwindSafe(|| pool.map(0..5, |n| n))).is_err());
    })
    .assert_success();
}

/// The iterator may panic: no place is lost.
#[test]
fn items_that_fail_to_come() {
    in_child(&[("GREENROOM_WORKERS", "2")], || {
        std::panic::set_hook(Box::new(|_| {}));
        let pool = Pool::new(2);
        let items = (0..10).inspect(|n| assert!(*n < 5));
        assert!(catch_unwind(AssertUnwindSafe(|| pool.map(items, |n| n))).is_err());
        pool.join().unwrap();
        assert_eq!(pool.free_count(), 2);
    })
    .assert_success();
}
