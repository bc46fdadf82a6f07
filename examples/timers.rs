//! Calls that come later, calls that are cancelled, ticks, and waiting for the
//! first of several things.
//!
//! ```sh
//! cargo run --example timers
//! ```

use std::error::Error;
use std::time::Duration;

use greenroom::queue::Queue;
use greenroom::{Timer, interval, select, spawn, spawn_later};

const TICK: Duration = Duration::from_millis(10);

/// A worker that has something to do now and then. If it is busy for too long,
/// the watchdog barks; as long as it comes round, that is put off.
fn watched(jobs: Queue<Duration>) -> Vec<String> {
    let barks = Queue::new();
    let watchdog = || {
        let barks = barks.clone();
        let mut timer = Timer::new(TICK * 20, move || barks.put("the watchdog barks"));
        timer.start();
        timer
    };
    let mut log = Vec::new();
    let (mut ticks, mut timer) = (interval(TICK), watchdog());
    loop {
        select! {
            biased;
            bark = get(barks) => log.push(bark.unwrap().to_owned()),
            job = get(jobs) => match job {
                Ok(time) => {
                    greenroom::sleep(time);
                    log.push(format!("worked for {time:?}"));
                }
                Err(_) => return log,
            },
            _ = tick(ticks) => {
                timer.cancel(); // put off, unless it has barked
                timer = watchdog();
            }
        }
    }
}

fn run() -> Result<Vec<String>, Box<dyn Error>> {
    let jobs = Queue::new();
    let worker = spawn({
        let jobs = jobs.clone();
        move || watched(jobs)
    });
    let later = [(3, 1), (8, 100)].map(|(start, length)| {
        let jobs = jobs.clone();
        spawn_later(TICK * start, move || jobs.put(TICK * length))
    });
    for job in later {
        job.join()??;
    }
    spawn_later(TICK * 120, move || jobs.shutdown(false)).join()?;
    Ok(worker.join()?)
}

fn main() -> Result<(), Box<dyn Error>> {
    run()?.iter().for_each(|line| println!("{line}"));
    Ok(())
}

#[test]
fn only_the_long_job_makes_it_bark() {
    let log = run().unwrap();
    let line = |text: &str| log.iter().rposition(|line| line == text);
    assert!(line("worked for 10ms").is_some(), "{log:?}");
    // It barks while the worker works, who hears of it afterwards.
    assert!(line("worked for 1s") < line("the watchdog barks"), "{log:?}");
}
