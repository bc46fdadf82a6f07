//! What it brings and costs that green threads with own thread-locals move
//! between workers.
//!
//! ```sh
//! cargo run --release -p greenroom-bench --bin moving            # even and uneven load, and a hog
//! cargo run --release -p greenroom-bench --bin moving -- 21      # so many rounds
//! ```
//!
//! On two workers, own thread-locals (which move) against shared ones (which
//! do not), each round in processes of their own that take turns:
//! - *even*: as much to do on one worker as on the other;
//! - *uneven*: those that began on one worker have ten times as much to do;
//! - *hog*: how late sleeps, sockets and locks are while one computes, at
//!   worst. Only with own thread-locals; with shared ones, as long as it lasts.

mod hog;
mod load;

use std::error::Error;
use std::process::{Command, ExitCode};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["--do", "hog"] => hog::run(),
        ["--do", load] => load::run(load == &"uneven"),
        [] => compare(9),
        [rounds] => rounds.parse().map_err(Into::into).and_then(compare),
        _ => Err("say how many rounds, and nothing else".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("moving: {why}");
            ExitCode::FAILURE
        }
    }
}

fn compare(rounds: usize) -> Outcome<()> {
    for load in ["even", "uneven"] {
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let (own, shared) = (measure(load, "own")?[0], measure(load, "shared")?[0]);
            ratios.push(shared / own);
        }
        let (low, median, high) = spread(&mut ratios);
        println!("{load:<7} own is {median:.2} times as fast as shared ({low:.2} .. {high:.2})");
    }
    let mut late = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        for (late, worst) in late.iter_mut().zip(measure("hog", "own")?) {
            late.push(worst);
        }
    }
    for (what, late) in ["sleeps", "sockets", "locks"].iter().zip(&mut late) {
        let (low, median, high) = spread(late);
        println!("hog     {what:<7} late by at most {median:.1} ms ({low:.1} .. {high:.1})");
    }
    Ok(())
}

/// One round in a process of its own.
fn measure(what: &str, thread_locals: &str) -> Outcome<Vec<f64>> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--do", what])
        .env("GREENROOM_WORKERS", "2")
        .env("GREENROOM_THREAD_LOCALS", thread_locals)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// Lowest, median, highest.
fn spread(figures: &mut [f64]) -> (f64, f64, f64) {
    figures.sort_by(f64::total_cmp);
    (figures[0], figures[figures.len() / 2], figures[figures.len() - 1])
}
