//! greenroom as a contender: the explicit API, or the standard library on green
//! threads after patching. See `protocol.rs` for how it is spoken to.
//!
//! | contender | threads | locks, channels | sockets | thread-locals |
//! |---|---|---|---|---|
//! | `greenroom-shared` | `greenroom` | `greenroom` | `greenroom::net` | shared |
//! | `greenroom-own` | `greenroom` | `greenroom` | `greenroom::net` | own |
//! | `patched-shared` | `greenroom` | `greenroom` | `std::net`, patched | shared |
//! | `patched-own` | `std` | `std` | `std::net`, patched | own |

mod explicit;

use std::process::ExitCode;

use explicit::Greenroom;
use greenroom::{Config, ThreadLocals, patch_all};
use greenroom_bench::blocking::program;
use greenroom_bench::protocol::{Outcome, Task, answer};
use greenroom_bench::std_kit::Std;
use greenroom_bench::sys::raise_descriptor_limit;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match Task::parse(&words).and_then(|task| run(&task)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("contender_greenroom: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Outcome<()> {
    raise_descriptor_limit();
    let config = Config::new().workers(task.cores);
    let (shared, own) = (ThreadLocals::Shared, ThreadLocals::Own);
    match task.contender.as_str() {
        "greenroom-shared" => {
            config.thread_locals(shared).install()?;
            answer(program::<Greenroom, Greenroom>(task)?)
        }
        "greenroom-own" => {
            config.thread_locals(own).install()?;
            answer(program::<Greenroom, Greenroom>(task)?)
        }
        "patched-shared" => {
            config.thread_locals(shared).install()?;
            patch_all()?;
            answer(program::<Greenroom, Std>(task)?)
        }
        "patched-own" => {
            config.install()?;
            patch_all()?;
            answer(program::<Std, Std>(task)?)
        }
        _ => task.unknown(),
    }
}
