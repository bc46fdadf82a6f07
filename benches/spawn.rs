//! Spawning and joining: one at a time on a reused stack, and ten thousand
//! alive at once, on reused and on fresh stacks.
//!
//! `cargo bench -p greenroom-bench --bench spawn`

mod green;

use std::process::Command;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use green::{FEW, run};
use greenroom::{Pool, joinall, spawn, yield_now};

const BURST: u64 = 10_000;

/// The process that this variable is set for runs one burst, and prints how
/// many nanoseconds it took: only a new process has nothing but fresh stacks.
const ONE_BURST: &str = "GREENROOM_BENCH_ONE_BURST";

fn one_at_a_time(n: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        spawn(|| ()).join().expect("it does nothing");
    }
    start.elapsed()
}

/// The same in a pool that has room.
fn in_a_pool(n: u64) -> Duration {
    let pool = Pool::new(8);
    let start = Instant::now();
    for _ in 0..n {
        pool.spawn(|| ()).join().expect("it does nothing");
    }
    start.elapsed()
}

/// All are alive at once, since each gives way once.
fn burst() -> Duration {
    let start = Instant::now();
    let handles: Vec<_> = (0..BURST).map(|_| spawn(yield_now)).collect();
    joinall(handles).into_iter().for_each(|one| one.expect("it only yields"));
    start.elapsed()
}

fn burst_in_a_new_process() -> Duration {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program).env(ONE_BURST, "1").output().expect("it starts");
    let text = String::from_utf8(output.stdout).expect("a number");
    Duration::from_nanos(text.trim().parse().expect("a number"))
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("spawn");
    group.bench_function("join", |b| b.iter_custom(one_at_a_time));
    group.bench_function("join/pool", |b| b.iter_custom(in_a_pool));
    group.throughput(Throughput::Elements(BURST)).sampling_mode(FEW).sample_size(20);
    group.bench_function("burst/reused", |b| {
        b.iter_custom(|n| (0..n).map(|_| burst()).sum());
    });
    group.bench_function("burst/fresh", |b| {
        b.iter_custom(|n| (0..n).map(|_| burst_in_a_new_process()).sum());
    });
    group.finish();
}

fn print_one_burst(_: &mut Criterion) {
    println!("{}", burst().as_nanos());
}

fn main() {
    let alone = std::env::var_os(ONE_BURST).is_some();
    run(1, if alone { print_one_burst } else { benches });
}
