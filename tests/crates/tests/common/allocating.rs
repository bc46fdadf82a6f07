//! What an allocator has to bear: churn, frees on other threads, many threads.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, Once, mpsc};
use std::thread;
use std::time::Duration;

fn ready() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        greenroom::Config::new().workers(2).install().unwrap();
        greenroom::patch_all().unwrap();
    });
}

fn fill(random: &mut u64) -> Vec<u8> {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    let len = match *random % 8 {
        0 => 200_000,
        1 => 10_000,
        n => n as usize * 50,
    };
    vec![*random as u8; len]
}

/// What one allocates another frees, with turns given away in between.
#[test]
fn blocks_travel_between_threads() {
    ready();
    let (put, get) = mpsc::channel::<Vec<u8>>();
    let makers: Vec<_> = (1..200u64)
        .map(|seed| {
            let put = put.clone();
            thread::spawn(move || {
                let mut random = seed * 0x9e37_79b9;
                let mut kept = Vec::new();
                for n in 0..100 {
                    let block = fill(&mut random);
                    if n % 3 == 0 {
                        kept.push(block)
                    } else {
                        put.send(block).unwrap()
                    }
                    if random % 5 == 0 {
                        thread::yield_now();
                    }
                }
                kept.into_iter().map(|block| block.len()).sum::<usize>()
            })
        })
        .collect();
    drop(put);
    let count = thread::spawn(move || {
        get.into_iter().inspect(|block| assert!(block.iter().all(|byte| *byte == block[0]))).count()
    });
    for maker in makers {
        assert!(maker.join().unwrap() > 0);
    }
    assert_eq!(count.join().unwrap(), 199 * 66);
}

/// Threads come and go, native ones among them.
#[test]
fn threads_come_and_go() {
    ready();
    let ended = Arc::new(AtomicUsize::new(0));
    for round in 0..50u64 {
        let start = |i: u64| {
            let ended = ended.clone();
            move || {
                let mut random = round * 1000 + i + 1;
                let blocks: Vec<_> = (0..20).map(|_| fill(&mut random)).collect();
                thread::sleep(Duration::from_micros(random % 300));
                drop(blocks);
                ended.fetch_add(1, SeqCst);
            }
        };
        let mut threads: Vec<_> = (0..100).map(|i| thread::spawn(start(i))).collect();
        threads.push(greenroom::patch::native(|| thread::spawn(start(100))));
        threads.into_iter().for_each(|t| t.join().unwrap());
    }
    assert_eq!(ended.load(SeqCst), 50 * 101);
}

/// Prints what a thread that has allocated a little and now waits costs.
#[test]
fn many_wait() {
    const THREADS: usize = 10_000;
    ready();
    let gate = Arc::new((Mutex::new(0usize), Condvar::new()));
    let before = resident();
    let threads: Vec<_> = (0..THREADS)
        .map(|i| {
            let gate = gate.clone();
            thread::spawn(move || {
                let words: Vec<String> = (0..4).map(|n| format!("{i} {n}")).collect();
                let (waiting, open) = &*gate;
                let mut waiting = waiting.lock().unwrap();
                *waiting += 1;
                while *waiting <= THREADS {
                    waiting = open.wait(waiting).unwrap();
                }
                words.len()
            })
        })
        .collect();
    while *gate.0.lock().unwrap() < THREADS {
        thread::sleep(Duration::from_millis(5));
    }
    println!("a waiting thread costs {} bytes", (resident() - before) / THREADS);
    *gate.0.lock().unwrap() = THREADS + 1;
    gate.1.notify_all();
    assert!(threads.into_iter().all(|t| t.join().unwrap() == 4));
}

fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
