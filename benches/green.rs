//! What the criterion benchmarks share: they run inside a green thread.

#![allow(dead_code, reason = "each of them uses a part")]

use std::time::Duration;

use criterion::{Criterion, SamplingMode};
use greenroom::inspect::{Monitor, MonitorConfig, monitor};
use greenroom::{Builder, Config};

/// Runs `benches` on a green thread of a runtime with so many workers, with the
/// criterion that the command line asks for.
///
/// # Panics
/// The runtime is configured or started already, or a benchmark panics.
pub(crate) fn run(workers: usize, benches: fn(&mut Criterion)) {
    Config::new().workers(workers).install().expect("nothing was spawned before");
    // Criterion's statistics want more stack than the default.
    let thread = Builder::new().name("criterion".into()).stack_size(16 << 20).spawn(move || {
        let mut criterion = Criterion::default()
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2))
            .sample_size(50)
            .configure_from_args();
        benches(&mut criterion);
        criterion.final_summary();
    });
    thread.expect("a runtime to measure").join().expect("the benchmarks run to their end");
}

/// A monitor that looks, and says nothing.
pub(crate) fn monitored() -> Monitor {
    monitor(MonitorConfig::new().on_report(|_| ())).expect("a thread and a signal for it")
}

/// How each benchmark with long iterations is sampled.
pub(crate) const FEW: SamplingMode = SamplingMode::Flat;

/// What `n` iterations would have taken, if `done` took `took`.
pub(crate) fn scaled(took: Duration, n: u64, done: u64) -> Duration {
    took.mul_f64(n as f64 / done as f64)
}
