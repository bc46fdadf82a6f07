//! A program whose `main` returns while green threads run just ends, as with
//! OS threads. It has a `main` of its own (`harness = false`), because that is
//! what is tested.

#[path = "common/mod.rs"]
mod common;

use common::{Ended, run};
use greenroom::{park, sleep, spawn, yield_now};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const DEED: &str = "GREENROOM_TEST_MAIN";

/// A way of ending: its name, what `main` does, and how that should look.
type Case = (&'static str, fn() -> ExitCode, fn(&Ended) -> bool);

const CASES: &[Case] = &[
    ("return", || ExitCode::SUCCESS, |ended| ended.status.success()),
    ("return a code", || ExitCode::from(3), |ended| ended.status.code() == Some(3)),
    ("exit", || std::process::exit(4), |ended| ended.status.code() == Some(4)),
    (
        "panic",
        || panic!("main's own"),
        |ended| ended.status.code() == Some(101) && ended.stderr.contains("thread 'main'"),
    ),
    ("exit on a green thread", exit_on_green, |ended| ended.status.code() == Some(5)),
    ("nothing spawned", || ExitCode::SUCCESS, |ended| ended.status.success()),
];

fn exit_on_green() -> ExitCode {
    drop(spawn(|| std::process::exit(5)));
    loop {
        std::thread::park();
    }
}

/// Some that run, some that wait, some that have not started.
fn keep_running() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let started = || STARTED.fetch_add(1, SeqCst);
    for _ in 0..100 {
        drop(spawn(move || {
            started();
            park();
        }));
        drop(spawn(move || {
            started();
            sleep(Duration::MAX);
        }));
        drop(spawn(move || {
            started();
            loop {
                yield_now();
            }
        }));
    }
    common::until(|| STARTED.load(SeqCst) == 300);
    // In the middle of spawning and ending.
    drop(spawn(|| {
        loop {
            drop(spawn(|| vec![1u8; 1000]));
            yield_now();
        }
    }));
    drop(spawn(|| panic!("a panic at the end")));
}

fn main() -> ExitCode {
    if let Ok(deed) = std::env::var(DEED) {
        common::no_core_file();
        let (name, deed, _) = CASES.iter().find(|(name, ..)| *name == deed).unwrap();
        if *name != "nothing spawned" {
            keep_running();
        }
        return deed();
    }
    for (name, _, right) in CASES {
        // More than once: which moment the end hits is chance.
        for _ in 0..10 {
            let mut command = Command::new(std::env::current_exe().unwrap());
            let ended = run(command.env(DEED, name).env("GREENROOM_WORKERS", "2"));
            assert!(right(&ended), "{name}: {ended}");
        }
        println!("main_exit: {name} ... ok");
    }
    ExitCode::SUCCESS
}
