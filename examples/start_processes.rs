//! Start processes and wait for them (seeds: 000 二、多进程; 001 多进程; 004 多进程).
//!
//! A process shares nothing with its parent, so the children are this program
//! again, told by an argument what to do. Waiting for a child parks a green
//! thread; nothing here but the first line of `main` knows of that.
//!
//! ```sh
//! cargo run --example start_processes
//! ```

use std::error::Error;
use std::os::unix::process::{ExitStatusExt, parent_id};
use std::process::{self, Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use std::{env, io, thread};

const PAUSE: Duration = Duration::from_millis(200);
/// Every process has its own.
static A: AtomicU32 = AtomicU32::new(0);

fn hello(name: &str) {
    thread::sleep(PAUSE);
    println!("hello {name}, process {} of parent {}", process::id(), parent_id());
}

fn count(name: &str) {
    for _ in 0..5_000_000 {
        A.fetch_add(1, Relaxed);
    }
    println!("{name} counted to {}", A.load(Relaxed));
}

/// What Python's `Process(target=…, args=…)` and `start` do.
fn start(target: &str, argument: &str) -> io::Result<Child> {
    Command::new(env::current_exe()?).args([target, argument]).spawn()
}

/// As Python's `exitcode`: negative if a signal ended it.
fn exit_code(status: ExitStatus) -> Option<i32> {
    status.code().or(status.signal().map(|signal| -signal))
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[1..] {
        ["hello", name] => hello(name),
        ["count", name] => count(name),
        ["exit", code] => process::exit(code.parse()?),
        ["sleep", _] => thread::sleep(Duration::from_secs(1000)),
        _ => parent()?,
    }
    Ok(())
}

fn parent() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    println!("parent process {}", process::id());

    // Ten at once.
    let children = (0..10).map(|_| start("hello", "bob")).collect::<Result<Vec<_>, _>>()?;
    for mut child in children {
        child.wait()?;
    }

    // A variable is not shared: each child counts from 0, and the parent stays there.
    let counters = [start("count", "work1")?, start("count", "work2")?];
    for mut counter in counters {
        counter.wait()?;
    }
    println!("the parent has {}", A.load(Relaxed));

    // How a child ended; and a wait with a limit, `join(timeout)`.
    println!("exit code {:?}", exit_code(start("exit", "3")?.wait()?));
    let mut sleeper = start("sleep", "")?;
    println!("alive {}", sleeper.try_wait()?.is_none());
    sleeper.kill()?;
    let waiter = greenroom::spawn(move || sleeper.wait());
    match waiter.join_timeout(Duration::from_secs(30)) {
        Ok(status) => println!("exit code {:?}", exit_code(status??)),
        Err(_still_waiting) => println!("it does not end"),
    }
    Ok(())
}
