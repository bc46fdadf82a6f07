//! `std::sync::mpsc`.

use super::{LONG, waiting};
use std::sync::mpsc::{self, RecvTimeoutError, SendError, TryRecvError, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(20);

#[test]
fn what_is_sent_comes_in_order() {
    let (put, get) = mpsc::channel();
    let putter = thread::spawn(move || (0..10_000).for_each(|n| put.send(n).unwrap()));
    assert!(get.iter().eq(0..10_000));
    putter.join().unwrap();
}

#[test]
fn of_many_senders_none_is_lost() {
    let (put, get) = mpsc::channel();
    let putters: Vec<_> = (0..50u64)
        .map(|i| {
            let put = put.clone();
            thread::spawn(move || (0..200).for_each(|n| put.send(i * 1000 + n).unwrap()))
        })
        .collect();
    drop(put);
    let mut next = [0; 50];
    for item in get {
        let (who, n) = ((item / 1000) as usize, item % 1000);
        assert_eq!(next[who], n, "one sender's items stay in order");
        next[who] += 1;
    }
    assert!(next.iter().all(|n| *n == 200));
    putters.into_iter().for_each(|p| p.join().unwrap());
}

#[test]
fn a_receiver_without_senders_is_told() {
    let (put, get) = mpsc::channel::<u8>();
    let told = waiting(move || get.recv().is_err());
    drop(put);
    assert!(told.join().unwrap());
}

#[test]
fn a_sender_without_receiver_gets_its_item_back() {
    let (put, get) = mpsc::channel();
    drop(get);
    assert_eq!(put.send(7), Err(SendError(7)));
    let (put, get) = mpsc::sync_channel(0);
    let told = waiting(move || put.send(8));
    thread::sleep(SOON);
    drop(get);
    assert_eq!(told.join().unwrap(), Err(SendError(8)));
}

#[test]
fn a_full_channel_holds_its_sender() {
    let (put, get) = mpsc::sync_channel(2);
    put.send(1).unwrap();
    put.send(2).unwrap();
    assert_eq!(put.try_send(3), Err(TrySendError::Full(3)));
    let third = waiting(move || put.send(3));
    thread::sleep(SOON);
    assert!(!third.is_finished());
    assert_eq!(get.recv(), Ok(1));
    assert_eq!(third.join().unwrap(), Ok(()));
    assert_eq!(get.iter().collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_rendezvous_is_kept_by_both() {
    let (put, get) = mpsc::sync_channel(0);
    assert_eq!(put.try_send(0), Err(TrySendError::Full(0)), "nobody receives");
    let putter = waiting(move || (1..=100).for_each(|n| put.send(n).unwrap()));
    thread::sleep(SOON);
    assert!(!putter.is_finished());
    assert!(get.iter().eq(1..=100));
    putter.join().unwrap();
}

#[test]
fn receiving_in_time_and_too_late() {
    let (put, get) = mpsc::channel();
    let start = Instant::now();
    assert_eq!(get.recv_timeout(SOON), Err(RecvTimeoutError::Timeout));
    assert!(start.elapsed() >= SOON);
    assert_eq!(get.try_recv(), Err(TryRecvError::Empty));
    let putter = thread::spawn(move || {
        thread::sleep(SOON);
        put.send(5).unwrap();
    });
    assert_eq!(get.recv_timeout(LONG), Ok(5));
    putter.join().unwrap();
    assert_eq!(get.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
    assert_eq!(get.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn timeouts_that_race_the_sender_lose_nothing() {
    let (put, get) = mpsc::channel();
    let putter = thread::spawn(move || {
        for n in 0..500u64 {
            put.send(n).unwrap();
            thread::sleep(Duration::from_micros(n % 90));
        }
    });
    let mut next = 0;
    loop {
        match get.recv_timeout(Duration::from_micros(1 + next % 70)) {
            Ok(n) => {
                assert_eq!(n, next);
                next += 1;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    assert_eq!(next, 500);
    putter.join().unwrap();
}

#[test]
fn what_nobody_receives_is_dropped() {
    let (put, get) = mpsc::channel();
    let item = std::sync::Arc::new(());
    (0..100).for_each(|_| put.send(item.clone()).unwrap());
    drop(get);
    assert_eq!(std::sync::Arc::strong_count(&item), 1);
}

/// A ring of green threads hands a token round.
#[test]
fn a_ring() {
    const LEN: usize = 100;
    let (first, mut from) = mpsc::channel::<usize>();
    let mut links = Vec::new();
    for _ in 0..LEN {
        let (to, next) = mpsc::channel();
        let get = std::mem::replace(&mut from, next);
        links.push(thread::spawn(move || get.into_iter().for_each(|n| to.send(n + 1).unwrap())));
    }
    for round in 0..20 {
        first.send(round).unwrap();
        assert_eq!(from.recv(), Ok(round + LEN));
    }
    drop(first);
    links.into_iter().for_each(|l| l.join().unwrap());
    assert!(from.recv().is_err());
}
