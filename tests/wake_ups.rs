//! Waking idle workers: each that is needed, none that is not.

mod common;

use common::{Random, in_child, meet, spin_until, until, workers};
use greenroom::{joinall, park, sleep, spawn};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Each time the workers may be about to fall asleep.
#[test]
fn os_threads_spawn_and_join_one_by_one() {
    workers(2, || {
        for n in 0..20_000u32 {
            assert_eq!(spawn(move || n).join().unwrap(), n);
        }
    });
}

#[test]
fn several_os_threads_spawn_and_join_one_by_one() {
    workers(2, || {
        std::thread::scope(|s| {
            for seed in 0..4 {
                s.spawn(move || {
                    let mut random = Random::new(seed);
                    for n in 0..5000u32 {
                        (0..random.below(2000)).for_each(|_| std::hint::spin_loop());
                        assert_eq!(spawn(move || n).join().unwrap(), n);
                    }
                });
            }
        });
    });
}

#[test]
fn an_os_thread_unparks_one_by_one() {
    workers(2, || {
        let turns = Arc::new(AtomicUsize::new(0));
        let count = turns.clone();
        let green = spawn(move || {
            for _ in 0..20_000 {
                park();
                count.fetch_add(1, SeqCst);
            }
        });
        for turn in 0..20_000 {
            green.thread().unpark();
            spin_until(|| turns.load(SeqCst) == turn + 1);
        }
        green.join().unwrap();
    });
}

/// On one worker there is nobody else to notice.
#[test]
fn a_single_worker_misses_nothing() {
    workers(1, || {
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for n in 0..5000u32 {
                        let green = spawn(move || {
                            park();
                            n
                        });
                        green.thread().unpark();
                        assert_eq!(green.join().unwrap(), n);
                    }
                });
            }
        });
    });
}

/// A worker that sleeps until a far deadline wakes up for a nearer one.
#[test]
fn a_nearer_deadline_counts() {
    workers(1, || {
        let far = spawn(|| sleep(Duration::from_secs(3600)));
        until(|| !far.is_finished());
        let start = Instant::now();
        spawn(|| sleep(Duration::from_millis(10))).join().unwrap();
        assert!(start.elapsed() < Duration::from_secs(30));
    });
}

/// Which worker runs this, by the name of its OS thread.
fn worker_index() -> usize {
    let thread = std::thread::current();
    thread.name().unwrap().strip_prefix("greenroom-").unwrap().parse().unwrap()
}

/// Two of three workers compute, and the fresh one that they wait for is left
/// to the third: also when the one that was woken for it got other work.
#[test]
fn a_worker_with_other_work_passes_on_the_wake_up() {
    static ROUND: AtomicUsize = AtomicUsize::new(0);
    fn wait_for(round: usize) {
        spin_until(|| ROUND.load(SeqCst) >= round);
    }
    /// Parks on its worker, and computes in each round in which it is woken.
    fn busy(called: &[AtomicUsize]) {
        let mine = &called[worker_index()];
        let mut last = 0;
        while last < 1000 {
            park();
            let round = mine.load(SeqCst);
            if round != last {
                wait_for(round);
                last = round;
            }
        }
    }
    // By its thread-locals each knows its worker, and by them it stays there.
    let shared = [("GREENROOM_WORKERS", "3"), ("GREENROOM_THREAD_LOCALS", "shared")];
    in_child(&shared, || {
        let called: Arc<Vec<AtomicUsize>> = Arc::new((0..3).map(|_| 0.into()).collect());
        let there = Arc::new(Mutex::new(Vec::new()));
        let all: Vec<_> = (0..3)
            .map(|_| {
                let (called, there) = (called.clone(), there.clone());
                spawn(move || {
                    there.lock().unwrap().push((worker_index(), greenroom::current().unwrap()));
                    // Each takes a worker of its own.
                    spin_until(|| there.lock().unwrap().len() == 3);
                    busy(&called);
                })
            })
            .collect();
        until(|| there.lock().unwrap().len() == 3);
        let mut greens = there.lock().unwrap().clone();
        greens.sort_by_key(|(index, _)| *index);
        let driver = spawn(move || {
            let here = worker_index();
            // The first one asleep is the one that gets woken.
            let (index, other) = greens.iter().find(|(index, _)| *index != here).unwrap();
            for round in 1..=1000 {
                sleep(Duration::from_micros(100));
                drop(spawn(move || ROUND.store(round, SeqCst)));
                called[*index].store(round, SeqCst);
                other.unpark();
                wait_for(round);
            }
            for (index, green) in &greens {
                called[*index].store(1000, SeqCst);
                green.unpark();
            }
        });
        driver.join().unwrap();
        joinall(all).into_iter().for_each(|r| r.unwrap());
    })
    .assert_success();
}

fn cpu_time() -> Duration {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage fills the structure in, and zeros are valid before.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    let of = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64)
    };
    of(usage.ru_utime) + of(usage.ru_stime)
}

/// Parked ones, far timers and idle workers cost no CPU time.
#[test]
fn nothing_to_do_takes_no_time() {
    workers(4, || {
        let waiting: Vec<_> = (0..1000)
            .map(|n| spawn(move || if n % 2 == 0 { park() } else { sleep(Duration::MAX) }))
            .collect();
        spawn(|| meet(4)).join().unwrap();
        // Idle stacks are still given back for a while.
        std::thread::sleep(Duration::from_millis(200));
        let in_a_second = |_| {
            let before = cpu_time();
            std::thread::sleep(Duration::from_secs(1));
            cpu_time() - before
        };
        // Now and then somebody looks whether all have stalled.
        let least = (0..5).map(in_a_second).min().unwrap();
        assert!(least < Duration::from_millis(50), "{least:?} of CPU time in one idle second");
        assert!(waiting.iter().all(|w| !w.is_finished()));
    });
}
