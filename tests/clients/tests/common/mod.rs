//! What the tests share: one worker with all patched, and the assertion that
//! waits overlap on it.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// One worker, everything patched; and no other test meanwhile.
pub fn ready() -> MutexGuard<'static, ()> {
    static ONCE: Once = Once::new();
    static ALONE: Mutex<()> = Mutex::new(());
    ONCE.call_once(|| {
        greenroom::Config::new().workers(1).install().unwrap();
        greenroom::patch_all().unwrap();
        greenroom::patch::native(|| {
            thread::spawn(|| {
                thread::sleep(Duration::from_secs(100));
                let _ = writeln!(std::io::stderr(), "the tests hang");
                std::process::abort();
            })
        });
    });
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `f` on `n` green threads of the one worker. Each waits for `wait`, so
/// one after the other they would take `n` times that; together they must take
/// less than two thirds of it. Meanwhile yet another green thread must have had
/// the worker: it sleeps a millisecond at a time, and counts.
pub fn together<T: Send + 'static>(
    n: usize,
    wait: Duration,
    f: impl Fn(usize) -> T + Send + Sync + 'static,
) -> Vec<T> {
    let f = Arc::new(f);
    let (stop, beats) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let heart = {
        let (stop, beats) = (stop.clone(), beats.clone());
        greenroom::spawn(move || {
            while !stop.load(SeqCst) {
                thread::sleep(Duration::from_millis(1));
                beats.fetch_add(1, SeqCst);
            }
        })
    };
    let start = Instant::now();
    let threads: Vec<_> = (0..n)
        .map(|i| {
            let f = f.clone();
            thread::spawn(move || f(i))
        })
        .collect();
    let results: Vec<T> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    let took = start.elapsed();
    stop.store(true, SeqCst);
    heart.join().unwrap();
    assert!(took >= wait, "it did not wait: {took:?}");
    assert!(
        took < wait * n as u32 * 2 / 3,
        "one after the other: {took:?} for {n} waits of {wait:?}"
    );
    let beats = beats.load(SeqCst);
    assert!(beats as u128 >= wait.as_millis() / 8, "the worker was kept: {beats} beats");
    results
}

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What `.ci/97-clients.sh` says of a server that it has started.
pub fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run .ci/97-clients.sh, which starts the servers")
    })
}
