//! Of each call that moves much, and of those under fortified names: what comes
//! of one that has to wait is as on an OS thread, and many of them wait at once
//! on one worker.

#[macro_use]
mod common_net;
#[path = "bulk_wait/makers.rs"]
mod makers;
#[path = "bulk_wait/waits.rs"]
mod waits;

use common_net::c;
use common_net::{all_done, alone, doing, done, ms, os_done, os_thread, patched, settle, timed};
use makers::made;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use waits::{WAITS, Wait};

/// Of each sort, at once.
const MANY: usize = 12;

/// What an OS thread gets when what it waits for comes.
fn on_an_os_thread(wait: &Wait) -> String {
    let made = (wait.make)();
    let waiting = os_thread(made.run);
    settle();
    assert!(!waiting.is_finished(), "{} does not wait", wait.name);
    (made.release)();
    let answer = os_done(waiting);
    close(made.fds);
    answer
}

/// What green threads get, all of which wait before it comes for any.
fn on_green_threads(wait: &Wait) -> Vec<String> {
    let started = Arc::new(AtomicUsize::new(0));
    let (mut waiting, mut releases, mut fds) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..MANY {
        let (made, started) = ((wait.make)(), started.clone());
        let run = made.run;
        waiting.push(greenroom::spawn(move || {
            started.fetch_add(1, SeqCst);
            run()
        }));
        releases.push(made.release);
        fds.extend(made.fds);
    }
    common_net::until(|| started.load(SeqCst) == MANY);
    for _ in 0..10 {
        done(greenroom::spawn(greenroom::yield_now)); // the one worker is free
    }
    settle();
    assert!(waiting.iter().all(|w| !w.is_finished()), "{} does not wait", wait.name);
    releases.into_iter().for_each(|release| release());
    let answers = all_done(waiting);
    close(fds);
    answers
}

fn close(fds: Vec<i32>) {
    fds.into_iter().for_each(|fd| assert_eq!(c::close(fd), 0));
}

#[test]
fn they_wait_as_on_os_threads_and_together() {
    patched(1);
    let _alone = alone();
    let mut differences = Vec::new();
    for wait in WAITS {
        doing(wait.name);
        let there = on_an_os_thread(wait);
        let here = on_green_threads(wait);
        if here.iter().any(|answer| *answer != there) {
            differences.push(format!("{}:\n    os    {there}\n    green {here:?}", wait.name));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// By the clock: each waits 100 ms, and so do all.
#[test]
fn as_long_as_one() {
    patched(1);
    let _alone = alone();
    for wait in WAITS {
        doing(wait.name);
        let one = || {
            let made = (wait.make)();
            greenroom::spawn(move || {
                let waiting = greenroom::spawn(made.run);
                std::thread::sleep(ms(100));
                (made.release)();
                done(waiting);
                close(made.fds);
            })
        };
        // Anybody may be stopped for as long on a busy machine, but hardly each time.
        let all = |_| timed(|| all_done((0..MANY).map(|_| one()))).0;
        let took = (0..5).map(all).find(|took| *took < ms(100 * MANY as u64));
        assert!(took.is_some_and(|took| took >= ms(98)), "{}: {took:?}", wait.name);
    }
}

/// More FIFOs than threads that could wait for them, opened at one end first.
#[test]
fn more_fifos_than_threads() {
    use std::fs::{File, OpenOptions};
    use std::io::{Read, Write};
    patched(1);
    let _alone = alone();
    let reads = |path: std::path::PathBuf| {
        greenroom::spawn(move || {
            let mut text = String::new();
            File::open(path).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "through");
        })
    };
    let writes = |path: std::path::PathBuf| {
        greenroom::spawn(move || {
            let mut file = OpenOptions::new().write(true).open(path).unwrap();
            file.write_all(b"through").unwrap();
        })
    };
    for readers_first in [true, false] {
        doing(if readers_first { "readers first" } else { "writers first" });
        let paths: Vec<_> = (0..200).map(|_| made::fifo()).collect();
        let opening = paths.iter().cloned();
        let opening: Vec<_> = if readers_first {
            opening.map(reads).collect()
        } else {
            opening.map(writes).collect()
        };
        done(greenroom::spawn(|| std::thread::sleep(ms(50)))); // all of them wait
        assert!(opening.iter().all(|one| !one.is_finished()));
        // The last first: those whose turn has not come yet.
        let others = paths.iter().rev().cloned();
        let others: Vec<_> =
            if readers_first { others.map(writes).collect() } else { others.map(reads).collect() };
        all_done(opening);
        all_done(others);
        paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    }
}
