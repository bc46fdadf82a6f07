//! One resume of a generator, making one, and a switch of greenlets.
//!
//! `cargo bench -p greenroom-bench --bench generator`

mod green;

use std::hint::black_box;

use criterion::Criterion;
use green::run;
use greenroom::{Generator, Greenlet};

fn generator(c: &mut Criterion) {
    let mut group = c.benchmark_group("generator");
    let mut sums = Generator::<u64, u64, ()>::new(|co, mut n| {
        let mut sum = 0;
        loop {
            sum += n;
            n = co.yield_(sum);
        }
    });
    group.bench_function("resume", |b| b.iter(|| sums.resume(black_box(1))));
    let mut numbers = Generator::<(), u64, ()>::new(|co, ()| (0..).for_each(|n| co.yield_(n)));
    group.bench_function("next", |b| b.iter(|| numbers.next()));
    group.bench_function("made, run and dropped", |b| {
        b.iter(|| Generator::<u64, (), u64>::new(|_, n| n).resume(black_box(1)));
    });
    group.bench_function("made, resumed and dropped on its way", |b| {
        b.iter(|| Generator::<u64, u64, u64>::new(|co, n| co.yield_(n)).resume(black_box(1)));
    });
    let main = Greenlet::current();
    let echo = Greenlet::new(move |mut n: u64| {
        loop {
            n = main.switch(n);
        }
    });
    group.bench_function("greenlet, there and back", |b| b.iter(|| echo.switch(black_box(1))));
    group.finish();
}

fn main() {
    run(1, generator);
}
