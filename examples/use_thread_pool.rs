//! Run work in a pool of OS threads (seeds: 001 进程池和线程池; 004 线程池).
//!
//! Green threads are cheap enough to start one per task. A pool is for what
//! they cannot do: compute on several cores without giving way, or call what
//! blocks in spite of the patch. Two OS threads here, and more work than that.
//!
//! ```sh
//! cargo run --example use_thread_pool
//! ```

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use greenroom::{ThreadPool, offload, spawn};

const PAUSE: Duration = Duration::from_millis(50);

fn work(name: &str, times: u32) -> String {
    for _ in 0..times {
        thread::sleep(PAUSE); // blocks its OS thread, and nobody else
        println!("work-----------{name}");
    }
    format!("{name} worked {times} times")
}

fn collatz(mut n: u64) -> u32 {
    let mut steps = 0;
    while n != 1 {
        n = if n.is_multiple_of(2) { n / 2 } else { 3 * n + 1 };
        steps += 1;
    }
    steps
}

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPool::new(2);

    // `submit`: a handle for each result. The third waits for a free thread.
    let start = Instant::now();
    let handles = [("sss", 5), ("lll", 3), ("third", 1)]
        .map(|(name, times)| pool.spawn(move || work(name, times)));
    for handle in handles {
        println!("{}", handle.join()?);
    }
    let pauses = start.elapsed().as_secs_f64() / PAUSE.as_secs_f64();
    println!("9 pauses took as long as {pauses:.1}");

    // `map`: the results in the order of the items, whoever was faster.
    println!("steps: {:?}", pool.map([27, 1, 97], collatz));

    // An error goes to whoever asks for the result; so does a panic, as what `join` returns.
    if let Err(error) = pool.apply(|| "many".parse::<u32>()) {
        println!("it failed: {error}");
    }

    // `shutdown(wait=True)`, which leaving Python's `with` does.
    pool.shutdown(true);
    println!("---------end-----------");

    // Without a pool of one's own: whoever calls parks meanwhile.
    println!("offloaded: {}", spawn(|| offload(|| collatz(871))).join()?);
    Ok(())
}
