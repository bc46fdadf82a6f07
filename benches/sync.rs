//! Locks and queues beside others': uncontended, and an item's way to a partner
//! and back between two green threads of one worker.
//!
//! `cargo bench -p greenroom-bench --bench sync`

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "they are what ours is compared with"
)]

mod green;

use std::hint::black_box;
use std::time::Instant;

use criterion::Criterion;
use green::run;
use greenroom::queue::{Channel, Queue};
use greenroom::spawn;

/// Items that go to a partner, which sends them back until the end.
macro_rules! round_trips {
    ($new:expr) => {
        |n: u64| {
            let (there, back) = ($new, $new);
            let (theirs, answers) = (there.clone(), back.clone());
            let partner = spawn(move || theirs.into_iter().for_each(|v| answers.put(v).unwrap()));
            let start = Instant::now();
            for v in 0..n {
                there.put(v).unwrap();
                assert_eq!(back.get(), Ok(v));
            }
            let took = start.elapsed();
            there.shutdown(false);
            partner.join().unwrap();
            took
        }
    };
}

fn locks(c: &mut Criterion) {
    let mut group = c.benchmark_group("lock");
    let ours = greenroom::sync::Mutex::new(0_u64);
    group.bench_function("greenroom", |b| b.iter(|| *ours.lock() += 1));
    let stds = std::sync::Mutex::new(0_u64);
    group.bench_function("std", |b| b.iter(|| *stds.lock().unwrap() += 1));
    let other = parking_lot::Mutex::new(0_u64);
    group.bench_function("parking_lot", |b| b.iter(|| *other.lock() += 1));
    let again = greenroom::sync::ReentrantMutex::new(0_u64);
    group.bench_function("greenroom/reentrant", |b| b.iter(|| black_box(*again.lock())));
    let shared = greenroom::sync::RwLock::new(0_u64);
    group.bench_function("greenroom/read", |b| b.iter(|| black_box(*shared.read())));
    group.finish();
}

fn queues(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue");
    let ours = Queue::new();
    group.bench_function("put+get/greenroom", |b| {
        b.iter(|| {
            ours.put(1_u64).unwrap();
            ours.get().unwrap()
        })
    });
    let (put, get) = std::sync::mpsc::channel();
    group.bench_function("put+get/std", |b| {
        b.iter(|| {
            put.send(1_u64).unwrap();
            get.recv().unwrap()
        })
    });
    let (put, get) = crossbeam_channel::unbounded();
    group.bench_function("put+get/crossbeam", |b| {
        b.iter(|| {
            put.send(1_u64).unwrap();
            get.recv().unwrap()
        })
    });
    let (put, get) = flume::unbounded();
    group.bench_function("put+get/flume", |b| {
        b.iter(|| {
            put.send(1_u64).unwrap();
            get.recv().unwrap()
        })
    });
    group
        .bench_function("round trip/greenroom", |b| b.iter_custom(round_trips!(Queue::bounded(1))));
    group.bench_function("round trip/greenroom channel", |b| {
        b.iter_custom(round_trips!(Channel::new()))
    });
    group.finish();
}

/// Of two queues, one of which has an item: its put counts, too.
fn selects(c: &mut Criterion) {
    let mut group = c.benchmark_group("select");
    let (one, two) = (Queue::new(), Queue::new());
    group.bench_function("greenroom", |b| {
        b.iter(|| {
            one.put(1_u64).unwrap();
            greenroom::select! { v = get(one) => v, v = get(two) => v }.unwrap()
        })
    });
    let (put, one) = crossbeam_channel::unbounded();
    let (_keep, two) = crossbeam_channel::unbounded::<u64>();
    group.bench_function("crossbeam", |b| {
        b.iter(|| {
            put.send(1_u64).unwrap();
            crossbeam_channel::select! { recv(one) -> v => v, recv(two) -> v => v }.unwrap()
        })
    });
    group.finish();
}

fn benches(c: &mut Criterion) {
    locks(c);
    queues(c);
    selects(c);
}

fn main() {
    run(1, benches);
}
