//! With the family *sync*, std's own locks and channels park green threads.

use greenroom::{Config, ThreadLocals, joinall, patch_all, spawn};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, OnceLock, RwLock};
use std::thread;
use std::time::{Duration, Instant};

fn ready() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        Config::new().workers(1).thread_locals(ThreadLocals::Own).install().unwrap();
        patch_all().unwrap();
    });
}

#[test]
fn a_mutex_held_across_a_sleep_lets_the_others_run() {
    ready();
    let mutex = Arc::new(Mutex::new(0));
    let start = Instant::now();
    let threads = (0..10).map(|_| {
        let mutex = mutex.clone();
        spawn(move || {
            let mut n = mutex.lock().unwrap();
            let before = *n;
            thread::sleep(Duration::from_millis(5));
            *n = before + 1;
        })
    });
    for r in joinall(threads.collect::<Vec<_>>()) {
        r.unwrap();
    }
    assert_eq!(*mutex.lock().unwrap(), 10);
    assert!(start.elapsed() >= Duration::from_millis(50));
}

/// Who unlocks gives way to who has waited, rather than lock it again.
#[test]
fn a_mutex_is_taken_in_turns() {
    ready();
    let mutex = Arc::new(Mutex::new(()));
    let counts = Arc::new([const { AtomicU32::new(0) }; 4]);
    let all_are_here = Arc::new(Barrier::new(counts.len()));
    let takes_turns = |me: usize| {
        let (mutex, counts) = (mutex.clone(), counts.clone());
        let all_are_here = all_are_here.clone();
        move || {
            all_are_here.wait();
            while counts.iter().all(|count| count.load(Relaxed) < 1000) {
                let _locked = mutex.lock().unwrap();
                counts[me].fetch_add(1, Relaxed);
                thread::yield_now();
            }
        }
    };
    let threads: Vec<_> = (0..counts.len()).map(|me| thread::spawn(takes_turns(me))).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let least = counts.iter().map(|count| count.load(Relaxed)).min();
    assert!(least > Some(900), "{counts:?}");
}

#[test]
fn channels_both_ways_and_from_os_threads() {
    ready();
    let (to, from) = mpsc::channel::<u32>();
    let (back, answers) = mpsc::sync_channel(0);
    let echo = spawn(move || {
        for n in from {
            back.send(n + 1).unwrap();
        }
    });
    let client = thread::spawn(move || {
        for n in 0..1000 {
            to.send(n).unwrap();
            assert_eq!(answers.recv().unwrap(), n + 1);
        }
    });
    client.join().unwrap();
    echo.join().unwrap();
}

#[test]
fn condvar_rwlock_barrier_once_and_park() {
    ready();
    let pair = Arc::new((Mutex::new(0), Condvar::new()));
    let barrier = Arc::new(Barrier::new(50));
    let lock = Arc::new(RwLock::new(0));
    static CELL: OnceLock<u32> = OnceLock::new();
    let threads: Vec<_> = (0..50)
        .map(|i| {
            let (pair, barrier, lock) = (pair.clone(), barrier.clone(), lock.clone());
            spawn(move || {
                barrier.wait();
                if i % 5 == 0 {
                    *lock.write().unwrap() += 1;
                } else {
                    let read = lock.read().unwrap();
                    greenroom::yield_now();
                    drop(read);
                }
                CELL.get_or_init(|| {
                    thread::sleep(Duration::from_millis(5));
                    7
                });
                let (count, changed) = &*pair;
                *count.lock().unwrap() += 1;
                changed.notify_all();
                let guard = count.lock().unwrap();
                let (_guard, out) = changed
                    .wait_timeout_while(guard, Duration::from_secs(20), |n| *n < 50)
                    .unwrap();
                assert!(!out.timed_out());
            })
        })
        .collect();
    for r in joinall(threads) {
        r.unwrap();
    }
    assert_eq!((*lock.read().unwrap(), CELL.get()), (10, Some(&7)));

    let parked = spawn(|| {
        let me = thread::current();
        let waker = spawn(move || me.unpark());
        thread::park();
        waker.join().unwrap();
    });
    parked.join().unwrap();
}

#[test]
fn thread_locals_and_the_panic_count_are_its_own() {
    ready();
    thread_local!(static N: Cell<u32> = const { Cell::new(1) });
    let threads: Vec<_> = (0..100)
        .map(|i| {
            spawn(move || {
                assert_eq!(N.replace(i), 1);
                greenroom::yield_now();
                assert_eq!(N.get(), i);
            })
        })
        .collect();
    for r in joinall(threads) {
        r.unwrap();
    }
    struct Slow;
    impl Drop for Slow {
        fn drop(&mut self) {
            thread::sleep(Duration::from_millis(20));
            assert!(thread::panicking());
        }
    }
    let failing = spawn(|| {
        let _slow = Slow;
        std::panic::resume_unwind(Box::new(()));
    });
    let other = spawn(|| {
        for _ in 0..10 {
            assert!(!thread::panicking());
            thread::sleep(Duration::from_millis(2));
        }
    });
    assert!(failing.join().unwrap_err().is_panic());
    other.join().unwrap();
}

/// What libc tells the holder of a recursive mutex by.
fn number() -> i32 {
    // SAFETY: a mutex of its own, used as libc's manual says; its third word is the holder's.
    unsafe {
        let mut kind = std::mem::zeroed();
        libc::pthread_mutexattr_init(&raw mut kind);
        libc::pthread_mutexattr_settype(&raw mut kind, libc::PTHREAD_MUTEX_RECURSIVE);
        let mut mutex: libc::pthread_mutex_t = std::mem::zeroed();
        libc::pthread_mutex_init(&raw mut mutex, &raw const kind);
        libc::pthread_mutex_lock(&raw mut mutex);
        let holder = (&raw const mutex).cast::<i32>().add(2).read();
        libc::pthread_mutex_unlock(&raw mut mutex);
        holder
    }
}

/// There are a thousand million: each is another's only after so many green threads,
/// however those come about.
#[test]
fn numbers_go_to_green_threads_one_by_one() {
    ready();
    let children = || [spawn(number).join().unwrap(), thread::spawn(number).join().unwrap()];
    let parent = || spawn(move || (number(), children())).join().unwrap();
    let numbers: Vec<i32> = (0..2000).map(|_| parent()).flat_map(|(a, [b, c])| [a, b, c]).collect();
    let distinct: std::collections::HashSet<_> = numbers.iter().collect();
    assert_eq!(distinct.len(), numbers.len());
    let (least, most) = (numbers.iter().min().unwrap(), numbers.iter().max().unwrap());
    assert!(most - least < 1 << 20, "{least} to {most}");
}
