//! Share a balance under a lock (seeds: 003 二、线程同步; 001 多线程共享全局变量).
//!
//! Whoever changes a value in two steps needs a lock, on green threads as on
//! others: they run on several cores, and they take turns at every wait. Python
//! lets you forget it; in Rust the value is inside the lock.
//!
//! ```sh
//! cargo run --example share_a_balance
//! ```

use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::thread;

/// Every change is followed by its opposite, so it should be 0 in the end.
static BALANCE: Mutex<i64> = Mutex::new(0);
/// The same without a lock: looked at and then written, in two steps.
static UNGUARDED: AtomicI64 = AtomicI64::new(0);
static COUNT: Mutex<u64> = Mutex::new(0);

fn change_it(n: i64) {
    let mut balance = BALANCE.lock().unwrap();
    *balance += n;
    *balance -= n;
} // and here the lock is released, however one leaves

fn change_unguarded(n: i64) {
    UNGUARDED.store(UNGUARDED.load(Relaxed) + n, Relaxed);
    thread::yield_now(); // now it is somebody else's turn
    UNGUARDED.store(UNGUARDED.load(Relaxed) - n, Relaxed);
}

fn count() {
    for _ in 0..5_000_000 {
        *COUNT.lock().unwrap() += 1;
    }
}

/// Runs both at once, and waits for them.
fn both(f: impl FnOnce() + Send, g: impl FnOnce() + Send) {
    thread::scope(|scope| {
        scope.spawn(f);
        scope.spawn(g);
    });
}

fn repeat(f: fn(i64), n: i64) -> impl FnOnce() {
    move || (0..100_000).for_each(|_| f(n))
}

fn main() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;

    both(repeat(change_it, 5), repeat(change_it, 8));
    println!("with a lock: {}", BALANCE.lock().unwrap());

    both(repeat(change_unguarded, 5), repeat(change_unguarded, 8));
    println!("without a lock: {}, or whatever else", UNGUARDED.load(Relaxed));

    both(count, count);
    println!("counted to {}", COUNT.lock().unwrap());
    Ok(())
}
