//! What the hot paths cost in instructions: the same on a busy machine as on a
//! quiet one, so that a regression of a few percent can fail a build.
//!
//! ```sh
//! cargo run --release -p greenroom-bench --no-default-features --bin instructions
//! cargo run --release -p greenroom-bench --no-default-features --bin instructions -- --record
//! ```
//!
//! Virtual machines often have no counters, and valgrind does not know
//! `wrfsbase`, which own thread-locals need. So a parent single-steps the
//! worker's thread, as a debugger does, and counts: see `tracer.rs`. The clock
//! is our own meanwhile (`clock.rs`), or the runtime would find all it does
//! slow, and look at the kernel more often. Each case is a process of its own;
//! what it costs to start and to end is measured and taken away.
//!
//! Fails if a case takes more than is recorded in `instructions.bounds`, and a
//! little. `--record` writes what there is now.

mod bounds;
mod cases;
mod clock;
mod tracer;

use std::process::{Command, ExitCode};

use greenroom_bench::protocol::Outcome;
use greenroom_bench::sys;

use bounds::{Bounds, Verdict};
use cases::Case;
use tracer::Counted;

/// What a child is started with.
const CASE: &str = "--case";
/// Says that nothing can be counted here.
const IMPOSSIBLE: u8 = 77;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [CASE, name] => cases::run(name).map(|()| ExitCode::SUCCESS),
        [] => guard(false),
        ["--record"] => guard(true),
        _ => Err("usage: instructions [--record]".into()),
    };
    done.unwrap_or_else(|why| {
        eprintln!("instructions: {why}");
        ExitCode::FAILURE
    })
}

fn guard(record: bool) -> Outcome<ExitCode> {
    // Tracer and traced take turns: on one core, nobody has to be woken on
    // another.
    sys::pin(0);
    let mut bounds = Bounds::read()?;
    let mut worse = 0;
    println!("{:<16} {:>12} {:>10}", "", "instructions", "recorded");
    for case in cases::ALL {
        let counted = match count(case)? {
            Counted::Between(none, all) => (all - none) as f64 / case.operations as f64,
            Counted::Impossible(why) => {
                eprintln!("NOT COUNTED: no thread can be single-stepped here: {why}");
                return Ok(IMPOSSIBLE.into());
            }
        };
        let recorded = bounds.of(case.name);
        let verdict = Verdict::of(counted, recorded);
        worse += usize::from(verdict.is_failure());
        let recorded = recorded.map_or("–".into(), |bound| format!("{bound:.1}"));
        println!("{:<16} {counted:>12.1} {recorded:>10} {verdict}", case.name);
        bounds.set(case.name, counted);
    }
    if record {
        bounds.write()?;
    } else if worse > 0 {
        return Err(format!(
            "{worse} of {} take more than recorded: find out why, or say why in a commit \
             with --record",
            cases::ALL.len()
        )
        .into());
    }
    Ok(ExitCode::SUCCESS)
}

fn count(case: &Case) -> Outcome<Counted> {
    let child = Command::new(std::env::current_exe()?)
        .args([CASE, case.name])
        .env("GREENROOM_THREAD_LOCALS", case.thread_locals)
        .env("GREENROOM_WORKERS", "1")
        .env("GREENROOM_BUSY_POLL", "0") // it looks for a time, and counts would vary
        .spawn()?;
    tracer::count(child)
}
