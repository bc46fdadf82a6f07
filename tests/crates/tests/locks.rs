//! Locks and channels of other crates between green threads of one worker.

use std::io::Write;
use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

fn ready() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        greenroom::Config::new().workers(1).install().unwrap();
        greenroom::patch_all().unwrap();
    });
}

#[test]
fn parking_lot_excludes_across_a_sleep() {
    ready();
    let count = Arc::new(parking_lot::Mutex::new(0));
    let inside = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..50)
        .map(|_| {
            let (count, inside) = (count.clone(), inside.clone());
            thread::spawn(move || {
                for _ in 0..10 {
                    let mut held = count.lock();
                    assert_eq!(inside.fetch_add(1, SeqCst), 0);
                    thread::sleep(Duration::from_micros(50));
                    *held += 1;
                    inside.fetch_sub(1, SeqCst);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(*count.lock(), 500);
}

#[test]
fn parking_lot_readers_writers_and_conditions() {
    ready();
    let both = Arc::new(parking_lot::RwLock::new((0, 0)));
    let turn = Arc::new((parking_lot::Mutex::new(0), parking_lot::Condvar::new()));
    let threads: Vec<_> = (0..40)
        .map(|i| {
            let (both, turn) = (both.clone(), turn.clone());
            thread::spawn(move || {
                for _ in 0..20 {
                    if i % 4 == 0 {
                        let mut pair = both.write();
                        pair.0 += 1;
                        thread::yield_now();
                        pair.1 += 1;
                    } else {
                        let pair = both.read();
                        thread::yield_now();
                        assert_eq!(pair.0, pair.1);
                    }
                }
                let mut at = turn.0.lock();
                while *at != i {
                    turn.1.wait(&mut at);
                }
                *at += 1;
                turn.1.notify_all();
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(*both.read(), (200, 200));
    assert_eq!(*turn.0.lock(), 40);
}

#[test]
fn a_timed_wait_of_parking_lot_ends_in_time() {
    ready();
    let never = parking_lot::Mutex::new(());
    let start = Instant::now();
    let mut held = never.lock();
    let timed_out =
        parking_lot::Condvar::new().wait_for(&mut held, Duration::from_millis(30)).timed_out();
    assert!(timed_out && start.elapsed() >= Duration::from_millis(30));
}

#[test]
fn channels_and_select_of_crossbeam() {
    ready();
    let (put, get) = crossbeam_channel::bounded::<usize>(2);
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    let sum = thread::spawn(move || {
        let mut sum = 0;
        loop {
            crossbeam_channel::select! {
                recv(get) -> item => sum += item.unwrap_or(0),
                recv(stopped) -> _ => return sum + get.try_iter().sum::<usize>(),
            }
        }
    });
    let putters: Vec<_> = (0..10)
        .map(|_| {
            let put = put.clone();
            thread::spawn(move || (1..=100).for_each(|n| put.send(n).unwrap()))
        })
        .collect();
    putters.into_iter().for_each(|t| t.join().unwrap());
    stop.send(()).unwrap();
    assert_eq!(sum.join().unwrap(), 10 * 5050);
}

/// rand keeps its generator in a thread-local, std's stdout has a reentrant
/// lock by thread: each green thread is another one to both.
#[test]
fn generators_and_stdout_are_kept_apart() {
    ready();
    let threads: Vec<_> = (0..20)
        .map(|i| {
            thread::spawn(move || {
                let mut generator = rand::rng();
                let first: u64 = rand::Rng::random(&mut generator);
                let mut out = std::io::stdout().lock();
                for part in 0..3 {
                    write!(out, "{i}.{part} ").unwrap();
                    thread::sleep(Duration::from_millis(1));
                }
                writeln!(out).unwrap();
                first
            })
        })
        .collect();
    let mut firsts: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts.len(), 20);
}
