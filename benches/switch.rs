//! One `yield_now`: to oneself, between two, and in a round of a thousand; and
//! between two with the monitor on.
//!
//! `cargo bench -p greenroom-bench --bench switch`

mod green;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use criterion::Criterion;
use green::{monitored, run, scaled};
use greenroom::{joinall, spawn, yield_now};

/// `n` switches, shared by `threads` green threads of which this is one.
fn take_turns(threads: u64, n: u64) -> Duration {
    let stop = Arc::new(AtomicBool::new(false));
    let others = (1..threads).map(|_| {
        let stop = stop.clone();
        spawn(move || {
            while !stop.load(Relaxed) {
                yield_now();
            }
        })
    });
    let others: Vec<_> = others.collect();
    yield_now(); // all have started
    let rounds = n.div_ceil(threads);
    let start = Instant::now();
    for _ in 0..rounds {
        yield_now();
    }
    let took = start.elapsed();
    stop.store(true, Relaxed);
    joinall(others).into_iter().for_each(|other| other.expect("it only yields"));
    scaled(took, n, rounds * threads)
}

fn switch(c: &mut Criterion) {
    let mut group = c.benchmark_group("switch");
    for threads in [1, 2, 1000] {
        group.bench_function(format!("yield_now/{threads}"), |b| {
            b.iter_custom(|n| take_turns(threads, n));
        });
    }
    let monitor = monitored();
    group.bench_function("yield_now/2/monitored", |b| b.iter_custom(|n| take_turns(2, n)));
    monitor.stop();
    group.finish();
}

fn main() {
    run(1, switch);
}
