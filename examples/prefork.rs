//! Serve one port from several processes (seed 003: 三、协程, 协程需要和进程配合才能运行在多CPU上).
//!
//! One process uses all cores already; several do not fall together. A parent
//! opens the port, starts workers that inherit it, and starts another when one
//! dies. What waits to be accepted belongs to the port, and is not lost.
//!
//! ```sh
//! cargo run --example prefork
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, PipeReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{self, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};
use std::{env, thread};

use greenroom::io::wait_readable;
use greenroom::{Config, joinall, spawn};

const WORKERS: usize = 4;
/// Whether workers that end are not to be replaced any more.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// A worker serves the port, its standard output, on one core. It ends when
/// its standard input does: when the parent wants that, or is gone itself.
fn worker() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    Config::new().workers(1).install()?;
    let port = TcpListener::from(io::stdout().as_fd().try_clone_to_owned()?);
    spawn(move || accept(port));
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn accept(port: TcpListener) -> io::Result<()> {
    loop {
        match port.accept() {
            Ok((stream, _)) => drop(spawn(move || serve(stream))),
            // All workers are woken, and another one was faster.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                wait_readable(&port, None)?;
            }
            Err(error) => eprintln!("nobody came: {error}"),
        }
    }
}

/// Answers each line with who answers.
fn serve(stream: TcpStream) -> io::Result<()> {
    for request in BufReader::new(&stream).lines() {
        if request? == "crash" {
            process::exit(1);
        }
        // Compute a little, so that another worker takes the next connection.
        let end = Instant::now() + Duration::from_millis(1);
        while Instant::now() < end {}
        writeln!(&stream, "{}", process::id())?;
    }
    Ok(())
}

/// Keeps one worker running, whatever happens to it.
fn keep(port: &TcpListener, lifeline: &PipeReader) -> io::Result<()> {
    while !STOPPING.load(SeqCst) {
        let mut command = Command::new(env::current_exe()?);
        command.arg("worker").stdin(lifeline.try_clone()?);
        command.stdout(OwnedFd::from(port.try_clone()?));
        let status = command.spawn()?.wait()?;
        if !STOPPING.load(SeqCst) {
            println!("a worker ended with {status}, here is another");
        }
    }
    Ok(())
}

/// The process that answered; none if it ended instead.
fn ask(port: SocketAddr, request: &str) -> io::Result<Option<u32>> {
    let stream = TcpStream::connect(port)?;
    writeln!(&stream, "{request}")?;
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer)?;
    Ok(answer.trim_end().parse().ok())
}

/// Asks, twenty at once, until those who have answered are enough.
fn ask_until(
    port: SocketAddr,
    enough: impl Fn(&BTreeSet<u32>) -> bool,
) -> Result<BTreeSet<u32>, Box<dyn Error>> {
    let mut seen = BTreeSet::new();
    while !enough(&seen) {
        let asked: Vec<_> = (0..20).map(|_| spawn(move || ask(port, "who"))).collect();
        for answer in joinall(asked) {
            seen.insert(answer??.ok_or("a request was lost")?);
        }
    }
    Ok(seen)
}

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().nth(1).as_deref() == Some("worker") {
        return worker();
    }
    greenroom::patch_all()?;
    let port = Arc::new(TcpListener::bind("127.0.0.1:0")?);
    let address = port.local_addr()?;
    // Whether `accept` waits is a matter of the port, not of a process, and no
    // worker may hang in it when another one was faster.
    port.set_nonblocking(true)?;
    let (lifeline, end) = io::pipe()?;
    let lifeline = Arc::new(lifeline);
    let keepers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (port, lifeline) = (port.clone(), lifeline.clone());
            thread::spawn(move || keep(&port, &lifeline))
        })
        .collect();

    let first = ask_until(address, |seen| seen.len() == WORKERS)?;
    println!("{} processes answer at one port", first.len());
    ask(address, "crash")?;
    // The others go on, and soon a new one answers too.
    let now = ask_until(address, |seen| seen.len() == WORKERS)?;
    println!(
        "{} of them are still there, and {} is new",
        (&first & &now).len(),
        (&now - &first).len()
    );

    STOPPING.store(true, SeqCst);
    drop(end); // the workers see their input end
    for keeper in keepers {
        keeper.join().expect("no panic")?;
    }
    println!("all workers have ended");
    Ok(())
}
