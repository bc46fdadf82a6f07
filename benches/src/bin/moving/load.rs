//! A fixed amount of work, in turns of five microseconds; prints how many
//! seconds it took.

#![allow(clippy::disallowed_types, reason = "held for a moment, once")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::Outcome;

const THREADS: usize = 64;
const TURNS: u32 = 2000;

/// The worker that has more to do.
static HEAVY: AtomicI32 = AtomicI32::new(0);

/// Those that have begun.
static BEGUN: AtomicUsize = AtomicUsize::new(0);
/// When all had.
static START: Mutex<Option<Instant>> = Mutex::new(None);

pub(super) fn run(uneven: bool) -> Outcome<()> {
    let threads: Vec<_> = (0..THREADS).map(|_| greenroom::spawn(move || work(uneven))).collect();
    for result in greenroom::joinall(threads) {
        result?;
    }
    let start = START.lock().map_err(|_| "poisoned")?.ok_or("nobody began")?;
    println!("{}", start.elapsed().as_secs_f64());
    Ok(())
}

fn work(uneven: bool) {
    // SAFETY: takes no arguments.
    let worker = unsafe { libc::gettid() };
    let first = HEAVY.compare_exchange(0, worker, SeqCst, SeqCst);
    let heavy = first.is_ok() || first == Err(worker);
    // Long enough for the other worker to come and take its half.
    spin(Duration::from_micros(500));
    if BEGUN.fetch_add(1, SeqCst) + 1 == THREADS {
        *START.lock().expect("nobody panics") = Some(Instant::now());
    }
    while BEGUN.load(SeqCst) < THREADS {
        greenroom::yield_now();
    }
    for _ in 0..if uneven && !heavy { TURNS / 10 } else { TURNS } {
        spin(Duration::from_micros(5));
        greenroom::yield_now();
    }
}

fn spin(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}
