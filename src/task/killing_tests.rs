//! Killers that wait: none stays in the table of links.

use super::*;
use crate::green::links::tests::count;
use crate::green::record::Birth;
use crate::task::body;
use crate::{park, spawn, timeout, uncancellable};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

/// As `kill`, but is told at once: Miri knows no `sched_yield`.
fn kill(victim: &GreenThread) {
    victim.request_kill();
    wait_linked(victim);
}

/// As its worker does.
fn end(thread: &GreenThread) {
    // SAFETY: fresh, once, and alive until it returns.
    unsafe { thread.0.run_here() };
    thread.0.state.finish();
}

#[test]
fn miri_it_is_told_of_the_end() {
    let (record, handle) = body::new(|| (), Birth::usual(None)).unwrap();
    let (victim, handle) = (GreenThread(record), GreenThread(handle));
    std::thread::scope(|s| {
        let killers = [0, 1].map(|_| s.spawn(|| kill(&handle)));
        until(|| count(&victim.0) == 2);
        assert!(killers.iter().all(|killer| !killer.is_finished()));
        end(&victim);
    });
    assert_eq!(count(&victim.0), 0);
    kill(&handle); // at once
}

#[test]
fn it_leaves_when_it_is_cut_short() {
    let (record, handle) = body::new(|| (), Birth::usual(None)).unwrap();
    let (victim, handle) = (GreenThread(record), GreenThread(handle));
    for _ in 0..3 {
        assert!(timeout(Duration::from_millis(1), || kill(&handle)).is_err());
        assert_eq!(count(&victim.0), 0);
    }
    end(&victim);
}

/// The killer against the end, at each instant.
#[test]
fn miri_killing_against_ending() {
    for _ in 0..if cfg!(miri) { 20 } else { 3000 } {
        let (record, handle) = body::new(|| (), Birth::usual(None)).unwrap();
        let (victim, handle) = (GreenThread(record), GreenThread(handle));
        std::thread::scope(|s| {
            s.spawn(|| kill(&handle));
            s.spawn(|| kill(&handle));
            s.spawn(|| end(&victim));
        });
        assert!(victim.is_finished());
        assert_eq!(count(&victim.0), 0);
    }
}

#[test]
fn a_killed_killer_has_left() {
    let shielded = Arc::new(AtomicBool::new(false));
    let theirs = shielded.clone();
    let victim = spawn(move || {
        uncancellable(|| {
            theirs.store(true, Relaxed);
            park();
        })
    });
    until(|| shielded.load(Relaxed)); // one that has not begun would never do
    let thread = victim.thread().clone();
    let killer = spawn(move || thread.kill());
    until(|| count(&victim.thread().0) == 1);
    killer.kill();
    assert_eq!(count(&victim.thread().0), 0);
    assert!(killer.join().unwrap_err().is_killed());
    victim.thread().unpark();
    victim.join().unwrap();
}
