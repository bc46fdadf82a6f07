//! Arming and cancelling timers, alone and beside a hundred thousand sleepers.
//!
//! `cargo bench -p greenroom-bench --bench timers`

mod green;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use green::run;
use greenroom::{JoinHandle, current, park, park_timeout, sleep, spawn, timeout, yield_now};

const SLEEPERS: u64 = 100_000;
const LONG: Duration = Duration::from_secs(3600);

/// Timers armed and cancelled: each `park_timeout` is ended by an unpark.
fn cancelled(n: u64) -> Duration {
    let me = current().expect("this is a green thread");
    let waker = spawn(move || {
        for _ in 0..n {
            me.unpark();
            yield_now();
        }
    });
    let start = Instant::now();
    for _ in 0..n {
        park_timeout(LONG / 2);
    }
    let took = start.elapsed();
    waker.join().expect("it only wakes");
    took
}

/// The same without a timer, to subtract.
fn without(n: u64) -> Duration {
    let me = current().expect("this is a green thread");
    let waker = spawn(move || {
        for _ in 0..n {
            me.unpark();
            yield_now();
        }
    });
    let start = Instant::now();
    for _ in 0..n {
        park();
    }
    let took = start.elapsed();
    waker.join().expect("it only wakes");
    took
}

/// `join_timeout` on green threads that end at once.
fn joined(n: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        let joined = spawn(|| ()).join_timeout(LONG / 2);
        joined.expect("long before").expect("it does nothing");
    }
    start.elapsed()
}

fn slept(n: u64, nap: Duration) -> Duration {
    let start = Instant::now();
    (0..n).for_each(|_| sleep(nap));
    start.elapsed()
}

/// One that sleeps longer than any benchmark takes, each for another time.
fn sleeper(number: u64) -> JoinHandle<()> {
    let spread = Duration::from_micros(number * 7919 % SLEEPERS * 10);
    spawn(move || sleep(LONG + spread))
}

fn timers(c: &mut Criterion) {
    for others in [0, SLEEPERS] {
        // They are never woken: the process ends before.
        (0..others).for_each(|number| drop(sleeper(number)));
        sleep(Duration::from_millis(500));
        let mut group = c.benchmark_group(format!("timers/{others}"));
        group.bench_function("none", |b| b.iter_custom(without));
        group.bench_function("arm_cancel", |b| b.iter_custom(cancelled));
        group.bench_function("spawn_join_timeout", |b| b.iter_custom(joined));
        // Around what never waits.
        group.bench_function("timeout", |b| b.iter(|| timeout(LONG, || black_box(1))));
        group.bench_function("sleep_zero", |b| b.iter_custom(|n| slept(n, Duration::ZERO)));
        group.bench_function("sleep_1ns", |b| b.iter_custom(|n| slept(n, Duration::from_nanos(1))));
        group.finish();
    }
}

fn main() {
    run(1, timers);
}
