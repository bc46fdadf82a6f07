//! What a running monitor costs: a switch and an echo with it, against the same
//! without, in short rounds that alternate within one process.
//!
//! `cargo run --release -p greenroom-bench --no-default-features --bin monitored`, on
//! one worker; `GREENROOM_THREAD_LOCALS` chooses the mode.

use greenroom::inspect::{MonitorConfig, monitor};
use greenroom::{Config, patch_all, spawn, yield_now};
use greenroom_bench::protocol::Outcome;
use greenroom_bench::stats::Spread;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

const ROUNDS: usize = 301;
/// Some milliseconds each: the monitor looks several times in each round.
const SWITCHES: u32 = 2_000_000;
const ECHOES: u32 = 10_000;

fn main() -> Outcome<()> {
    Config::new().workers(1).install()?;
    patch_all()?;
    compare("switch", switches)?;
    compare("echo", echoes)
}

/// Each round on one green thread, timed there.
fn compare(name: &str, round: fn()) -> Outcome<()> {
    let timed = || -> Outcome<f64> {
        let took = spawn(move || {
            let start = Instant::now();
            round();
            start.elapsed()
        });
        Ok(took.join().map_err(|why| why.to_string())?.as_secs_f64())
    };
    let with_monitor = || -> Outcome<f64> {
        let monitor = monitor(MonitorConfig::new().on_report(|_| ()))?;
        let took = timed();
        monitor.stop();
        took
    };
    timed()?;
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        // Who is first alternates as well.
        let (with, without) = if round % 2 == 0 {
            (with_monitor()?, timed()?)
        } else {
            let without = timed()?;
            (with_monitor()?, without)
        };
        ratios.push(with / without);
    }
    println!("{name:<6} with a monitor takes {} of the time without", Spread::of(&ratios));
    Ok(())
}

/// Two take turns.
fn switches() {
    let other = spawn(|| (0..SWITCHES / 2).for_each(|_| yield_now()));
    (0..SWITCHES / 2).for_each(|_| yield_now());
    other.join().expect("it only yields");
}

/// 64 bytes to a partner and back.
fn echoes() {
    let (mut here, mut there) = UnixStream::pair().expect("there are descriptors");
    let partner = spawn(move || {
        let mut message = [0; 64];
        while there.read_exact(&mut message).is_ok() {
            there.write_all(&message).expect("somebody listens");
        }
    });
    let mut message = [7; 64];
    for _ in 0..ECHOES {
        here.write_all(&message).expect("somebody listens");
        here.read_exact(&mut message).expect("somebody answers");
    }
    drop(here);
    partner.join().expect("it only answers");
}
