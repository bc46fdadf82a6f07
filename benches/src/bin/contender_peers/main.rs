//! Everybody else. No part of greenroom is linked in here, so their calls go
//! straight to the C library. See `protocol.rs` for how they are spoken to.

mod corosensei_alone;
mod http_servers;
mod may_kit;
mod raw;
mod smol_kit;
mod tokio_kit;

use std::process::ExitCode;

use greenroom_bench::protocol::{Outcome, Task, answer};
use greenroom_bench::std_kit::Std;
use greenroom_bench::sys::raise_descriptor_limit;
use greenroom_bench::{asynchronous, blocking};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match Task::parse(&words).and_then(|task| run(&task)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("contender_peers: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Outcome<()> {
    raise_descriptor_limit();
    answer(match task.contender.as_str() {
        "os-threads" => blocking::program::<Std, Std>(task)?,
        "may" => {
            may_kit::configure(task.cores);
            blocking::program::<may_kit::May, may_kit::May>(task)?
        }
        "tokio-current" => {
            tokio_kit::start_on_this_thread()?;
            asynchronous::program::<tokio_kit::Tokio>(task)?
        }
        "tokio-multi" => {
            tokio_kit::start_workers(task.cores)?;
            asynchronous::program::<tokio_kit::Tokio>(task)?
        }
        "smol" => {
            smol_kit::start(task.cores);
            asynchronous::program::<smol_kit::Smol>(task)?
        }
        "hyper" => {
            tokio_kit::start_on_this_thread()?;
            http_servers::hyper(task)?
        }
        "may_minihttp" => {
            may_kit::configure(task.cores);
            http_servers::may_minihttp(task)?
        }
        "corosensei" => corosensei_alone::program(task)?,
        "raw-epoll" => raw::program(task)?,
        _ => return task.unknown(),
    })
}
