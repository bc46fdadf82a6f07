//! A worker that is often woken soon after it went to sleep looks for a while first.

mod common;

use common::{in_child, until};
use greenroom::net::UnixStream;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How often the one worker has gone to sleep.
fn sleeps() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let texts = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok());
    let worker = texts.into_iter().find(|text| text.starts_with("Name:\tgreenroom-0")).unwrap();
    let line = worker.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

/// The cores that this process may use.
fn cores() -> Vec<usize> {
    // SAFETY: an empty set, to be filled with those of this thread, and looked into.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &mut set), 0);
        (0..libc::CPU_SETSIZE as usize).filter(|&core| libc::CPU_ISSET(core, &set)).collect()
    }
}

/// The calling OS thread stays on that core.
fn stay_on(core: usize) {
    // SAFETY: an empty set, and one core in it that this process may use.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &set), 0);
    }
}

/// Something that comes back from an OS thread after a moment.
struct PingPong {
    stream: UnixStream,
    /// How many microseconds that moment is.
    pause: Arc<AtomicU64>,
}

impl PingPong {
    fn new() -> PingPong {
        let (here, there) = UnixStream::pair().unwrap();
        let mut there = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(there));
        there.set_nonblocking(false).unwrap();
        let pause = Arc::new(AtomicU64::new(100));
        let theirs = pause.clone();
        let cores = cores();
        let (first, last) = (cores[0], cores[cores.len() - 1]);
        stay_on(first); // the worker
        std::thread::spawn(move || {
            stay_on(last); // they might stay together, and then looking is of no use
            let mut byte = [0];
            while there.read_exact(&mut byte).is_ok() {
                std::thread::sleep(Duration::from_micros(theirs.load(Relaxed)));
                there.write_all(&byte).unwrap();
            }
        });
        PingPong { stream: here, pause }
    }

    /// How often the worker sleeps in 50 rounds. Where others have the cores for a
    /// while, that says nothing.
    fn sleeps(&mut self) -> u64 {
        let before = sleeps();
        for round in 0..50 {
            self.stream.write_all(&[round]).unwrap();
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            assert_eq!(byte, [round]);
        }
        sleeps() - before
    }
}

/// One worker, which looks for so many microseconds at most.
fn looks_for(micros: &str) -> [(&str, &str); 2] {
    [("GREENROOM_WORKERS", "1"), ("GREENROOM_BUSY_POLL", micros)]
}

fn on_green(deed: fn(PingPong)) {
    greenroom::spawn(move || deed(PingPong::new())).join().unwrap();
}

#[test]
fn quick_answers_are_waited_for_awake() {
    if cores().len() == 1 {
        return; // whoever answers needs the core
    }
    let ended = in_child(&looks_for("1000"), || {
        on_green(|mut answers| until(|| answers.sleeps() < 10));
    });
    ended.assert_success();
}

/// What was written has been read, and there is room for more: that is no answer yet, and
/// no reason to stop looking.
#[test]
fn answers_that_come_after_other_news_are_waited_for_awake() {
    if cores().len() == 1 {
        return;
    }
    let ended = in_child(&looks_for("200"), || {
        on_green(|mut answers| {
            answers.pause.store(0, Relaxed);
            until(|| (0..5).all(|_| answers.sleeps() == 0));
        });
    });
    ended.assert_success();
}

#[test]
fn unless_that_is_switched_off() {
    let ended = in_child(&looks_for("0"), || {
        on_green(|mut answers| until(|| answers.sleeps() > 40));
    });
    ended.assert_success();
}

#[test]
fn slow_answers_are_slept_for() {
    // Shorter than any answer takes.
    let ended = in_child(&looks_for("20"), || {
        on_green(|mut answers| until(|| answers.sleeps() > 40));
    });
    ended.assert_success();
}

#[test]
fn what_is_far_off_is_slept_for() {
    let ended = in_child(&looks_for("1000"), || {
        on_green(|mut answers| {
            answers.sleeps();
            let before = sleeps();
            greenroom::sleep(Duration::from_millis(300));
            assert!(sleeps() > before);
        });
    });
    ended.assert_success();
}

/// Also where the kernel says soon that there is room again, as the other end has read:
/// nobody waits for that.
#[test]
fn answers_that_become_slow_are_slept_for() {
    let ended = in_child(&looks_for("1000"), || {
        on_green(|mut answers| {
            answers.sleeps();
            answers.pause.store(3000, Relaxed);
            // Until what it had earned before is used up.
            until(|| answers.sleeps() > 40);
            (0..3).for_each(|_| assert!(answers.sleeps() > 40));
        });
    });
    ended.assert_success();
}

/// Nothing comes before it, and it would take the core for ever.
#[test]
fn what_is_due_soon_is_slept_for_too() {
    let ended = in_child(&looks_for("1000"), || {
        on_green(|mut answers| {
            answers.sleeps();
            let before = sleeps();
            (0..1000).for_each(|_| greenroom::sleep(Duration::from_micros(100)));
            assert!(sleeps() - before > 500);
        });
    });
    ended.assert_success();
}
