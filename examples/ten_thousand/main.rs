//! Ten thousand connections, each with a thread of its own at either end.
//!
//! A thread-per-connection echo server and its clients, written with nothing but `std::net` and
//! running on green threads. `--os-threads` runs the very same code on OS threads.
//!
//! ```sh
//! cargo run --release --example ten_thousand
//! cargo run --release --example ten_thousand -- 2000 --rounds 100 --os-threads
//! cargo run --release --example ten_thousand -- --help
//! ```

mod clients;
mod limits;
mod meter;
mod options;
mod progress;
mod report;
mod second_process;
mod server;
mod threads;

use std::error::Error;
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, io};

use crate::clients::Crowd;
use crate::limits::Plan;
use crate::meter::Memory;
use crate::options::{Options, Request, USAGE};
use crate::report::{Report, Share};
use crate::second_process::SecondProcess;
use crate::threads::Threads;

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(Request::Run(options)) => options,
        Ok(Request::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("ten_thousand: {problem} (--help lists the options)");
            return ExitCode::from(2);
        }
    };
    let end = if options.serve {
        second_process::serve(&options).map(|()| true)
    } else {
        measure(&options)
    };
    match end {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ten_thousand: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all of it; true if every byte came back as it was sent.
fn measure(options: &Options) -> Result<bool, Box<dyn Error>> {
    let plan = limits::plan(options)?;
    for line in &plan.notes {
        eprintln!("{line}");
    }
    let mut server = Command::new(env::current_exe()?);
    server.args(options.for_server(&plan));
    let report = run(options, &plan, server)?;
    print!("{report}");
    Ok(report.perfect())
}

/// `server` is the command that starts the second process, where the plan asks for one.
fn run(options: &Options, plan: &Plan, server: Command) -> Result<Report, Box<dyn Error>> {
    let start = Instant::now();
    let threads = Threads::start(options)?;
    let memory = Memory::now();
    let second = plan.second_process.then(|| SecondProcess::start(server));
    let mut second = second.transpose()?;
    let addresses = match &second {
        Some(second) => second.addresses.clone(),
        None => server::start(threads, plan.connections)?,
    };

    let mut crowd = Crowd::new(threads, options);
    crowd.connect(plan.connections, &addresses)?;
    let talked = crowd.talk()?;
    // Nobody has hung up yet, and every stack has been used as deep as it will be.
    let memory = shares(plan.connections, memory.grown(), second.as_mut())?;
    let failures = crowd.hang_up();

    let (payload, total) = (options.payload, start.elapsed());
    Ok(Report { threads, payload, talked, memory, failures, total })
}

/// Whose memory holds which threads. `here` is by what this process has grown.
fn shares(
    connections: usize,
    here: Option<u64>,
    second: Option<&mut SecondProcess>,
) -> io::Result<Vec<Share>> {
    let share = |of, threads, bytes| Share { of, threads, bytes };
    let Some(second) = second else {
        return Ok(vec![share("", 2 * connections, here)]);
    };
    Ok(vec![
        share(" of a client", connections, here),
        share(" of the server", connections, second.memory()?),
    ])
}

#[cfg(test)]
mod tests;
