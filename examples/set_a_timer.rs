//! Call a function later: Timer (seed 004: 未解决, Timer).
//!
//! A timer is a green thread that begins late. As any other it has a result,
//! and it may wait; ten thousand of them are no burden.
//!
//! ```sh
//! cargo run --example set_a_timer
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use greenroom::{Config, Timer, interval, joinall, spawn, spawn_later};

const DELAY: Duration = Duration::from_millis(200);

fn hello() -> Instant {
    println!("hello, world");
    Instant::now()
}

/// Again and again. Reckoned from the start, so that it does not go slow by
/// what the work takes.
fn tick(times: usize) {
    for (n, _due) in interval(DELAY / 4).enumerate().take(times) {
        println!("tick {}", n + 1);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    Config::new().workers(1).install()?;
    let start = Instant::now();
    let mut t = Timer::new(DELAY, hello);
    t.start();
    let ticker = spawn(|| tick(3));
    println!("the timer runs, and main goes on");
    ticker.join()?;
    if let Some(at) = t.join()? {
        println!("it came after {:.2} s", at.duration_since(start).as_secs_f64());
    }

    // Cancelled, it never calls its function, but gives it back.
    let mut never = Timer::new(100 * DELAY, hello);
    never.start();
    println!("cancelled: {}", never.cancel().is_some());
    println!("so it gave {:?}", never.join()?);

    // Where nothing is to be cancelled, this is shorter. Its handle is like
    // others: a wait that is too short gives it back.
    let slow = spawn_later(100 * DELAY, || "it is late");
    match slow.join_timeout(DELAY / 10) {
        Ok(answer) => println!("{}", answer?),
        Err(_unfinished) => println!("enough of waiting"),
    }
    let all: Vec<_> = (0..10_000).map(|n| spawn_later(DELAY, move || n)).collect();
    let sum: u32 = joinall(all).into_iter().sum::<Result<u32, _>>()?;
    println!("ten thousand timers gave {sum}");
    Ok(())
}
