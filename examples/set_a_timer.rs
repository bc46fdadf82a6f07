//! Call a function later: Timer (seed 004: 未解决, Timer).
//!
//! A timer is a green thread that begins late. As any other it has a result,
//! and it may wait; a hundred thousand of them are no burden.
//!
//! ```sh
//! cargo run --example set_a_timer
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use greenroom::{Config, sleep_until, spawn, spawn_later};

const DELAY: Duration = Duration::from_millis(200);

fn hello() -> Instant {
    println!("hello, world");
    Instant::now()
}

/// Again and again. Reckoned from the start, so that it does not go slow by
/// what the work takes.
fn tick(start: Instant, times: u32) {
    for n in 1..=times {
        sleep_until(start + DELAY / 4 * n);
        println!("tick {n}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    Config::new().workers(1).install()?;
    let start = Instant::now();
    let t = spawn_later(DELAY, hello);
    let ticker = spawn(move || tick(start, 3));
    println!("the timer runs, and main goes on");
    ticker.join()?;
    let late = t.join()?.duration_since(start);
    println!("it came after {:.2} s", late.as_secs_f64());

    // A wait that has a limit does nothing if it is over sooner.
    let slow = spawn_later(DELAY, || "it is late");
    match slow.join_timeout(DELAY / 10) {
        Ok(answer) => println!("{}", answer?),
        Err(_unfinished) => println!("enough of waiting"),
    }

    // `cancel`: it never begins.
    let never = spawn_later(DELAY, hello);
    never.kill();
    println!("cancelled: {}", never.join().is_err_and(|error| error.is_killed()));

    let all: Vec<_> = (0..10_000).map(|n| spawn_later(DELAY, move || n)).collect();
    let sum: u32 = greenroom::joinall(all).into_iter().sum::<Result<u32, _>>()?;
    println!("ten thousand timers gave {sum}");
    Ok(())
}
