//! The same calls on an OS thread and on a green thread give the same values,
//! errno, bytes, signals and waits. What an OS thread gets is the truth.

#[macro_use]
mod common_net;
#[path = "semantics/calls.rs"]
mod calls;
#[path = "semantics/scenes.rs"]
mod scenes;

use calls::{CALLS, Call};
use common_net::{all_done, alone, doing, green, os, os_done, os_thread, patched};
use scenes::{SCENES, Scene, TIMEOUT};
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

static PIPES: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_sigpipe(_: libc::c_int) {
    PIPES.fetch_add(1, SeqCst);
}

fn prepare() {
    patched(1);
    // SAFETY: the handler adds to an atomic.
    unsafe { libc::signal(libc::SIGPIPE, count_sigpipe as *const () as usize) };
}

type Pair = (&'static Scene, &'static Call);

/// Makes `call` three times in `scene`, and tells all that came of it.
fn run((scene, call): Pair) -> String {
    let set_up = (scene.make)();
    let mut log = String::new();
    for _ in 0..3 {
        let start = Instant::now();
        let answer = (call.run)(set_up.fd);
        let waited = start.elapsed() >= Duration::from_millis(TIMEOUT as u64 - 2);
        write!(log, "{answer}{}; ", if waited { " waited" } else { "" }).unwrap();
    }
    log
}

/// Compares one pair at a time, with the signals that came; again if they
/// differ, since a busy machine makes any call take as long as a wait.
fn differs(pair: Pair) -> Option<String> {
    let name = format!("{} on {}", pair.1.name, pair.0.name);
    doing(&name);
    let counted = move || {
        let before = PIPES.load(SeqCst);
        let log = run(pair);
        format!("{log} signals: {}", PIPES.load(SeqCst) - before)
    };
    let mut found = None;
    for _ in 0..50 {
        let (there, here) = (os(counted), green(counted));
        if there == here {
            return None;
        }
        found = Some(format!("{name}:\n    os    {there}\n    green {here}"));
    }
    found
}

/// Differences that stay, and why.
fn excused((scene, call): Pair) -> bool {
    let wrong = ["null", "too many parts"].iter().any(|w| call.name.contains(w));
    // It waits, as on an OS thread. What it returns at the timeout depends on
    // whether anything woke it meanwhile.
    (scene.name.starts_with("tcp") && ["recv of nothing", "recvmsg of nothing"].contains(&call.name))
        // Nothing is taken before there is enough, so a fault shows later.
        || (scene.name == "tcp, low-water mark" && wrong)
}

fn no_differences(pairs: impl IntoIterator<Item = Pair>) {
    let pairs = pairs.into_iter().filter(|pair| !excused(*pair));
    let differences: Vec<_> = pairs.filter_map(differs).collect();
    assert!(differences.is_empty(), "{}\n{}", differences.len(), differences.join("\n"));
}

/// All calls of a scene at once, since most of the time they wait.
#[test]
fn green_threads_get_what_os_threads_get() {
    prepare();
    let _alone = alone();
    let mut again = Vec::new();
    for scene in SCENES {
        doing(scene.name);
        let pairs: Vec<Pair> = CALLS.iter().map(|call| (scene, call)).collect();
        let there: Vec<_> = pairs.iter().map(|&p| os_thread(move || run(p))).collect();
        let there: Vec<_> = there.into_iter().map(os_done).collect();
        let here = all_done(pairs.iter().map(|&p| greenroom::spawn(move || run(p))));
        let differ = pairs.into_iter().zip(there.into_iter().zip(here));
        again.extend(differ.filter(|(_, (there, here))| there != here).map(|(pair, _)| pair));
    }
    no_differences(again);
}

/// One at a time, so that a signal belongs to its call.
#[test]
fn signals_come_as_on_os_threads() {
    prepare();
    let _alone = alone();
    let broken = |s: &&Scene| ["end", "reset", "shut"].iter().any(|w| s.name.contains(w));
    let sends = |c: &&Call| ["write", "send"].iter().any(|w| c.name.starts_with(w));
    let scenes = SCENES.iter().filter(broken);
    let before = PIPES.load(SeqCst);
    no_differences(scenes.flat_map(|s| CALLS.iter().filter(sends).map(move |c| (s, c))));
    assert!(PIPES.load(SeqCst) > before);
}
