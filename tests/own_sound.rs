//! What shared thread-locals cannot give: each of these programs is undefined
//! behaviour, an abort or a lie there, and right where green threads have their
//! own. Each runs in a child process.

use std::process::Command;
use std::time::Duration;

/// Runs the test of this name in a child; true in that child.
fn in_child(name: &str) -> bool {
    if std::env::var("OWN_SOUND").is_ok_and(|v| v == name) {
        return true;
    }
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .envs([("OWN_SOUND", name), ("GREENROOM_WORKERS", "1")])
        .env("GREENROOM_THREAD_LOCALS", "own")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{}\n{said}", out.status);
    false
}

/// Safe code only. std's lazy thread-local drops the first value when an
/// initialiser that began earlier ends later; `with` of the first is suspended.
#[test]
fn a_lazy_thread_local_is_initialised_once() {
    if !in_child("a_lazy_thread_local_is_initialised_once") {
        return;
    }
    thread_local!(static SLOW: String = {
        greenroom::yield_now();
        "x".repeat(100)
    });
    // Spawned on a worker, so that both are queued before either runs.
    let both = greenroom::spawn(|| {
        let borrowers = (0..2).map(|_| {
            greenroom::spawn(|| {
                SLOW.with(|s| {
                    let s: &str = s;
                    let at = s.as_ptr();
                    greenroom::yield_now();
                    let reuse = std::hint::black_box(vec![b'!'; 100]);
                    greenroom::yield_now();
                    let ok = s.bytes().all(|b| b == b'x');
                    drop(reuse);
                    (ok, at as usize)
                })
            })
        });
        greenroom::joinall(borrowers.collect::<Vec<_>>())
    });
    let got = both.join().unwrap();
    for g in got {
        assert!(g.unwrap().0, "a &str into a thread-local changed under its reader");
    }
}

/// A user hook that waits, and two green threads of one worker that panic.
#[test]
fn a_hook_that_parks() {
    if !in_child("a_hook_that_parks") {
        return;
    }
    std::panic::set_hook(Box::new(|_| greenroom::sleep(Duration::from_millis(20))));
    let both = (0..2).map(|_| greenroom::spawn(|| panic!("caught")));
    let both = greenroom::joinall(both.collect::<Vec<_>>());
    assert!(both.iter().all(Result::is_err));
}

/// One that waits in a destructor while it unwinds makes the others of
/// its worker "panicking": a healthy one poisons its mutex.
#[test]
fn panicking_is_not_contagious() {
    if !in_child("panicking_is_not_contagious") {
        return;
    }
    struct Waits;
    impl Drop for Waits {
        fn drop(&mut self) {
            greenroom::sleep(Duration::from_millis(50));
        }
    }
    let m = std::sync::Arc::new(std::sync::Mutex::new(()));
    let healthy = {
        let m = m.clone();
        greenroom::spawn(move || {
            let g = m.lock().unwrap();
            greenroom::sleep(Duration::from_millis(10));
            drop(g);
            std::thread::panicking()
        })
    };
    let unwinding = greenroom::spawn(|| {
        let _w = Waits;
        panic!("caught");
    });
    let panicking = healthy.join().unwrap();
    let poisoned = m.is_poisoned();
    assert!(unwinding.join().is_err());
    assert!(!panicking && !poisoned, "panicking: {panicking}, poisoned: {poisoned}");
}
