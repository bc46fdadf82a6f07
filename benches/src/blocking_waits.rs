//! The programs that wait for time, or for one of two, for runtimes in which
//! waiting is a plain call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::blocking::{AN_HOUR, Either, Tasks};
use crate::lateness::{LOADS, Late, NAP, NAPPERS, work};
use crate::work::resident;

/// From either of two channels, in turn; each number is answered.
pub(crate) fn selects<K: Tasks>(n: u64, either: Either<K::Receiver>) -> Duration {
    let ((one, first), (other, second)) = (K::channel(1), K::channel(1));
    let (answer, answered) = K::channel(1);
    let start = Instant::now();
    let partner = K::spawn(move || {
        for number in 0..n {
            K::send(if number % 2 == 0 { &one } else { &other }, number);
            assert_eq!(K::receive(&answered), number);
        }
    });
    for number in 0..n {
        assert_eq!(either(&first, &second), number);
        K::send(&answer, number);
    }
    let took = start.elapsed();
    K::join(partner);
    took
}

/// How late sleepers are, in the worst of a hundred sleeps, while others keep
/// the core busy.
pub(crate) fn lateness<K: Tasks>(time: Duration) -> (u64, u64) {
    let late = Arc::new(Late::default());
    let end = Instant::now() + time;
    let until = move |turn: fn(&Late), late: Arc<Late>| {
        loop {
            turn(&late); // once at least, however short the round
            if Instant::now() >= end {
                return;
            }
        }
    };
    let start = |turn: fn(&Late)| {
        let late = late.clone();
        K::spawn(move || until(turn, late))
    };
    let loads = (0..LOADS).map(|_| {
        start(|_| {
            work();
            K::yield_now();
        })
    });
    let loads: Vec<_> = loads.collect();
    let nappers = (0..NAPPERS).map(|_| {
        start(|late| {
            let due = Instant::now() + NAP;
            K::sleep(NAP);
            late.add(due);
        })
    });
    let nappers: Vec<_> = nappers.collect();
    nappers.into_iter().chain(loads).for_each(K::join);
    late.figure()
}

/// Starts so many that sleep, and waits until they do.
pub(crate) fn all_asleep<K: Tasks>(count: u64) {
    let started = Arc::new(AtomicU64::new(0));
    for _ in 0..count {
        let started = started.clone();
        K::spawn(move || {
            started.fetch_add(1, Relaxed);
            K::sleep(AN_HOUR);
        });
    }
    while started.load(Relaxed) < count {
        K::sleep(Duration::from_millis(1));
    }
    // The last still has to get from its count to its sleep.
    K::sleep(Duration::from_millis(20));
}

/// Bytes that they take.
pub(crate) fn idle<K: Tasks>(count: u64) -> (u64, u64) {
    K::join(K::spawn(|| ())); // the runtime itself does not count
    let before = resident().expect("the kernel says");
    all_asleep::<K>(count);
    (count, resident().expect("the kernel says").saturating_sub(before))
}
