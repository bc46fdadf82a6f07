//! Dumps of very many green threads, and of such that come and go meanwhile.

mod common;

use common::{in_child, until, workers};
use greenroom::inspect::{Dump, NoBacktrace, ThreadState, dump, stats};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Without optimisation each takes many times as long.
const MANY: usize = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
/// How long a dump takes at most on a machine with little else to do...
const LIMIT: Duration = Duration::from_secs(2);
/// ...and on any.
const GENEROUS: Duration = Duration::from_secs(30);
/// For how long others stand still at most.
const PAUSE: Duration = Duration::from_millis(50);

/// All are there and at the same place; of how many the stack could not be walked
/// in time, as on a slow machine.
fn check(dump: &Dump) -> usize {
    let ids: HashSet<_> = dump.threads.iter().map(|t| t.id).collect();
    assert_eq!((ids.len(), dump.threads.len(), dump.missed), (MANY + 1, MANY + 1, 0));
    let waiting = dump.threads.iter().filter(|t| t.state == ThreadState::Waiting);
    let stacks: Vec<_> = waiting.map(|t| t.backtrace.as_ref()).collect();
    let late = stacks.iter().filter(|s| **s == Err(&NoBacktrace::NoTime)).count();
    let places: HashSet<_> = stacks.iter().flatten().map(|b| b.as_ptr()).collect();
    assert!(places.len() <= 1, "all at the same place");
    assert!(stacks.iter().flatten().count() + late >= MANY);
    assert!(dump.took < GENEROUS, "{:?}", dump.took);
    let text = dump.to_string();
    assert!(text.contains(" more at the same place"), "{}", text.len());
    assert!(text.lines().count() < 100);
    late
}

/// Of the calling OS thread.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: an out pointer.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn very_many_are_dumped_while_others_run_on() {
    let vars = [("GREENROOM_WORKERS", "2"), ("GREENROOM_STACK_SIZE", "65536")];
    let ended = in_child(&vars, || {
        let sleepers: Vec<_> = (0..MANY).map(|_| greenroom::spawn(greenroom::park)).collect();
        until(|| stats().alive() == MANY);
        // One that gives way all the time notes its longest pause.
        static STOP: AtomicBool = AtomicBool::new(false);
        static LONGEST: AtomicU64 = AtomicU64::new(0);
        static TURNS: AtomicU64 = AtomicU64::new(0);
        let busy = greenroom::spawn(|| {
            let mut last = Instant::now();
            while !STOP.load(SeqCst) {
                greenroom::yield_now();
                LONGEST.fetch_max(last.elapsed().as_micros() as u64, SeqCst);
                TURNS.fetch_add(1, SeqCst);
                last = Instant::now();
            }
        });
        until(|| stats().alive() == MANY + 1);
        // Other processes may come between, but not each time: what a dump itself
        // took or stopped it would always.
        let (mut tries, mut figures) = (0, String::new());
        until(|| {
            // What others make of it without a dump.
            LONGEST.store(0, SeqCst);
            std::thread::sleep(Duration::from_millis(500));
            let usual = Duration::from_micros(LONGEST.swap(0, SeqCst));
            let before = cpu_time();
            let dump = dump();
            let took = cpu_time() - before;
            // The pause that the dump itself makes is noted when that is over.
            let turn = TURNS.load(SeqCst);
            until(|| TURNS.load(SeqCst) > turn + 1);
            let pause = Duration::from_micros(LONGEST.load(SeqCst));
            let late = check(&dump);
            tries += 1;
            figures = format!("took {:?}, longest pause {pause:?}, try {tries}", dump.took);
            // Where it has to share its core, the time it may take is over before the end.
            let whole = late == 0 || dump.took > 2 * took;
            whole && took < LIMIT && pause < PAUSE.max(2 * usual)
        });
        STOP.store(true, SeqCst);
        busy.join().unwrap();
        println!("{figures}");
        sleepers.iter().for_each(|s| s.thread().unpark());
        greenroom::joinall(sleepers);
    });
    ended.assert_success();
    let figures = ended.stdout.lines().filter(|line| line.contains("longest pause"));
    figures.for_each(|line| eprintln!("{line}"));
}

/// The thread that looks for deadlocks, if there is one now.
fn seeker() -> Option<PathBuf> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let is_it = |name: String| name == "green-stall\n";
    let name = |path: &PathBuf| std::fs::read_to_string(path.join("comm")).is_ok_and(is_it);
    tasks.map(|task| task.path()).find(name)
}

/// How long it was there, and how long of that it ran; `None`: it came and went unseen.
fn one_look_for_deadlocks() -> Option<(Duration, Duration)> {
    let mut path = None;
    until(|| {
        path = seeker();
        path.is_some()
    });
    let (start, path) = (Instant::now(), path.unwrap().join("schedstat"));
    // Nanoseconds that it ran, and some more.
    let ran = || std::fs::read_to_string(&path).ok()?.split(' ').next()?.parse::<u64>().ok();
    let first = ran()?;
    let (mut last, mut end) = (first, start);
    while let Some(ran) = ran() {
        (last, end) = (ran, Instant::now());
        std::thread::sleep(Duration::from_millis(1));
    }
    Some((end - start, Duration::from_nanos(last - first)))
}

/// A worker on the same core would stand still meanwhile.
#[test]
fn to_look_for_deadlocks_takes_little_of_a_core() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_STACK_SIZE", "65536")];
    let ended = in_child(&vars, || {
        let sleepers: Vec<_> = (0..MANY).map(|_| greenroom::spawn(greenroom::park)).collect();
        // Somebody looks now and then when a worker has nothing to do.
        greenroom::spawn(|| {
            loop {
                greenroom::sleep(Duration::from_millis(1))
            }
        });
        until(|| {
            let Some((time, ran)) = one_look_for_deadlocks() else { return false };
            println!("{ran:?} in {time:?}");
            // They are not there all from the first.
            let enough = ran > Duration::from_millis(3);
            assert!(!enough || ran * 3 < time, "{ran:?} in {time:?}");
            let (end, pause) = (Instant::now(), (ran * 50).min(Duration::from_secs(1)));
            while enough && end.elapsed() < pause {
                assert_eq!(seeker(), None, "{:?} after {ran:?}", end.elapsed());
                std::thread::sleep(Duration::from_millis(1));
            }
            enough
        });
        sleepers.iter().for_each(|s| s.thread().unpark());
        greenroom::joinall(sleepers);
    });
    ended.assert_success();
}

#[inline(never)]
fn down(depth: u64) {
    if depth == 0 {
        greenroom::yield_now();
        greenroom::sleep(Duration::from_micros(50));
    } else {
        down(depth - 1);
    }
    std::hint::black_box(depth);
}

/// Whatever moves, a dump is of frames that there are, and of green threads that
/// were alive.
#[test]
fn dumps_of_what_comes_and_goes_make_sense() {
    workers(2, || {
        let stop = Arc::new(AtomicBool::new(false));
        let makers = (0..3).map(|maker| {
            let stop = stop.clone();
            greenroom::spawn(move || {
                let mut depth = maker;
                while !stop.load(SeqCst) {
                    depth = (depth + 7) % 23;
                    let name = format!("at {depth}");
                    let builder = greenroom::Builder::new().name(name);
                    builder.spawn(move || down(depth)).unwrap().join().unwrap();
                }
            })
        });
        let makers: Vec<_> = makers.collect();
        let mut deep = 0;
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(1500) || deep < 20 {
            assert!(start.elapsed() < Duration::from_secs(60), "only {deep} were caught");
            for thread in dump().threads {
                let Some(depth) = thread.name.as_deref().and_then(|n| n.strip_prefix("at ")) else {
                    continue;
                };
                let depth: usize = depth.parse().unwrap();
                let Ok(frames) = &thread.backtrace else { continue };
                let downs = frames
                    .iter()
                    .filter(|f| f.function.rsplit("::").next() == Some("down"))
                    .count();
                if thread.state == ThreadState::Waiting && downs > 0 {
                    assert_eq!(downs, depth + 1, "{thread} {frames:?}");
                    deep += 1;
                }
                assert!(thread.spawned_at.unwrap().file().ends_with(file!()));
            }
        }
        stop.store(true, SeqCst);
        greenroom::joinall(makers);
    });
}
