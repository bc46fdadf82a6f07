//! Pools used by many at once: maps within maps, dropped half-way or cut short,
//! functions that panic, kills of users and of the pool, and its end. In the end
//! all places are free and everything that was made is gone. For a moment by
//! default; for `GREENROOM_STRESS` seconds where that is set.

mod common;

use common::{Counted, DROPPED, MADE, Random, in_child, until};
use greenroom::inspect::stats;
use greenroom::{JoinHandle, Pool, sleep, spawn, timeout, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

const USERS: u64 = 5;

fn seconds() -> Duration {
    let seconds = std::env::var("GREENROOM_STRESS").ok();
    let seconds = seconds.map(|s| s.parse().expect("GREENROOM_STRESS is in seconds"));
    seconds.map_or(Duration::from_millis(1500), Duration::from_secs)
}

fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn catch(deed: impl FnOnce()) {
    drop(catch_unwind(AssertUnwindSafe(deed)));
}

/// What members do; at `depth`, they use their own pool as well.
fn work(pool: Pool, seed: u64, depth: u32) -> impl Fn(u64) -> Counted + Send + Sync + 'static {
    move |n| {
        let one = Counted::new();
        let mut random = Random::new(seed * 1000 + n);
        let inner = || work(pool.clone(), seed + 1, depth - 1);
        match random.below(9) {
            0 => panic_any(Counted::new()),
            1 => yield_now(),
            2 => sleep(us(random.below(100))),
            3 if depth > 0 => drop(pool.map(0..random.below(4), inner())),
            4 if depth > 0 => {
                let mut map = pool.imap_unordered(0..random.below(6), inner());
                (0..random.below(4)).for_each(|_| catch(|| drop(map.next())));
            }
            5 if depth > 0 => {
                let mut map = pool.imap(0..random.below(6), inner());
                for _ in 0..random.below(4) {
                    drop(timeout(us(random.below(60)), || map.next()));
                }
            }
            6 if depth > 0 => {
                let inner = inner();
                drop(pool.apply(move || inner(n + 1)));
            }
            _ => {}
        }
        one
    }
}

fn use_it(pool: &Pool, random: &mut Random) {
    let f = work(pool.clone(), random.below(1 << 20), 2);
    let (n, how) = (random.below(12), random.below(7));
    let deed = || match how {
        0 => drop(pool.map(0..n, f)),
        1 => pool.imap(0..n, f).for_each(drop),
        2 => pool.imap_unordered(0..n, f).take(3).for_each(drop),
        3 => drop(pool.apply_async(move || f(n), drop)),
        4 => drop(pool.apply(move || f(n))),
        5 => drop(pool.try_spawn(move || f(n))),
        _ => drop(pool.spawn(move || f(n))),
    };
    catch(|| match n % 3 {
        0 => drop(timeout(us(n * 20), deed)),
        _ => deed(),
    });
    yield_now();
}

fn disturb(pool: &Pool, users: &[JoinHandle<()>], random: &mut Random) {
    for _ in 0..4 {
        sleep(us(random.below(300)));
        match random.below(5) {
            0 => pool.kill(),
            1 => users[random.below(USERS) as usize].thread().request_kill(),
            2 if random.below(10) == 0 => pool.close(),
            3 => drop(pool.wait_available_timeout(us(50))),
            _ => drop(pool.join_timeout(us(50))),
        }
    }
}

fn round(seed: u64) {
    let mut random = Random::new(seed);
    let size = 1 + random.below(4) as usize;
    let pool = Pool::new(size);
    let users = (0..USERS).map(|user| {
        let pool = pool.clone();
        spawn(move || {
            let mut random = Random::new(seed * USERS + user);
            (0..5).for_each(|_| use_it(&pool, &mut random));
        })
    });
    let users: Vec<_> = users.collect();
    disturb(&pool, &users, &mut random);
    for user in users {
        assert!(user.join().err().is_none_or(|error| error.is_killed()), "seed {seed}");
    }
    drop(pool.join());
    assert_eq!((pool.free_count(), pool.len()), (size, 0), "seed {seed}");
}

#[test]
fn no_place_is_lost() {
    in_child(&[("GREENROOM_WORKERS", "2")], || {
        std::panic::set_hook(Box::new(|_| {}));
        let start = Instant::now();
        let mut rounds = 0;
        while start.elapsed() < seconds() || rounds < 6 {
            rounds += 1;
            round(rounds);
        }
        until(|| stats().alive() == 0);
        assert_eq!(MADE.load(SeqCst), DROPPED.load(SeqCst));
    })
    .assert_success();
}
