//! Mutexes of each kind.

use super::objects::*;
use super::{MS, SORTS, Sort, alone, give_way, ready, together};
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_mutex_of_each_kind_excludes() {
    for kind in [libc::PTHREAD_MUTEX_NORMAL, libc::PTHREAD_MUTEX_RECURSIVE, ERRORCHECK, ADAPTIVE] {
        for sort in SORTS {
            let mutex = Mutex::new(kind);
            let count = Plain::new(0);
            together(sort, 8, |_| {
                for i in 0..500 {
                    assert_eq!(mutex.lock(), 0);
                    let before = count.get();
                    if i % 7 == 0 {
                        give_way();
                    }
                    count.set(before + 1);
                    assert_eq!(mutex.unlock(), 0);
                }
            });
            assert_eq!(count.get(), 4000, "kind {kind}, {sort:?}");
        }
    }
}

#[test]
fn what_a_mutex_answers_to_its_owner_and_to_others() {
    alone(|| {
        let recursive = Mutex::new(libc::PTHREAD_MUTEX_RECURSIVE);
        assert_eq!((recursive.lock(), recursive.lock(), recursive.trylock()), (0, 0, 0));
        together(Sort::Both, 2, |_| {
            assert_eq!(recursive.trylock(), libc::EBUSY);
            assert_eq!(recursive.unlock(), libc::EPERM);
            assert_eq!(recursive.timedlock(after(5 * MS, libc::CLOCK_REALTIME)), libc::ETIMEDOUT);
        });
        for _ in 0..3 {
            assert_eq!(recursive.unlock(), 0);
        }
        assert_eq!(recursive.unlock(), libc::EPERM);

        let check = Mutex::new(ERRORCHECK);
        assert_eq!((check.unlock(), check.lock(), check.lock()), (libc::EPERM, 0, libc::EDEADLK));
        assert_eq!(check.timedlock(after(MS, libc::CLOCK_REALTIME)), libc::EDEADLK);
        assert_eq!((check.trylock(), check.unlock()), (libc::EBUSY, 0));
    });
}

#[test]
fn a_timed_lock_times_out_or_gets_it() {
    alone(|| {
        let mutex = Mutex::new(libc::PTHREAD_MUTEX_NORMAL);
        assert_eq!(mutex.lock(), 0);
        let start = Instant::now();
        for clock in [libc::CLOCK_REALTIME, libc::CLOCK_MONOTONIC] {
            assert_eq!(mutex.clocklock(clock, after(20 * MS, clock)), libc::ETIMEDOUT);
        }
        assert_eq!(mutex.timedlock(after(20 * MS, libc::CLOCK_REALTIME)), libc::ETIMEDOUT);
        assert!(start.elapsed() >= 59 * MS, "{:?}", start.elapsed());
        let past = libc::timespec { tv_sec: -1, tv_nsec: 0 };
        let none = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000_000 };
        assert_eq!(mutex.timedlock(past), libc::ETIMEDOUT);
        assert_eq!(mutex.timedlock(none), libc::EINVAL);
        assert_eq!(mutex.clocklock(libc::CLOCK_PROCESS_CPUTIME_ID, past), libc::EINVAL);
        together(Sort::Both, 4, |i| {
            if i == 0 {
                thread::sleep(10 * MS);
                assert_eq!(mutex.unlock(), 0);
            } else {
                let long = after(Duration::from_secs(20), libc::CLOCK_MONOTONIC);
                assert_eq!(mutex.clocklock(libc::CLOCK_MONOTONIC, long), 0);
                assert_eq!(mutex.unlock(), 0);
            }
        });
        assert_eq!((mutex.timedlock(none), mutex.unlock()), (0, 0), "free: nobody looks at it");
    });
}

/// Also between workers: the one who holds it sleeps, and others go on.
#[test]
fn who_waits_does_not_stop_its_worker() {
    let mutex = Mutex::new(libc::PTHREAD_MUTEX_NORMAL);
    let turns = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    together(Sort::Green, 10, |i| {
        if i < 5 {
            assert_eq!(mutex.lock(), 0);
            let before = turns.load(SeqCst);
            while turns.load(SeqCst) < before + 5 {
                thread::sleep(MS);
            }
            assert_eq!(mutex.unlock(), 0);
            done.fetch_add(1, SeqCst);
        } else {
            while done.load(SeqCst) < 5 {
                turns.fetch_add(1, SeqCst);
                thread::sleep(MS);
            }
        }
    });
    assert!(turns.into_inner() > 20);
}

/// Many more than there are workers, with OS threads among them; a million
/// times, if the variable asks for it.
#[test]
fn a_crowd_counts_exactly() {
    let (crowd, turns) =
        if std::env::var_os("C_SYNC_STRESS").is_some() { (1000, 1000) } else { (500, 100) };
    let mutex = Mutex::new(libc::PTHREAD_MUTEX_NORMAL);
    let count = Plain::new(0usize);
    ready();
    thread::scope(|s| {
        for _ in 0..8 {
            s.spawn(|| {
                for _ in 0..turns * 10 {
                    mutex.lock();
                    count.set(count.get() + 1);
                    mutex.unlock();
                }
            });
        }
        together(Sort::Green, crowd, |i| {
            for n in 0..turns {
                mutex.lock();
                let before = count.get();
                if (n * 7 + i) % 16 == 0 {
                    give_way();
                }
                count.set(before + 1);
                mutex.unlock();
            }
        });
    });
    assert_eq!(count.get(), turns * (crowd + 80));
}

/// Those that are shared or robust stay libc's, and still exclude.
#[test]
fn shared_and_robust_ones_pass_to_libc() {
    let soon = || after(5 * MS, libc::CLOCK_REALTIME);
    for mutex in [Mutex::robust(), Mutex::shared()] {
        assert_eq!(mutex.lock(), 0);
        together(Sort::Both, 2, |_| assert_eq!(mutex.timedlock(soon()), libc::ETIMEDOUT));
        assert_eq!(mutex.unlock(), 0);
        together(Sort::Both, 4, |_| assert_eq!((mutex.lock(), mutex.unlock()), (0, 0)));
    }
}

/// In a child there are no workers, and libc does it all.
#[test]
fn in_a_forks_child_locks_still_lock() {
    let mutex = Mutex::new(ERRORCHECK);
    together(Sort::Os, 1, |_| {
        // SAFETY: the child makes only calls that wait for nobody, and exits.
        let child = unsafe {
            match libc::fork() {
                0 => {
                    let right = mutex.lock() == 0
                        && mutex.lock() == libc::EDEADLK
                        && mutex.unlock() == 0
                        && mutex.unlock() == libc::EPERM;
                    libc::_exit(if right { 0 } else { 1 })
                }
                child => child,
            }
        };
        let mut status = 0;
        // SAFETY: a valid out pointer.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status:x}");
    });
}
