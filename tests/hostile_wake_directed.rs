//! Review 1, F3, directed: holds the thread named `S0` up inside `wake_one`.
//! Means something only with tests/review1/slow_wake.patch applied.
#![allow(missing_docs)]
use std::time::{Duration, Instant};

#[test]
#[ignore = "needs tests/review1/slow_wake.patch"]
fn one_that_gives_up_leaves_nobody_behind() {
    // SAFETY: no other thread yet reads the environment.
    unsafe { std::env::set_var("GREENROOM_WORKERS", "1") };
    let ms = Duration::from_millis;
    greenroom::spawn(|| ()).join().unwrap();
    std::thread::sleep(ms(50));
    let s0 = std::thread::Builder::new().name("S0".into());
    let s0 = s0.spawn(|| greenroom::spawn(|| ()).join().unwrap()).unwrap(); // swap at 50, clear at 100
    std::thread::sleep(ms(20));
    let busy = greenroom::spawn(move || {
        let start = Instant::now();
        while start.elapsed() < ms(50) {}
    }); // the worker is awake from 20 to 70
    busy.join().unwrap();
    std::thread::sleep(ms(10));
    let lost = greenroom::spawn(|| ()); // at 80
    assert!(lost.join_timeout(ms(500)).is_ok(), "nobody was woken for a spawned green thread");
    s0.join().unwrap();
}
