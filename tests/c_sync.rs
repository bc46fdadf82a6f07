//! With the family *sync*, C's locks park green threads: the same battery on OS
//! threads, on green threads, and on both at once.

#[path = "c_sync/cond.rs"]
mod cond;
#[path = "c_sync/mutex.rs"]
mod mutex;
#[path = "c_sync/objects.rs"]
mod objects;
#[path = "c_sync/others.rs"]
mod others;
#[path = "c_sync/rwlock.rs"]
mod rwlock;

use greenroom::{Config, ThreadLocals, patch::Patch};
use std::sync::Once;
use std::thread;
use std::time::Duration;

/// One worker, or as many as the variable of the test that runs itself again
/// says.
fn ready() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let workers = std::env::var(WORKERS).map_or(1, |n| n.parse().unwrap());
        Config::new().workers(workers).thread_locals(ThreadLocals::Own).install().unwrap();
        Patch::all().threads(false).apply().unwrap();
    });
}

const WORKERS: &str = "C_SYNC_WORKERS";

/// All of this again with two workers, which is another process.
#[test]
fn on_two_workers() {
    if std::env::var_os(WORKERS).is_some() {
        return;
    }
    let me = std::env::current_exe().unwrap();
    let out = std::process::Command::new(me).env(WORKERS, "2").output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Sort {
    Os,
    Green,
    /// Every other one.
    Both,
}

const SORTS: [Sort; 3] = [Sort::Os, Sort::Green, Sort::Both];

/// Runs `f(0)` to `f(n - 1)` at the same time, and waits for all.
fn together(sort: Sort, n: usize, f: impl Fn(usize) + Sync) {
    ready();
    let f: &(dyn Fn(usize) + Sync) = &f;
    // SAFETY: all threads are joined below, also if one has panicked.
    let f: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(f) };
    let (mut os, mut green) = (Vec::new(), Vec::new());
    for i in 0..n {
        if sort == Sort::Os || (sort == Sort::Both && i % 2 == 1) {
            os.push(thread::spawn(move || f(i)));
        } else {
            green.push(greenroom::spawn(move || f(i)));
        }
    }
    let green: Vec<_> = greenroom::joinall(green);
    let os: Vec<_> = os.into_iter().map(|t| t.join()).collect();
    green.into_iter().for_each(|r| r.unwrap());
    os.into_iter().for_each(|r| r.unwrap());
}

/// `f` on one thread of each sort.
fn alone(f: impl Fn() + Sync) {
    together(Sort::Os, 1, |_| f());
    together(Sort::Green, 1, |_| f());
}

fn give_way() {
    thread::yield_now();
}

const MS: Duration = Duration::from_millis(1);
