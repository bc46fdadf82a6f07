//! What waits in `std::sync`, between a thousand green threads on two workers
//! and eight OS threads, with turns given away at random. A round of each by
//! default; for `GREENROOM_STRESS` seconds of each where that is set.

mod common;
mod common_net;

use common::Random;
use common_net::os_thread;
use greenroom::{Config, JoinHandle, ThreadLocals, patch_all, spawn};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Condvar, Mutex, Once, RwLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const OS_THREADS: usize = 8;

/// How long each goes on.
fn budget() -> Option<Duration> {
    let seconds = std::env::var("GREENROOM_STRESS").ok()?;
    Some(Duration::from_secs(seconds.parse().expect("GREENROOM_STRESS is in seconds")))
}

/// Green threads of a round, and turns of each.
fn size() -> (usize, usize) {
    if budget().is_some() { (1000, 1000) } else { (200, 50) }
}

/// Repeats `round` for the budget, under the eye of a watchdog.
fn stress(name: &'static str, round: impl Fn(u64)) {
    static ONCE: Once = Once::new();
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    ONCE.call_once(|| {
        Config::new().workers(2).thread_locals(ThreadLocals::Own).install().unwrap();
        patch_all().unwrap();
    });
    let _alone = common_net::alone();
    let mine = ROUNDS.fetch_add(1, SeqCst) + 1;
    let end = Instant::now() + budget().unwrap_or_default();
    let watched = Arc::new(AtomicU64::new(0));
    let progress = watched.clone();
    os_thread(move || {
        let mut seen = 0;
        loop {
            greenroom::patch::native(|| thread::sleep(Duration::from_secs(60)));
            let now = progress.load(SeqCst);
            if now == u64::MAX {
                return;
            }
            if now == seen {
                eprintln!("no round of {name} ended within a minute");
                std::process::abort();
            }
            seen = now;
        }
    });
    let mut seed = mine;
    loop {
        round(seed);
        seed += 1000;
        watched.fetch_add(1, SeqCst);
        if Instant::now() >= end {
            break;
        }
    }
    watched.store(u64::MAX, SeqCst);
}

/// Runs `body` on `green` green threads and on eight OS threads, and waits.
fn crowd(green: usize, seed: u64, body: impl Fn(&mut Random, usize) + Send + Sync + 'static) {
    let body = Arc::new(body);
    let start = |i: usize| {
        let body = body.clone();
        move || body(&mut Random::new(seed + i as u64 * 77 + 1), i)
    };
    let os: Vec<_> = (0..OS_THREADS).map(|i| os_thread(start(green + i))).collect();
    let green: Vec<JoinHandle<()>> = (0..green).map(|i| spawn(start(i))).collect();
    for result in greenroom::joinall(green) {
        result.unwrap();
    }
    os.into_iter().for_each(|t| t.join().unwrap());
}

fn now_and_then(random: &mut Random) {
    match random.below(16) {
        0 => thread::yield_now(),
        1 => greenroom::yield_now(),
        _ => {}
    }
}

#[test]
fn a_contended_mutex_loses_no_wake_up() {
    struct Plain(UnsafeCell<usize>);
    // SAFETY: only used under the mutex beside it.
    unsafe impl Sync for Plain {}
    stress("Mutex", |seed| {
        let (green, turns) = size();
        let count = Arc::new((Mutex::new(()), Plain(UnsafeCell::new(0))));
        let counted = count.clone();
        crowd(green, seed, move |random, _| {
            for _ in 0..turns {
                let (mutex, plain) = &*counted;
                let _held = mutex.lock().unwrap();
                let at = plain.0.get();
                // SAFETY: the mutex is held.
                let before = unsafe { at.read() };
                now_and_then(random);
                // SAFETY: as above.
                unsafe { at.write(before + 1) };
            }
        });
        // SAFETY: all have ended.
        assert_eq!(unsafe { count.1.0.get().read() }, (green + OS_THREADS) * turns);
    });
}

#[test]
fn ping_and_pong_over_a_condvar() {
    stress("Condvar", |seed| {
        let (green, turns) = size();
        let pairs = green / 2 + OS_THREADS;
        let tables: Arc<Vec<(Mutex<usize>, Condvar)>> =
            Arc::new((0..pairs).map(|_| (Mutex::new(0), Condvar::new())).collect());
        let turns = turns / 10;
        let play =
            move |side: usize, tables: &[(Mutex<usize>, Condvar)], pair: usize, r: &mut Random| {
                let (ball, moved) = &tables[pair];
                for turn in 0..turns {
                    let mut at = ball.lock().unwrap();
                    while *at != 2 * turn + side {
                        at = moved.wait(at).unwrap();
                    }
                    now_and_then(r);
                    *at += 1;
                    moved.notify_one();
                }
            };
        let shared = tables.clone();
        // Green against green, and each OS thread against a green one.
        crowd(2 * (green / 2) + OS_THREADS, seed, move |r, i| {
            if i < 2 * (green / 2) {
                play(i % 2, &shared, i / 2, r);
            } else {
                let i = i - 2 * (green / 2);
                play(i / OS_THREADS, &shared, green / 2 + i % OS_THREADS, r);
            }
        });
        assert!(tables.iter().all(|(ball, _)| *ball.lock().unwrap() == 2 * turns));
    });
}

#[test]
fn readers_never_see_half_a_write() {
    stress("RwLock", |seed| {
        let (green, turns) = size();
        let lock = Arc::new(RwLock::new((0usize, 0usize)));
        let shared = lock.clone();
        let turns = turns / 5;
        crowd(green, seed, move |random, i| {
            for _ in 0..turns {
                if i % 8 == 0 {
                    let mut both = shared.write().unwrap();
                    both.0 += 1;
                    now_and_then(random);
                    both.1 += 1;
                } else {
                    let both = shared.read().unwrap();
                    let first = both.0;
                    now_and_then(random);
                    assert_eq!(first, both.1);
                }
            }
        });
        let writers = (0..green + OS_THREADS).filter(|i| i % 8 == 0).count();
        assert_eq!(*lock.read().unwrap(), (writers * turns, writers * turns));
    });
}

/// C's, in a place of its own.
struct Semaphore(Box<UnsafeCell<libc::sem_t>>);

// SAFETY: made for several threads.
unsafe impl Send for Semaphore {}
// SAFETY: as above.
unsafe impl Sync for Semaphore {}

impl Semaphore {
    fn new(free: u32) -> Semaphore {
        // SAFETY: all zero is memory for one.
        let it = Semaphore(Box::new(UnsafeCell::new(unsafe { std::mem::zeroed() })));
        // SAFETY: its memory, not shared between processes.
        assert_eq!(unsafe { libc::sem_init(it.0.get(), 0, free) }, 0);
        it
    }

    fn acquire(&self) {
        // SAFETY: initialised by `new`.
        assert_eq!(unsafe { libc::sem_wait(self.0.get()) }, 0);
    }

    fn release(&self) {
        // SAFETY: as above.
        assert_eq!(unsafe { libc::sem_post(self.0.get()) }, 0);
    }
}

#[test]
fn a_semaphore_lets_in_as_many_as_it_says() {
    const FREE: usize = 3;
    stress("sem_t", |seed| {
        let (green, turns) = size();
        let inside = AtomicUsize::new(0);
        let semaphore = Semaphore::new(FREE as u32);
        let turns = turns / 5;
        let entered = Arc::new(AtomicUsize::new(0));
        let count = entered.clone();
        crowd(green, seed, move |random, _| {
            for _ in 0..turns {
                semaphore.acquire();
                assert!(inside.fetch_add(1, SeqCst) < FREE);
                now_and_then(random);
                inside.fetch_sub(1, SeqCst);
                count.fetch_add(1, SeqCst);
                semaphore.release();
            }
        });
        assert_eq!(entered.load(SeqCst), (green + OS_THREADS) * turns);
    });
}

#[test]
fn waits_that_race_their_timeouts_lose_nothing() {
    stress("timeouts", |seed| {
        let (green, turns) = size();
        let (put, items) = mpsc::channel::<usize>();
        let items = Arc::new(Mutex::new(items));
        let seen = Arc::new(AtomicUsize::new(0));
        let total = (green / 2) * (turns / 5);
        let (sum, tickets) = (seen.clone(), Arc::new((Mutex::new(0usize), Condvar::new())));
        let put = Mutex::new(put);
        crowd(green, seed, move |random, i| {
            let brief = Duration::from_micros(random.below(200));
            if i < green / 2 {
                let put = put.lock().unwrap().clone();
                for _ in 0..turns / 5 {
                    put.send(1).unwrap();
                    *tickets.0.lock().unwrap() += 1;
                    tickets.1.notify_one();
                    now_and_then(random);
                }
                return;
            }
            while sum.load(SeqCst) < total {
                let free = tickets.0.lock().unwrap();
                let (mut free, _) = tickets.1.wait_timeout(free, brief).unwrap();
                if *free > 0 {
                    *free -= 1;
                    drop(free);
                    // A ticket stands for an item that has been sent before.
                    let item = items.lock().unwrap().recv_timeout(Duration::from_secs(60));
                    sum.fetch_add(item.unwrap(), SeqCst);
                }
                now_and_then(random);
            }
        });
        assert_eq!(seen.load(SeqCst), total);
    });
}
