//! The programs that wait for time, or for one of two, awaited: the same as
//! those in `blocking_waits.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::asynchronous::{Async, join_all};
use crate::blocking::AN_HOUR;
use crate::lateness::{LOADS, Late, NAP, NAPPERS, work};
use crate::work::resident;

pub(crate) async fn selects<K: Async>(n: u64) -> Duration {
    let ((one, mut first), (other, mut second)) = (K::channel(1), K::channel(1));
    let (answer, mut answered) = K::channel(1);
    let start = Instant::now();
    let partner = K::spawn(async move {
        for number in 0..n {
            K::send(if number % 2 == 0 { &one } else { &other }, number).await;
            assert_eq!(K::receive(&mut answered).await, number);
        }
    });
    for number in 0..n {
        assert_eq!(K::either(&mut first, &mut second).await, number);
        K::send(&answer, number).await;
    }
    let took = start.elapsed();
    K::join(partner).await;
    took
}

pub(crate) async fn lateness<K: Async>(time: Duration) -> (u64, u64) {
    let late = Arc::new(Late::default());
    let end = Instant::now() + time;
    let load = || {
        K::spawn(async move {
            while Instant::now() < end {
                work();
                K::yield_now().await;
            }
        })
    };
    let loads: Vec<_> = (0..LOADS).map(|_| load()).collect();
    let napper = |late: Arc<Late>| {
        K::spawn(async move {
            loop {
                let due = Instant::now() + NAP;
                K::sleep(NAP).await;
                late.add(due);
                if Instant::now() >= end {
                    return;
                }
            }
        })
    };
    let nappers: Vec<_> = (0..NAPPERS).map(|_| napper(late.clone())).collect();
    join_all::<K>(nappers).await;
    join_all::<K>(loads).await;
    late.figure()
}

pub(crate) async fn all_asleep<K: Async>(count: u64) {
    let started = Arc::new(AtomicU64::new(0));
    for _ in 0..count {
        let started = started.clone();
        K::detach(K::spawn(async move {
            started.fetch_add(1, Relaxed);
            K::sleep(AN_HOUR).await;
        }));
    }
    while started.load(Relaxed) < count {
        K::sleep(Duration::from_millis(1)).await;
    }
    K::sleep(Duration::from_millis(20)).await;
}

pub(crate) async fn idle<K: Async>(count: u64) -> (u64, u64) {
    K::join(K::spawn(async {})).await; // the runtime itself does not count
    let before = resident().expect("the kernel says");
    all_asleep::<K>(count).await;
    (count, resident().expect("the kernel says").saturating_sub(before))
}
