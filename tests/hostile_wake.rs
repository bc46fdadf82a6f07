//! Review 1, F3: OS threads spawn in rounds; a round that hangs has lost a wake-up.
#![allow(missing_docs)]
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::Duration;

fn spin(n: u64) {
    for _ in 0..n {
        std::hint::spin_loop();
    }
}

#[test]
#[ignore = "a minute of stress"]
fn rounds() {
    let n = std::env::var("SPAWNERS").map_or(3, |v| v.parse().unwrap());
    let secs = std::env::var("SECS").map_or(60, |v| v.parse().unwrap());
    static ROUND: AtomicU64 = AtomicU64::new(0);
    static LATE: AtomicU64 = AtomicU64::new(0);
    let barrier = std::sync::Arc::new(Barrier::new(n));
    for t in 0..n {
        let barrier = barrier.clone();
        std::thread::spawn(move || {
            let mut rng = 88172645463325252u64 ^ (t as u64) << 20;
            loop {
                barrier.wait();
                rng ^= rng << 13;
                rng ^= rng >> 7;
                rng ^= rng << 17;
                spin(rng % 4000);
                let long = (rng >> 32) % 4000;
                let start = std::time::Instant::now();
                greenroom::spawn(move || spin(long)).join().unwrap();
                // A lost wake-up is made good when idle stacks are trimmed,
                // a second later.
                if start.elapsed() > Duration::from_millis(400) {
                    LATE.fetch_add(1, Relaxed);
                }
                ROUND.fetch_add(1, Relaxed);
            }
        });
    }
    for _ in 0..secs {
        let before = ROUND.load(Relaxed);
        std::thread::sleep(Duration::from_secs(1));
        assert_ne!(before, ROUND.load(Relaxed), "stuck after {before} rounds");
    }
    eprintln!("{} rounds", ROUND.load(Relaxed));
    assert_eq!(LATE.load(Relaxed), 0, "some stood idle for most of a second");
}
