//! Plain `std::thread::sleep`, patched: pauses overlap on one OS thread (seed 001: 协程gevent).
//!
//! ```sh
//! cargo run --example patched_sleep
//! ```

use std::error::Error;
use std::thread;
use std::time::Duration;

use greenroom::{Config, JoinError, joinall, patch_all, spawn};

const PAUSE: Duration = Duration::from_millis(200);

// Neither function knows of greenroom.
fn work1(name: &str, say: fn(String)) {
    for i in 0..3 {
        say(format!("--work1------{i}------{name}-----"));
        thread::sleep(PAUSE);
    }
}

fn work2(name: &str, say: fn(String)) {
    for i in 0..5 {
        say(format!("--work2------{i}------{name}-----"));
        thread::sleep(PAUSE);
    }
}

fn work(say: fn(String)) -> Result<(), JoinError> {
    let g1 = spawn(move || work1("sss", say));
    let g2 = spawn(move || work2("lll", say));
    joinall([g1, g2]).into_iter().collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    patch_all()?;
    // One worker: without the patch, work2 could not start before work1 has ended.
    Config::new().workers(1).install()?;
    work(|line| println!("{line}"))?;
    Ok(())
}

#[test]
fn the_pauses_overlap() {
    use std::sync::Mutex;
    use std::time::Instant;

    static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

    patch_all().unwrap();
    Config::new().workers(1).install().unwrap();
    // A machine with more to do may hold one round up.
    let waited_together = (0..5).any(|_| {
        let start = Instant::now();
        work(|line| HEARD.lock().unwrap().push(line)).unwrap();
        let took = start.elapsed();

        // "--work1------0------sss-----" → "work1 0"
        let heard: Vec<String> = std::mem::take(&mut *HEARD.lock().unwrap())
            .iter()
            .map(|line| {
                let mut words = line.split('-').filter(|word| !word.is_empty());
                format!("{} {}", words.next().unwrap(), words.next().unwrap())
            })
            .collect();
        assert_eq!(
            heard,
            [
                "work1 0", "work2 0", "work1 1", "work2 1", "work1 2", "work2 2", "work2 3",
                "work2 4"
            ]
        );
        assert!(took >= 5 * PAUSE, "slept too short: {took:?}");
        took < 7 * PAUSE
    });
    assert!(waited_together, "8 pauses that overlap should last as long as 5");
}
