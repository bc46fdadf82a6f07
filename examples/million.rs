//! A million green threads asleep at once, under stock sysctls.
//!
//! ```sh
//! cargo run --release --example million              # a million, about 4.6 GB
//! cargo run --release --example million 100000 --max-bytes 4600
//! ```
//!
//! All sleep until the same moment, and that moment comes only after the last
//! has gone to sleep. It fails if one does not finish, or if each costs more
//! resident memory than `--max-bytes`.

use std::error::Error;
use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use greenroom::{JoinHandle, joinall, sleep_until, spawn};

const USAGE: &str = "usage: million [COUNT] [--max-bytes BYTES_PER_GREEN_THREAD]";

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(|(n, most)| demonstrate(n, most)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("million: {why}");
            ExitCode::FAILURE
        }
    }
}

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How many, and how much memory each may take.
fn options(mut words: impl Iterator<Item = String>) -> Outcome<(usize, Option<usize>)> {
    let (mut count, mut most) = (1_000_000, None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--max-bytes" => most = Some(words.next().ok_or(USAGE)?.parse().map_err(|_| USAGE)?),
            number => count = number.replace('_', "").parse().map_err(|_| USAGE)?,
        }
    }
    if count == 0 { Err(USAGE.into()) } else { Ok((count, most)) }
}

fn demonstrate(count: usize, most: Option<usize>) -> Outcome<()> {
    let report = run(count)?;
    println!("{count} green threads asleep at once, all finished");
    println!("  spawned  {:>12.0} per second, until the last slept", report.rate);
    println!("  resident {:>12} bytes each", report.bytes_each);
    println!("  mappings {:>12}", report.mappings);
    println!("  woken    {:>12.1?} from the first to the last", report.waking);
    match most {
        Some(most) if report.bytes_each > most => {
            Err(format!("{} bytes each are more than {most}", report.bytes_each).into())
        }
        _ => Ok(()),
    }
}

struct Report {
    rate: f64,
    bytes_each: usize,
    mappings: usize,
    waking: Duration,
}

/// Tries with longer and longer sleeps until all sleep at once.
fn run(count: usize) -> Outcome<Report> {
    // The runtime itself does not count.
    spawn(|| ()).join()?;
    let before = resident()?;
    let mut night = Duration::from_micros(6) * u32::try_from(count)? + Duration::from_millis(200);
    for _ in 0..6 {
        if let Some(report) = sleep_all(count, night, before)? {
            return Ok(report);
        }
        night *= 2;
        eprintln!("million: some woke before the last slept; now they sleep {night:.1?}");
    }
    Err("this machine is too slow to get all of them to sleep at once".into())
}

/// `None` if the moment of waking came before all slept.
fn sleep_all(count: usize, night: Duration, before: usize) -> Outcome<Option<Report>> {
    let asleep = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let morning = start + night;
    let handles: Vec<JoinHandle<Instant>> = (0..count)
        .map(|_| {
            let asleep = asleep.clone();
            spawn(move || {
                asleep.fetch_add(1, Relaxed);
                sleep_until(morning);
                Instant::now()
            })
        })
        .collect();
    while asleep.load(Relaxed) < count && Instant::now() < morning {
        thread::sleep(Duration::from_millis(1));
    }
    let took = start.elapsed();
    // The last one still has to get from its count to its sleep.
    thread::sleep(Duration::from_millis(10));
    let bytes_each = resident()?.saturating_sub(before) / count;
    let mappings = fs::read_to_string("/proc/self/maps")?.lines().count();
    let in_time = Instant::now() < morning;

    let woken = joinall(handles).into_iter().collect::<Result<Vec<Instant>, _>>()?;
    if woken.len() != count || woken.iter().any(|at| *at < morning) {
        return Err("not all of them slept until the morning".into());
    }
    let last = woken.into_iter().max().unwrap_or(morning);
    let rate = count as f64 / took.as_secs_f64();
    let report = Report { rate, bytes_each, mappings, waking: last - morning };
    Ok(in_time.then_some(report))
}

/// Bytes of this process that are in memory.
fn resident() -> Outcome<usize> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    Ok(kilobytes.ok_or("no VmRSS in /proc/self/status")?.parse::<usize>()? * 1024)
}

#[test]
fn ten_thousand_sleep_and_finish() {
    let report = run(10_000).unwrap();
    // One page of stack at least, in a debug build a few; more is no green thread.
    assert!((4096..20_000).contains(&report.bytes_each), "{} bytes each", report.bytes_each);
    // Two for each guard would be 20,000.
    assert!(report.mappings < 1000, "{} mappings", report.mappings);
    assert!(report.waking < Duration::from_secs(5), "woken in {:?}", report.waking);
}

#[test]
fn too_much_memory_is_an_error() {
    assert!(demonstrate(100, Some(1)).unwrap_err().to_string().contains("more than 1"));
}

#[test]
fn the_options_are_understood() {
    let parse = |line: &str| options(line.split_whitespace().map(str::to_owned));
    assert_eq!(parse("").unwrap(), (1_000_000, None));
    assert_eq!(parse("10_000 --max-bytes 4600").unwrap(), (10_000, Some(4600)));
    assert!(parse("0").is_err() && parse("--max-bytes").is_err() && parse("many").is_err());
}
