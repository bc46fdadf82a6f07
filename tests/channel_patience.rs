//! Nobody who gives up on a channel waits longer than it takes a putter that has
//! come already to deliver.

mod common;

use common::workers;
use greenroom::queue::Channel;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// In each round one comes with an item, and two who want it at once. The one
/// that goes without must not wait for the next item.
#[test]
fn who_tries_does_not_wait() {
    workers(2, || {
        const ROUNDS: usize = 5_000;
        // Where others have the cores, each round takes long.
        let (start, rounds) = (Instant::now(), AtomicUsize::new(ROUNDS));
        let (channel, turn) = (Channel::new(), AtomicUsize::new(0));
        let (put, got) = (AtomicUsize::new(0), AtomicUsize::new(0));
        // All three come together, in each round.
        let meet = |round: usize| {
            turn.fetch_add(1, SeqCst);
            while turn.load(SeqCst) < 3 * (round + 1) {
                std::thread::yield_now();
            }
        };
        std::thread::scope(|s| {
            s.spawn(|| {
                for round in 0..ROUNDS {
                    if start.elapsed() > Duration::from_secs(20) {
                        // The others see it as they meet.
                        rounds.fetch_min(round + 1, SeqCst);
                    }
                    meet(2 * round);
                    put.fetch_add(
                        channel.put_timeout(7, Duration::from_micros(30)).is_ok().into(),
                        SeqCst,
                    );
                    meet(2 * round + 1);
                    if round + 1 >= rounds.load(SeqCst) {
                        break;
                    }
                }
            });
            for _ in 0..2 {
                s.spawn(|| {
                    for round in 0..ROUNDS {
                        meet(2 * round);
                        got.fetch_add(channel.try_get().is_ok().into(), SeqCst);
                        meet(2 * round + 1);
                        if round + 1 >= rounds.load(SeqCst) {
                            break;
                        }
                    }
                });
            }
        });
        assert_eq!(put.load(SeqCst), got.load(SeqCst));
    });
}
