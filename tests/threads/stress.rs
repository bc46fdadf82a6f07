//! Threads that are made, joined and detached from everywhere at once.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

static ENDED: AtomicUsize = AtomicUsize::new(0);

/// Marsaglia's xorshift.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

struct Ends(Vec<u8>);

impl Drop for Ends {
    fn drop(&mut self) {
        ENDED.fetch_add(self.0.len(), SeqCst);
    }
}

/// Makes `count` threads in turn, and gives up some before they end.
fn churn(seed: u64, count: usize) {
    let mut dice = Dice(seed);
    let mut kept = Vec::new();
    for _ in 0..count {
        let yields = dice.throw(3);
        let ends = Ends(vec![7]);
        let thread = thread::spawn(move || {
            thread_local!(static HELD: std::cell::Cell<Option<Ends>> = const { std::cell::Cell::new(None) });
            (0..yields).for_each(|_| thread::yield_now());
            let sum = ends.0.iter().map(|n| u32::from(*n)).sum::<u32>();
            HELD.set(Some(ends));
            sum
        });
        match dice.throw(4) {
            0 => drop(thread),
            1 => kept.push(thread),
            2 => {
                thread::yield_now();
                drop(thread);
            }
            _ => assert_eq!(thread.join().unwrap(), 7),
        }
    }
    kept.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 7));
}

#[test]
fn none_is_lost() {
    const EACH: usize = 300;
    let makers: Vec<_> = (1..=20).map(|n| thread::spawn(move || churn(n * 77, EACH))).collect();
    let os = (1..=4)
        .map(|n| greenroom::patch::native(|| thread::spawn(move || churn(n * 1_234_567, EACH))));
    let os: Vec<_> = os.collect();
    for maker in makers.into_iter().chain(os) {
        maker.join().unwrap();
    }
    // The detached ones have nobody who waits for them.
    while ENDED.load(SeqCst) < 24 * EACH {
        thread::yield_now();
    }
    assert_eq!(ENDED.load(SeqCst), 24 * EACH);
}
