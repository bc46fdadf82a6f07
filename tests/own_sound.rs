//! What shared thread-locals cannot give: each of these programs is undefined
//! behaviour, an abort or a lie there, and right where green threads have their
//! own. Each runs in a child process.

use std::cell::Cell;
use std::future::{Future, IntoFuture};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
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

/// Waking who awaits a green thread is the last that it does: what that leaves in its
/// thread-locals ends with it, and not with the next one on the same stack.
#[test]
fn a_waker_has_thread_locals_that_end() {
    if !in_child("a_waker_has_thread_locals_that_end") {
        return;
    }
    static ALIVE: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    static MADE: AtomicU32 = AtomicU32::new(0);
    struct Once(Cell<u32>);
    impl Once {
        fn use_it(&self) {
            if self.0.get() == 0 {
                self.0.set(MADE.fetch_add(1, SeqCst) + 1);
                ALIVE.lock().unwrap().push(self.0.get());
            }
        }
    }
    impl Drop for Once {
        fn drop(&mut self) {
            let mut alive = ALIVE.lock().unwrap();
            let at = alive.iter().position(|one| *one == self.0.get());
            alive.swap_remove(at.expect("dropped twice, or never used"));
        }
    }
    // Registered as soon as it is touched.
    thread_local!(static ONE: Once = const { Once(Cell::new(0)) });
    struct Wakes;
    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            ONE.with(Once::use_it);
        }
    }
    for _ in 0..20 {
        let sleeper = greenroom::spawn(greenroom::park);
        let thread = sleeper.thread().clone();
        let (mut future, waker) = (Box::pin(sleeper.into_future()), Waker::from(Arc::new(Wakes)));
        let mut context = Context::from_waker(&waker);
        assert!(future.as_mut().poll(&mut context).is_pending());
        thread.unpark();
        while future.as_mut().poll(&mut context).is_pending() {
            std::thread::sleep(Duration::from_millis(1));
        }
        // On the same stack, with the same block.
        greenroom::spawn(|| ONE.with(Once::use_it)).join().unwrap();
    }
    let start = std::time::Instant::now();
    while !ALIVE.lock().unwrap().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "some stay");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(MADE.load(SeqCst) >= 40);
}
