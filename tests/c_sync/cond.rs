//! Condition variables.

use super::objects::*;
use super::{MS, SORTS, alone, give_way, together};
use std::time::{Duration, Instant};

#[test]
fn ping_pong_over_condition_variables() {
    for sort in SORTS {
        let mutex = Mutex::new(libc::PTHREAD_MUTEX_NORMAL);
        let turned = [Cond::new(None), Cond::new(None)];
        let turn = Plain::new(0);
        together(sort, 2, |me| {
            for _ in 0..2000 {
                assert_eq!(mutex.lock(), 0);
                while turn.get() % 2 != me {
                    assert_eq!(turned[me].wait(&mutex), 0);
                }
                turn.set(turn.get() + 1);
                assert_eq!(turned[1 - me].signal(), 0);
                assert_eq!(mutex.unlock(), 0);
            }
        });
        assert_eq!(turn.get(), 4000, "{sort:?}");
    }
}

#[test]
fn a_broadcast_wakes_all() {
    for sort in SORTS {
        let mutex = Mutex::new(libc::PTHREAD_MUTEX_NORMAL);
        let (here, go) = (Cond::new(None), Cond::new(None));
        let (waiting, gone) = (Plain::new(0), Plain::new(false));
        together(sort, 101, |i| {
            assert_eq!(mutex.lock(), 0);
            if i == 0 {
                while waiting.get() < 100 {
                    assert_eq!(here.wait(&mutex), 0);
                }
                gone.set(true);
                assert_eq!(go.broadcast(), 0);
            } else {
                waiting.set(waiting.get() + 1);
                assert_eq!(here.signal(), 0);
                while !gone.get() {
                    assert_eq!(go.wait(&mutex), 0);
                }
            }
            assert_eq!(mutex.unlock(), 0);
        });
    }
}

#[test]
fn a_condition_variable_goes_by_its_clock() {
    alone(|| {
        let mutex = Mutex::new(ERRORCHECK);
        for clock in [libc::CLOCK_REALTIME, libc::CLOCK_MONOTONIC] {
            let cond = Cond::new(Some(clock));
            assert_eq!(mutex.lock(), 0);
            let start = Instant::now();
            assert_eq!(cond.timedwait(&mutex, after(20 * MS, clock)), libc::ETIMEDOUT);
            assert!((19 * MS..10_000 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
            let soon = after(20 * MS, libc::CLOCK_MONOTONIC);
            assert_eq!(cond.clockwait(&mutex, libc::CLOCK_MONOTONIC, soon), libc::ETIMEDOUT);
            let none = libc::timespec { tv_sec: 0, tv_nsec: -1 };
            assert_eq!(cond.timedwait(&mutex, none), libc::EINVAL);
            assert_eq!(cond.clockwait(&mutex, libc::CLOCK_BOOTTIME, soon), libc::EINVAL);
            assert_eq!(mutex.unlock(), 0, "held again after each");
            assert_eq!(cond.wait(&mutex), libc::EPERM);
        }
    });
}

#[test]
fn waits_that_race_their_timeouts_lose_no_signal() {
    for sort in SORTS {
        let mutex = Mutex::new(libc::PTHREAD_MUTEX_NORMAL);
        let cond = Cond::new(Some(libc::CLOCK_MONOTONIC));
        let (ready, taken) = (Plain::new(0), Plain::new(0));
        together(sort, 6, |i| {
            for n in 0..300 {
                assert_eq!(mutex.lock(), 0);
                if i < 2 {
                    ready.set(ready.get() + 2);
                    cond.signal();
                    cond.signal();
                } else {
                    while ready.get() == 0 {
                        let soon = Duration::from_micros(50 + n % 7 * 20);
                        let out = cond.timedwait(&mutex, after(soon, libc::CLOCK_MONOTONIC));
                        assert!(out == 0 || out == libc::ETIMEDOUT, "{out}");
                    }
                    ready.set(ready.get() - 1);
                    taken.set(taken.get() + 1);
                }
                assert_eq!(mutex.unlock(), 0);
                if n % 16 == 0 {
                    give_way();
                }
            }
        });
        assert_eq!((ready.get(), taken.get()), (0, 1200), "{sort:?}");
    }
}

/// glibc has two versions of these; the old one has another layout.
#[test]
fn behind_the_shims_are_the_new_condition_variables() {
    for name in [c"pthread_cond_wait", c"pthread_cond_signal", c"pthread_cond_broadcast"] {
        // SAFETY: C strings.
        let [next, old, new] = unsafe {
            let version =
                |v: &std::ffi::CStr| libc::dlvsym(libc::RTLD_NEXT, name.as_ptr(), v.as_ptr());
            let next = libc::dlsym(libc::RTLD_NEXT, name.as_ptr());
            [next, version(c"GLIBC_2.2.5"), version(c"GLIBC_2.3.2")]
        };
        assert!(!next.is_null() && next != old, "{name:?}");
        assert_eq!(next, new, "{name:?}");
    }
}
