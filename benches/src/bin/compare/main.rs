//! The comparative suite: the same programs for greenroom and everybody else.
//!
//! ```sh
//! cargo bench -p greenroom-bench                              # all: about an hour
//! cargo bench -p greenroom-bench -- --quick                   # all, in a few minutes
//! cargo bench -p greenroom-bench -- --only echo --only short  # those that begin so
//! cargo bench -p greenroom-bench -- --tables results.json --into README.md
//! ```
//!
//! For each workload every contender is started as a process of its own, and
//! all take short turns, in an order that changes from round to round, so that
//! what disturbs the machine disturbs all. Only one has work at a time. The
//! first round warms up and is not counted; nothing else is left out. A
//! contender that fails, or takes longer than its limit, is shown as such.
//!
//! Contenders with one core have the first one, and what keeps servers busy has
//! the last; see `layout.rs`. Ratios are taken round by round: how many times
//! as good our own contender was in the same round.

mod asker;
mod child;
mod entrant;
mod fixed;
mod interpolate;
mod layout;
mod machine;
mod options;
mod others;
mod plot;
mod results;
mod runner;
mod short;
mod tables;
mod workload;
mod wrk;

use std::fs;
use std::process::ExitCode;

use greenroom_bench::protocol::Outcome;
use greenroom_bench::sys::raise_descriptor_limit;

use layout::Cores;
use options::Options;
use results::Results;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match Options::parse(&words).and_then(|options| run(&options, &words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("compare: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options, words: &[String]) -> Outcome<()> {
    if options.list {
        workload::all().iter().for_each(|one| println!("{:<20} {}", one.name, one.title));
        return Ok(());
    }
    if let Some(file) = &options.tables {
        return write_tables(options, file);
    }
    raise_descriptor_limit();
    let chosen = options.chosen()?;
    let cores = Cores::of_this_process()?;
    runner::settle(&cores)?;
    let machine = machine::describe(words, &cores);
    let mut results = Results::new(machine, options.rounds, options.time);
    for (number, workload) in chosen.iter().enumerate() {
        eprintln!("[{}/{}] {}: {}", number + 1, chosen.len(), workload.name, workload.title);
        results.workloads.push(runner::run(workload, &cores, options)?);
        // After each, so that an interrupted run is not lost.
        results.write(&options.out)?;
    }
    plot::all(&results, &options.out)?;
    println!("{}", tables::markdown(&results));
    eprintln!("written to {}", options.out.display());
    Ok(())
}

/// The tables of an earlier run, to stdout or into a document.
fn write_tables(options: &Options, file: &std::path::Path) -> Outcome<()> {
    let results: Results = serde_json::from_str(&fs::read_to_string(file)?)?;
    let all = tables::markdown(&results);
    match &options.into {
        None => print!("{all}"),
        Some(document) => {
            let (text, overview) = (fs::read_to_string(document)?, tables::overview(&results));
            fs::write(document, interpolate::between_marks(&text, &all, &overview)?)?;
        }
    }
    Ok(())
}
