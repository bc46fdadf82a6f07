//! Semaphores, `pthread_once` and barriers.

use super::objects::*;
use super::{MS, SORTS, Sort, alone, give_way, together};
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::thread;

#[test]
fn semaphores_count() {
    for sort in SORTS {
        let turns = [Sem::new(1), Sem::new(0)];
        together(sort, 2, |me| {
            for _ in 0..1000 {
                assert_eq!((turns[me].wait(), turns[1 - me].post()), (0, 0));
            }
        });
        assert_eq!((turns[0].value(), turns[1].value()), (1, 0));
        let sem = Sem::new(0);
        let taken = AtomicUsize::new(0);
        together(sort, 8, |i| {
            for n in 0..500 {
                if i < 4 {
                    assert_eq!(sem.post(), 0);
                } else {
                    assert_eq!(sem.wait(), 0);
                    taken.fetch_add(1, SeqCst);
                }
                if n % 32 == 0 {
                    give_way();
                }
            }
        });
        assert_eq!((taken.into_inner(), sem.value()), (2000, 0), "{sort:?}");
    }
    alone(|| {
        let sem = Sem::new(1);
        assert_eq!(sem.wait(), 0);
        for clock in [libc::CLOCK_REALTIME, libc::CLOCK_MONOTONIC] {
            assert_eq!(sem.clockwait(clock, after(5 * MS, clock)), libc::ETIMEDOUT);
        }
        assert_eq!(sem.timedwait(after(5 * MS, libc::CLOCK_REALTIME)), libc::ETIMEDOUT);
        let none = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000_000 };
        assert_eq!(sem.timedwait(none), libc::EINVAL);
        assert_eq!((sem.post(), sem.timedwait(after(MS, 0)), sem.value()), (0, 0, 0));
    });
}

#[test]
fn an_initialiser_that_sleeps_runs_once_and_all_wait_for_it() {
    static RAN: AtomicUsize = AtomicUsize::new(0);
    static DONE: AtomicUsize = AtomicUsize::new(0);
    extern "C-unwind" fn slow() {
        RAN.fetch_add(1, SeqCst);
        thread::sleep(20 * MS);
        DONE.fetch_add(1, SeqCst);
    }
    for (round, sort) in SORTS.into_iter().cycle().take(6).enumerate() {
        let once = OnceWord::new();
        together(sort, 20, |i| {
            if round >= 3 && i == 0 {
                thread::sleep(5 * MS); // the other sort comes first
            }
            assert_eq!(once.call(slow), 0);
            assert_eq!(DONE.load(SeqCst), round + 1);
        });
        assert_eq!(RAN.load(SeqCst), round + 1, "{sort:?}");
    }
}

#[test]
fn a_barrier_lets_go_when_all_have_come() {
    for sort in SORTS {
        let barrier = Barrier::new(10);
        let (come, serial) = (AtomicUsize::new(0), AtomicUsize::new(0));
        together(sort, 10, |_| {
            for round in 1..=100 {
                come.fetch_add(1, SeqCst);
                match barrier.wait() {
                    0 => {}
                    libc::PTHREAD_BARRIER_SERIAL_THREAD => {
                        serial.fetch_add(1, SeqCst);
                    }
                    other => panic!("{other}"),
                }
                assert!(come.load(SeqCst) >= round * 10);
            }
        });
        assert_eq!((come.into_inner(), serial.into_inner()), (1000, 100), "{sort:?}");
    }
}

/// The one who destroys it does not wait for the others in the kernel.
#[test]
fn a_barrier_is_destroyed_by_who_leaves_first() {
    for sort in SORTS {
        for _ in 0..50 {
            let barrier = Barrier::new(4);
            together(sort, 4, |_| {
                if barrier.wait() == libc::PTHREAD_BARRIER_SERIAL_THREAD {
                    assert_eq!(barrier.destroy(), 0);
                }
            });
        }
    }
}

/// What C++ does when the initialiser of a `std::call_once` throws.
#[test]
fn an_initialiser_may_unwind_on_an_os_thread() {
    static RAN: AtomicUsize = AtomicUsize::new(0);
    extern "C-unwind" fn fails_first() {
        if RAN.fetch_add(1, SeqCst) == 0 {
            std::panic::resume_unwind(Box::new(()));
        }
    }
    together(Sort::Os, 1, |_| {
        let mut once = 0;
        let mut call = || {
            // SAFETY: a fresh one, which nobody else knows.
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| unsafe {
                pthread_once(&mut once, fails_first)
            }))
        };
        assert!(call().is_err());
        assert!(matches!(call(), Ok(0)));
        assert!(matches!(call(), Ok(0)));
        assert_eq!(RAN.load(SeqCst), 2);
    });
}
