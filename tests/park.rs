//! Parking: the token of `park` and `unpark`, alone and against everything else
//! that wakes a green thread.

mod common;

use common::{Random, workers};
use greenroom::{GreenThread, current, park, park_timeout, sleep, spawn, yield_now};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

const NOT_SOON: Duration = Duration::from_secs(3600);

fn me() -> GreenThread {
    current().unwrap()
}

/// Whether a token was there. Takes it.
fn had_token() -> bool {
    let limit = Duration::from_millis(20);
    let start = Instant::now();
    park_timeout(limit);
    start.elapsed() < limit
}

#[test]
fn a_token_left_first_is_kept() {
    workers(1, || {
        let green = spawn(|| {
            me().unpark();
            park();
            assert!(!had_token());
        });
        green.join().unwrap();
    });
}

#[test]
fn many_tokens_are_one() {
    workers(1, || {
        let green = spawn(|| {
            for _ in 0..1000 {
                me().unpark();
            }
            park();
            assert!(!had_token());
        });
        green.join().unwrap();
    });
}

/// Whatever else parks it leaves the token where it is.
#[test]
fn nothing_else_eats_the_token() {
    workers(1, || {
        let green = spawn(|| {
            for waits in [
                || sleep(Duration::from_millis(2)),
                || sleep(Duration::ZERO),
                || drop(spawn(yield_now).join()),
                || drop(spawn(|| sleep(Duration::from_millis(1))).join_timeout(Duration::ZERO)),
                yield_now,
            ] {
                me().unpark();
                waits();
                park();
                assert!(!had_token());
            }
        });
        green.join().unwrap();
    });
}

/// An `unpark` in the middle of another wait neither ends that nor is lost.
#[test]
fn nothing_else_is_ended_by_the_token() {
    workers(2, || {
        let green = spawn(|| {
            let start = Instant::now();
            sleep(Duration::from_millis(50));
            assert!(start.elapsed() >= Duration::from_millis(50));
            park();
            let slow = spawn(|| {
                sleep(Duration::from_millis(50));
                7
            });
            assert_eq!(slow.join().unwrap(), 7);
            park();
        });
        let waker = green.thread().clone();
        let ended = Arc::new(AtomicBool::new(false));
        let done = ended.clone();
        let nagging = std::thread::spawn(move || {
            while !done.load(SeqCst) {
                waker.unpark();
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        green.join().unwrap();
        ended.store(true, SeqCst);
        nagging.join().unwrap();
    });
}

#[test]
fn io_neither_eats_the_token_nor_ends_by_it() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            park();
            assert!(!had_token());
            byte[0]
        });
        let waker = client.thread().clone();
        let server = spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for _ in 0..10 {
                waker.unpark();
                sleep(Duration::from_millis(1));
            }
            stream.write_all(&[7]).unwrap();
        });
        assert_eq!(client.join().unwrap(), 7);
        server.join().unwrap();
    });
}

/// Wake-ups that were about something else must not look like tokens.
#[test]
fn park_does_not_return_without_a_token() {
    workers(2, || {
        let green = spawn(|| {
            let mut random = Random::new(3);
            for _ in 0..1000 {
                let spins = random.below(3000);
                let short = spawn(move || (0..spins).for_each(|_| std::hint::spin_loop()));
                let limit = Duration::from_nanos(random.below(50_000));
                let rest = short.join_timeout(limit);
                let (start, limit) = (Instant::now(), Duration::from_micros(200));
                park_timeout(limit);
                assert!(start.elapsed() >= limit);
                drop(rest);
            }
        });
        green.join().unwrap();
    });
}

#[test]
fn finished_and_fresh_ones_may_be_unparked() {
    workers(1, || {
        let green = spawn(|| ());
        let ended = green.thread().clone();
        green.join().unwrap();
        ended.unpark();

        let order = spawn(move || {
            let fresh = spawn(park);
            // It cannot have started: this is the only worker.
            fresh.thread().unpark();
            fresh.join().unwrap();
            ended.unpark();
        });
        order.join().unwrap();
    });
}

#[test]
fn park_timeout_keeps_its_time() {
    workers(1, || {
        let green = spawn(|| {
            let (start, limit) = (Instant::now(), Duration::from_millis(20));
            park_timeout(limit);
            assert!(start.elapsed() >= limit);

            me().unpark();
            let start = Instant::now();
            park_timeout(NOT_SOON);
            park_timeout(Duration::ZERO);
            assert!(start.elapsed() < NOT_SOON / 10);

            // The longest possible wait is no overflow.
            me().unpark();
            park_timeout(Duration::MAX);
            let waker = me();
            spawn(move || waker.unpark());
            park_timeout(Duration::MAX);
        });
        green.join().unwrap();
    });
}

/// On an OS thread it is std's.
#[test]
fn on_os_threads_it_is_stds() {
    workers(1, || {
        let me = std::thread::current();
        let green = spawn(move || {
            sleep(Duration::from_millis(5));
            me.unpark();
        });
        park();
        green.join().unwrap();
        let (start, limit) = (Instant::now(), Duration::from_millis(5));
        while start.elapsed() < limit {
            park_timeout(limit);
        }
    });
}
