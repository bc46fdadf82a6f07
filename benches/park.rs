//! A round trip of `unpark` and `park` between two green threads, on one worker
//! and across two.
//!
//! `cargo bench -p greenroom-bench --bench park`

mod green;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::*};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use criterion::Criterion;
use green::run;
use greenroom::{JoinHandle, current, park, spawn, yield_now};

/// How long this worker is hogged at most, so that another steals the partner.
const HOG: Duration = Duration::from_millis(5);

/// Where the partner has come to run.
const NOT_STARTED: u8 = 0;
const RIGHT: u8 = 1;
const WRONG: u8 = 2;

/// The worker that this green thread is pinned to: one OS thread.
fn worker() -> ThreadId {
    thread::current().id()
}

/// One that answers `n` unparks, if it comes to run on the right worker.
fn candidate(elsewhere: bool, n: u64) -> (JoinHandle<()>, Arc<AtomicU8>) {
    let (me, here) = (current().expect("this is a green thread"), worker());
    let place = Arc::new(AtomicU8::new(NOT_STARTED));
    let told = place.clone();
    let answering = move || {
        let right = (worker() != here) == elsewhere;
        told.store(if right { RIGHT } else { WRONG }, Release);
        for _ in 0..if right { n } else { 0 } {
            park();
            me.unpark();
        }
    };
    (spawn(answering), place)
}

/// As `candidate`, but certainly on the right worker: only what has not started
/// can be stolen, and it is while this green thread does not give way.
fn partner(elsewhere: bool, n: u64) -> JoinHandle<()> {
    loop {
        let (candidate, place) = candidate(elsewhere, n);
        let start = Instant::now();
        while elsewhere && place.load(Acquire) == NOT_STARTED && start.elapsed() < HOG {
            std::hint::spin_loop();
        }
        while place.load(Acquire) == NOT_STARTED {
            yield_now();
        }
        if place.load(Acquire) == RIGHT {
            return candidate;
        }
    }
}

fn round_trips(elsewhere: bool, n: u64) -> Duration {
    let partner = partner(elsewhere, n);
    let start = Instant::now();
    for _ in 0..n {
        partner.thread().unpark();
        park();
    }
    let took = start.elapsed();
    partner.join().expect("it only answers");
    took
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("park");
    for (name, elsewhere) in [("one_worker", false), ("two_workers", true)] {
        group.bench_function(format!("round_trip/{name}"), |b| {
            b.iter_custom(|n| round_trips(elsewhere, n));
        });
    }
    group.finish();
}

fn main() {
    run(2, benches);
}
