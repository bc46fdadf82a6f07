//! A watchdog that names the green threads that keep a worker from the others, while they
//! still do: with their spawn sites, what they do, and where they stand.
//!
//! In a program of your own one line is enough; reports then go to stderr:
//!
//! ```no_run
//! greenroom::inspect::monitor(greenroom::inspect::MonitorConfig::new())?.detach();
//! ```
//!
//! ```sh
//! cargo run --example watchdog
//! ```

use std::error::Error;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use greenroom::inspect::{Doing, HogReport, MonitorConfig, Report, Resource, monitor};
use greenroom::queue::Channel;
use greenroom::{Builder, joinall, patch, patch_all, spawn};

/// Counts the primes below `n`, and gives way to nobody.
#[inline(never)] // so that it is named
fn count_primes(stop: &AtomicBool) {
    let is_prime = |n: u64| (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    let primes = (2..).take_while(|_| !stop.load(Relaxed)).filter(|n| is_prime(*n)).count();
    assert!(primes > 0);
}

/// Waits for a flag by asking for it again and again.
#[inline(never)]
fn wait_impatiently(stop: &AtomicBool) {
    while !stop.load(Relaxed) {
        std::thread::yield_now(); // the others do run, but the worker never sleeps
    }
}

/// Reads past the patch, as some C libraries do.
#[inline(never)]
fn read_natively(mut pipe: io::PipeReader) -> io::Result<()> {
    patch::native(|| pipe.read_exact(&mut [0]))
}

fn what(hog: &HogReport) -> String {
    let what = match &hog.doing {
        Doing::Computing => "computes".to_owned(),
        Doing::Spinning => "spins".to_owned(),
        Doing::GivingWay => "gives way all the time".to_owned(),
        Doing::Blocked { call, .. } => format!("blocks in {}", call.unwrap_or("the kernel")),
        other => format!("{other:?}"),
    };
    // The first frame of this file: those above it are the library's, or have no name.
    let of_ours = |file: &Path| file.ends_with("examples/watchdog.rs");
    let frame = hog.backtrace.iter().find(|frame| {
        frame.file.as_deref().is_some_and(of_ours) && !frame.function.starts_with('{')
    });
    let place = frame.map_or("somewhere", |frame| &frame.function);
    format!("{} {what}, in {place}", hog.name.as_deref().unwrap_or("somebody"))
}

fn main() -> Result<(), Box<dyn Error>> {
    patch_all()?;
    let heard = Channel::new();
    let reports = heard.clone();
    let config = MonitorConfig::new()
        .limit(Duration::from_millis(100))
        .max_green_threads(1000)
        .on_report(move |report| drop(reports.put(report.clone())));
    let watchdog = monitor(config)?;

    let stop = Arc::new(AtomicBool::new(false));
    let named = |name: &str| Builder::new().name(name.into());
    for (name, deed) in
        [("the computer", count_primes as fn(&AtomicBool)), ("the impatient", wait_impatiently)]
    {
        let theirs = stop.clone();
        let thread = named(name).spawn(move || deed(&theirs))?;
        println!("{}", next_hog(&heard, name)?);
        stop.store(true, Relaxed);
        thread.join()?;
        stop.store(false, Relaxed);
    }
    let (from, mut to) = io::pipe()?;
    let thread = named("the reader").spawn(move || read_natively(from))?;
    println!("{}", next_hog(&heard, "the reader")?);
    to.write_all(&[1])?;
    thread.join()??;

    let crowd: Vec<_> = (0..1500).map(|_| spawn(greenroom::park)).collect();
    loop {
        if let Report::Limit(limit) = heard.get()?
            && limit.resource == Resource::GreenThreads
        {
            println!("more than {} green threads", limit.limit);
            break;
        }
    }
    crowd.iter().for_each(|green| green.thread().unpark());
    joinall(crowd);
    watchdog.stop();
    Ok(())
}

/// The report on the green thread with that name.
fn next_hog(heard: &Channel<Report>, name: &str) -> Result<String, Box<dyn Error>> {
    loop {
        match heard.get()? {
            Report::Hog(hog) if hog.name.as_deref() == Some(name) => return Ok(what(&hog)),
            _ => {}
        }
    }
}
