//! The rendezvous, and the mutex that may be locked again.

mod common;

use common::{Random, until, workers};
use greenroom::queue::{Channel, GetError, PutError};
use greenroom::spawn;
use greenroom::sync::ReentrantMutex;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(5);

#[test]
fn a_put_ends_when_it_is_got() {
    let channel = Channel::new();
    assert_eq!(channel.try_put(1), Err(PutError::Full(1)));
    assert_eq!(channel.put_timeout(1, SOON), Err(PutError::Timeout(1)));
    assert_eq!(channel.try_get(), Err(GetError::Empty));
    assert_eq!(channel.get_timeout(SOON), Err(GetError::Timeout));
    let theirs = channel.clone();
    let putter = spawn(move || theirs.put(7));
    until(|| channel.try_get() == Ok(7));
    assert_eq!(putter.join().unwrap(), Ok(()));
    // Those who gave up have left no wish behind.
    assert_eq!(channel.try_put(2), Err(PutError::Full(2)));
    let theirs = channel.clone();
    let getter = spawn(move || theirs.get());
    until(|| channel.try_put(9).is_ok());
    assert_eq!(getter.join().unwrap(), Ok(9));
}

#[test]
fn shutdown_ends_both_sides() {
    let (one, other) = (Channel::<u8>::new(), Channel::<u8>::new());
    let (getting, putting) = (one.clone(), other.clone());
    let getter = spawn(move || getting.get());
    let putter = thread::spawn(move || putting.put(3));
    thread::sleep(SOON); // holds as well if they do not wait yet
    one.shutdown(false);
    other.shutdown(true);
    assert_eq!(getter.join().unwrap(), Err(GetError::Shutdown));
    assert_eq!(putter.join().unwrap(), Err(PutError::Shutdown(3)));
    assert_eq!(one.try_get(), Err(GetError::Shutdown));
    assert_eq!(other.try_put(4), Err(PutError::Shutdown(4)));
}

/// Many at both ends, green and plain, with random patience: what was put was
/// got, once.
#[test]
fn nothing_is_lost_between_impatient_ones() {
    const EACH: u64 = 400;
    workers(2, || {
        let channel = Channel::new();
        static PUT: AtomicU64 = AtomicU64::new(0);
        static GOT: AtomicU64 = AtomicU64::new(0);
        static LEFT: AtomicUsize = AtomicUsize::new(8);
        let put = |channel: Channel<u64>, seed: u64| {
            let mut random = Random::new(seed);
            for n in 1..=EACH {
                let patience = Duration::from_micros(random.below(200));
                match channel.put_timeout(n, patience) {
                    Ok(()) => _ = PUT.fetch_add(n, SeqCst),
                    Err(e) => assert_eq!(e.into_inner(), n),
                }
            }
            LEFT.fetch_sub(1, SeqCst);
        };
        let get = |channel: Channel<u64>, seed: u64| {
            let mut random = Random::new(seed);
            loop {
                let patience = Duration::from_micros(random.below(200));
                match channel.get_timeout(patience) {
                    Ok(n) => _ = GOT.fetch_add(n, SeqCst),
                    Err(_) if LEFT.load(SeqCst) == 0 => return,
                    Err(_) => {}
                }
            }
        };
        let green: Vec<_> = (0..6)
            .flat_map(|i| {
                let (a, b) = (channel.clone(), channel.clone());
                [spawn(move || put(a, i)), spawn(move || get(b, 50 + i))]
            })
            .collect();
        let plain: Vec<_> = (0..2)
            .flat_map(|i| {
                let (a, b) = (channel.clone(), channel.clone());
                [thread::spawn(move || put(a, 90 + i)), thread::spawn(move || get(b, 70 + i))]
            })
            .collect();
        green.into_iter().for_each(|g| g.join().unwrap());
        plain.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(PUT.load(SeqCst), GOT.load(SeqCst));
    });
}

#[test]
fn its_owner_locks_it_again() {
    workers(2, || {
        let count = Arc::new(ReentrantMutex::new(Cell::new(0)));
        let add = |count: &ReentrantMutex<Cell<u32>>| {
            for _ in 0..200 {
                let outer = count.lock();
                let inner = count.try_lock().expect("it is mine");
                let read = outer.get();
                greenroom::yield_now();
                inner.set(read + 1);
                drop(outer);
                greenroom::yield_now();
            }
        };
        let green: Vec<_> = (0..8)
            .map(|_| {
                let count = count.clone();
                spawn(move || add(&count))
            })
            .collect();
        let plain: Vec<_> = (0..2)
            .map(|_| {
                let count = count.clone();
                thread::spawn(move || add(&count))
            })
            .collect();
        green.into_iter().for_each(|g| g.join().unwrap());
        plain.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(count.lock().get(), 2000);
        let held = count.lock();
        let theirs = count.clone();
        let refused =
            spawn(move || theirs.try_lock().is_none() && theirs.try_lock_for(SOON).is_none());
        assert!(refused.join().unwrap());
        drop(held);
    });
}
