//! Let threads wait for an event that another one sets (seed 004: event).
//!
//! ```sh
//! cargo run --example wait_for_event
//! ```

use std::error::Error;
use std::time::Duration;

use greenroom::sync::Event;
use greenroom::{Config, joinall, sleep, spawn};

static EVENING: Event = Event::new();

fn worker(n: u32) {
    println!("worker {n} waits, the event is {}", EVENING.is_set());
    EVENING.wait();
    println!("worker {n} goes home, the event is {}", EVENING.is_set());
}

fn boss() {
    println!("boss: we work until ten");
    // A wait may have a limit, and says whether the event came.
    println!("is it ten yet? {}", EVENING.wait_timeout(Duration::from_millis(50)));
    println!("boss: it is ten");
    EVENING.set(); // wakes all who wait
}

fn main() -> Result<(), Box<dyn Error>> {
    Config::new().workers(1).install()?; // one at a time, so that the output is in order
    let workers: Vec<_> = (1..=3).map(|n| spawn(move || worker(n))).collect();
    let boss = spawn(boss);
    joinall(workers).into_iter().chain([boss.join()]).collect::<Result<(), _>>()?;

    // From now on the next ones wait again.
    EVENING.clear();
    println!("the next morning the event is {}", EVENING.is_set());
    let late = spawn(|| EVENING.wait());
    sleep(Duration::from_millis(10));
    println!("and somebody who waits has gone: {}", late.is_finished());
    Ok(())
}
