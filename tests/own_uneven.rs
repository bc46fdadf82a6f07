//! Load that sits on one worker evens out: started green threads move.

use greenroom::{Config, ThreadLocals, spawn, yield_now};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

fn os_thread() -> i32 {
    // SAFETY: takes no arguments.
    unsafe { libc::gettid() }
}

fn spin(d: Duration) {
    let end = Instant::now() + d;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

#[test]
fn a_queue_is_shared_with_a_worker_that_sleeps() {
    Config::new().workers(2).thread_locals(ThreadLocals::Own).install().unwrap();
    static GO: AtomicBool = AtomicBool::new(false);
    static MOVED: AtomicU32 = AtomicU32::new(0);
    // All start on one worker, one after the other, while the second is kept
    // busy by a green thread that never gives way.
    let blocker = spawn(|| {
        while !GO.load(Relaxed) {
            std::hint::spin_loop();
        }
    });
    let threads: Vec<_> = (0..16)
        .map(|_| {
            spawn(|| {
                let home = os_thread();
                while !GO.load(Relaxed) {
                    yield_now();
                }
                let end = Instant::now() + Duration::from_secs(20);
                let mut seen = HashSet::from([home]);
                while Instant::now() < end && seen.len() < 2 && MOVED.load(Relaxed) < 4 {
                    spin(Duration::from_micros(50));
                    yield_now();
                    if seen.insert(os_thread()) {
                        MOVED.fetch_add(1, Relaxed);
                    }
                }
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(50));
    GO.store(true, Relaxed);
    blocker.join().unwrap();
    for t in threads {
        t.join().unwrap();
    }
    assert!(MOVED.load(Relaxed) >= 1, "nobody moved");
}
