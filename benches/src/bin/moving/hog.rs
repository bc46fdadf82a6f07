//! Sleepers, talkers and lockers beside one that computes for two seconds;
//! prints how many milliseconds each sort was late at worst.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "patched, they park")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn, yield_now};
use std::time::{Duration, Instant};

use super::Outcome;

const HOGS_FOR: Duration = Duration::from_secs(2);
const EACH: usize = 15;

static WORST: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];
static STOP: AtomicBool = AtomicBool::new(false);

pub(super) fn run() -> Outcome<()> {
    greenroom::patch_all()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    spawn(move || listener.incoming().flatten().for_each(|stream| drop(spawn(|| echo(stream)))));
    let mutex = Arc::new(Mutex::new(()));
    for _ in 0..EACH {
        let mutex = mutex.clone();
        let mut stream = TcpStream::connect(address)?;
        repeat(0, 3, || {});
        repeat(1, 2, move || {
            stream.write_all(&[7]).expect("the echo lives");
            stream.read_exact(&mut [0]).expect("the echo lives");
        });
        repeat(2, 1, move || {
            let _held = mutex.lock();
            yield_now();
        });
    }
    sleep(Duration::from_millis(200));
    WORST.iter().for_each(|worst| worst.store(0, Relaxed));
    let end = Instant::now() + HOGS_FOR;
    let hog = spawn(move || {
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    });
    hog.join().map_err(|_| "the hog panicked")?;
    for worst in &WORST {
        print!("{} ", worst.load(Relaxed) as f64 / 1e6);
    }
    STOP.store(true, Relaxed);
    Ok(())
}

/// Does `what` and sleeps, again and again; sleeps are late by what they take
/// too long, all else by how long it takes.
fn repeat(sort: usize, millis: u64, mut what: impl FnMut() + Send + 'static) {
    let pause = Duration::from_millis(millis);
    let late = |by: Duration, sort: usize| WORST[sort].fetch_max(by.as_nanos() as u64, Relaxed);
    spawn(move || {
        while !STOP.load(Relaxed) {
            let start = Instant::now();
            what();
            late(start.elapsed(), sort);
            let start = Instant::now();
            sleep(pause);
            late(start.elapsed().saturating_sub(pause), 0);
        }
    });
}

fn echo(mut stream: TcpStream) {
    let mut byte = [0];
    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
}
