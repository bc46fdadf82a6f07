//! Green threads and workers live, as `top` shows processes.
//!
//! A program can only look at itself, so this one has something to do: an echo server with
//! its clients, sleepers, a crowd that waits, and somebody who computes now and then. To have
//! the view in a program of your own, take `Top` along.
//!
//! ```sh
//! cargo run --release --example top             # until Ctrl-C
//! cargo run --release --example top -- 3        # three frames, one below the other
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use greenroom::inspect::{Dump, Stats, ThreadDump, ThreadState, WorkerStats, dump, stats};
use greenroom::{Builder, park, patch_all, sleep, spawn, yield_now};

const CLIENTS: usize = 40;
const CROWD: usize = 1000;
const EVERY: Duration = Duration::from_millis(500);
/// Rows of green threads in one frame.
const ROWS: usize = 20;
/// Clears what is left of a line, and of the screen.
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";
const HOME: &str = "\x1b[H";
const CLEAR: &str = "\x1b[2J";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// The view. It shows what has happened since the last frame.
struct Top {
    last: Stats,
    at: Instant,
}

impl Top {
    fn new() -> Top {
        Top { last: stats(), at: Instant::now() }
    }

    fn frame(&mut self) -> String {
        let (now, at, dump) = (stats(), Instant::now(), dump());
        let passed = (at - self.at).as_secs_f64().max(1e-9);
        let mut text = summary(&now, &dump);
        workers(&mut text, &self.last, &now, passed);
        threads(&mut text, &dump);
        (self.last, self.at) = (now, at);
        text
    }
}

fn summary(now: &Stats, dump: &Dump) -> String {
    let count = |state| dump.threads.iter().filter(|thread| thread.state == state).count();
    let mut text = format!(
        "green threads: {} alive, {} running, {} runnable, {} waiting, {} not started\n",
        now.alive(),
        count(ThreadState::Running),
        count(ThreadState::Runnable),
        count(ThreadState::Waiting),
        dump.not_started,
    );
    let (stacks, offload) = (now.stacks, now.offload);
    let _ = writeln!(
        text,
        "stacks: {} in use, {} pooled; OS threads for what blocks: {}, {} idle, {} jobs queued\n",
        stacks.in_use,
        stacks.pooled(),
        offload.threads,
        offload.idle,
        offload.queued,
    );
    text
}

fn workers(text: &mut String, last: &Stats, now: &Stats, passed: f64) {
    let _ = writeln!(
        text,
        "{:>6} {:>6} {:>8} {:>11} {:>9} {:>9} {:>9} {:>10}",
        "WORKER", "BUSY", "RUNNABLE", "SWITCHES/s", "POLLS/s", "EVENTS/s", "TIMERS/s", "DELAY",
    );
    for (number, worker) in now.workers.iter().enumerate() {
        let before = last.workers.get(number).cloned().unwrap_or_default();
        let rate = |of: fn(&WorkerStats) -> u64| (of(worker) - of(&before)) as f64 / passed;
        let idle = worker.idle.saturating_sub(before.idle).as_secs_f64();
        let _ = writeln!(
            text,
            "{number:>6} {:>5.0}% {:>8} {:>11.0} {:>9.0} {:>9.0} {:>9.0} {:>10}",
            (1.0 - idle / passed).clamp(0.0, 1.0) * 100.0,
            worker.runnable,
            rate(|w| w.switches),
            rate(|w| w.polls),
            rate(|w| w.events),
            rate(|w| w.timers),
            format!("{:.1?}", worker.delay_mean()),
        );
    }
    text.push('\n');
}

/// Those that do the same at the same place are one row.
fn threads(text: &mut String, dump: &Dump) {
    let _ = writeln!(text, "{:>7} {:>8} {:>8}  {:<22} WHERE", "NUMBER", "STATE", "SINCE", "WHO");
    let mut rows: BTreeMap<(ThreadState, String), Vec<&ThreadDump>> = BTreeMap::new();
    for thread in &dump.threads {
        rows.entry((thread.state, place(thread))).or_default().push(thread);
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|((state, _), threads)| (*state, usize::MAX - threads.len()));
    for ((state, place), threads) in rows.iter().take(ROWS) {
        let state = match state {
            ThreadState::Running => "runs",
            ThreadState::Runnable => "runnable",
            _ => "waits",
        };
        let since = threads.iter().filter_map(|thread| thread.in_state).max();
        let since = since.map_or("-".to_owned(), |time| format!("{:.1}s", time.as_secs_f64()));
        let _ = writeln!(
            text,
            "{:>7} {state:>8} {since:>8}  {:<22} {place}",
            threads.len(),
            who(threads[0], threads.len()),
        );
    }
    if let Some(more) = rows.len().checked_sub(ROWS).filter(|more| *more > 0) {
        let _ = writeln!(text, "        and {more} rows more");
    }
}

fn who(first: &ThreadDump, count: usize) -> String {
    let name = first.name.clone().unwrap_or_else(|| format!("#{}", first.id));
    let more = if count > 1 { ", ..." } else { "" };
    name.chars().take(18).chain(more.chars()).collect()
}

/// Whose files are not the program's own.
const OTHERS: [&str; 3] = ["/rustc/", "/.cargo/", concat!(env!("CARGO_MANIFEST_DIR"), "/src/")];

/// The function of the program where it stands, and what it waits for there.
fn place(thread: &ThreadDump) -> String {
    let frames = thread.backtrace.as_deref().unwrap_or(&[]);
    let ours = frames.iter().find(|frame| {
        let file = frame.file.as_ref().map(|file| file.to_string_lossy());
        file.is_some_and(|file| !OTHERS.iter().any(|other| file.contains(other)))
    });
    let function = ours.or(frames.first()).map_or("?", |frame| &frame.function);
    let waits: Vec<_> = thread.waits_for.iter().map(kind).collect();
    if waits.is_empty() { function.to_owned() } else { format!("{function}: {}", waits.join(", ")) }
}

/// What is waited for, without which of its kind.
fn kind(waits: &greenroom::inspect::WaitsFor) -> String {
    let text = waits.to_string();
    let words = text.split_whitespace().take_while(|word| !word.contains(char::is_numeric));
    words.collect::<Vec<_>>().join(" ")
}

fn serve(listener: TcpListener) {
    for mut stream in listener.incoming().flatten() {
        spawn(move || {
            let mut bytes = [0; 512];
            while let Ok(n @ 1..) = stream.read(&mut bytes) {
                if stream.write_all(&bytes[..n]).is_err() {
                    break;
                }
            }
        });
    }
}

fn talk(address: std::net::SocketAddr, pause: Duration) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    loop {
        stream.write_all(b"are you there?")?;
        stream.read_exact(&mut [0; 14])?;
        sleep(pause);
    }
}

fn compute_now_and_then() {
    loop {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(20) {
            std::hint::black_box((0..1000_u64).sum::<u64>());
            yield_now();
        }
        sleep(Duration::from_millis(100));
    }
}

/// What there is to look at.
fn keep_busy() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    Builder::new().name("acceptor".into()).spawn(|| serve(listener))?;
    for n in 0..CLIENTS as u64 {
        let client = Builder::new().name(format!("client {n}"));
        client.spawn(move || talk(address, Duration::from_millis(n % 10)))?;
    }
    Builder::new().name("cruncher".into()).spawn(compute_now_and_then)?;
    for _ in 0..CROWD {
        spawn(park);
    }
    // Each client has somebody who serves it.
    while stats().alive() < CROWD + 2 * CLIENTS + 2 {
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    patch_all()?;
    let frames = std::env::args().nth(1).map(|n| n.parse::<usize>()).transpose()?;
    keep_busy()?;
    let mut top = Top::new();
    if let Some(frames) = frames {
        for number in 1..=frames {
            sleep(EVERY);
            println!("frame {number}\n{}", top.frame());
        }
        return Ok(());
    }
    print!("{CLEAR}");
    loop {
        sleep(EVERY);
        // Lines are written over those of the last frame, so nothing flickers.
        let mut screen = HOME.to_owned();
        for line in top.frame().lines() {
            let is_head = line.contains("WHERE") || line.contains("BUSY");
            let (start, end) = if is_head { (BOLD, PLAIN) } else { ("", "") };
            screen.push_str(&format!("{start}{line}{end}{REST_OF_LINE}\n"));
        }
        screen.push_str(REST_OF_SCREEN);
        print!("{screen}");
        io::stdout().flush()?;
    }
}
