//! With the family *sync*, C's locks park green threads: the same battery on OS
//! threads, on green threads, and on both at once.

#[path = "c_sync/objects.rs"]
mod objects;

use greenroom::{Config, patch::Patch};
use objects::*;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

/// One worker, or as many as the variable of the test that runs itself again
/// says.
fn ready() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let workers = std::env::var(WORKERS).map_or(1, |n| n.parse().unwrap());
        Config::new().workers(workers).install().unwrap();
        Patch::all().sync(true).apply().unwrap();
    });
}

const WORKERS: &str = "C_SYNC_WORKERS";

/// All of this again with two workers, which is another process.
#[test]
fn on_two_workers() {
    if std::env::var_os(WORKERS).is_some() {
        return;
    }
    let me = std::env::current_exe().unwrap();
    let out = std::process::Command::new(me).env(WORKERS, "2").output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Sort {
    Os,
    Green,
    /// Every other one.
    Both,
}

const SORTS: [Sort; 3] = [Sort::Os, Sort::Green, Sort::Both];

/// Runs `f(0)` to `f(n - 1)` at the same time, and waits for all.
fn together(sort: Sort, n: usize, f: impl Fn(usize) + Sync) {
    ready();
    let f: &(dyn Fn(usize) + Sync) = &f;
    // SAFETY: all threads are joined below, also if one has panicked.
    let f: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(f) };
    let (mut os, mut green) = (Vec::new(), Vec::new());
    for i in 0..n {
        if sort == Sort::Os || (sort == Sort::Both && i % 2 == 1) {
            os.push(thread::spawn(move || f(i)));
        } else {
            green.push(greenroom::spawn(move || f(i)));
        }
    }
    let green: Vec<_> = greenroom::joinall(green);
    let os: Vec<_> = os.into_iter().map(|t| t.join()).collect();
    green.into_iter().for_each(|r| r.unwrap());
    os.into_iter().for_each(|r| r.unwrap());
}

/// `f` on one thread of each sort.
fn alone(f: impl Fn() + Sync) {
    together(Sort::Os, 1, |_| f());
    together(Sort::Green, 1, |_| f());
}

fn give_way() {
    thread::yield_now();
}

const MS: Duration = Duration::from_millis(1);

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
            thread::sleep(5 * MS);
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
            assert!((19 * MS..1000 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
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

#[test]
fn writers_are_alone_and_readers_are_not() {
    for sort in SORTS {
        let lock = RwLock::new();
        let (value, readers, most) = (Plain::new(0), AtomicU32::new(0), AtomicU32::new(0));
        let come = AtomicU32::new(0);
        together(sort, 12, |i| {
            come.fetch_add(1, SeqCst);
            while come.load(SeqCst) < 12 {
                thread::sleep(MS);
            }
            for _ in 0..200 {
                if i < 4 {
                    assert_eq!(lock.wrlock(), 0);
                    assert_eq!(readers.load(SeqCst), 0);
                    let before = value.get();
                    give_way();
                    value.set(before + 1);
                } else {
                    assert_eq!(lock.rdlock(), 0);
                    most.fetch_max(readers.fetch_add(1, SeqCst) + 1, SeqCst);
                    let before = value.get();
                    give_way();
                    assert_eq!(value.get(), before);
                    readers.fetch_sub(1, SeqCst);
                }
                assert_eq!(lock.unlock(), 0);
            }
        });
        assert_eq!(value.get(), 800, "{sort:?}");
        assert!(sort == Sort::Os || most.into_inner() > 1, "readers share: {sort:?}");
    }
}

/// All readers get in as soon as the writer has left, although one of them
/// keeps the lock.
#[test]
fn readers_let_each_other_in() {
    for sort in SORTS {
        let lock = RwLock::new();
        let inside = AtomicUsize::new(0);
        together(sort, 11, |i| {
            if i == 0 {
                assert_eq!(lock.wrlock(), 0);
                thread::sleep(20 * MS);
            } else {
                thread::sleep(5 * MS);
                assert_eq!(lock.rdlock(), 0);
                inside.fetch_add(1, SeqCst);
                while inside.load(SeqCst) < 10 {
                    thread::sleep(MS);
                }
            }
            assert_eq!(lock.unlock(), 0);
        });
    }
}

#[test]
fn what_a_read_write_lock_answers() {
    alone(|| {
        let lock = RwLock::new();
        assert_eq!((lock.wrlock(), lock.wrlock()), (0, libc::EDEADLK));
        assert_eq!(lock.rdlock(), libc::EDEADLK);
        together(Sort::Both, 2, |_| {
            for (clock, write) in [(None, true), (None, false), (Some(1), true), (Some(1), false)] {
                let at = after(5 * MS, clock.unwrap_or(libc::CLOCK_REALTIME));
                assert_eq!(lock.timed(clock, write, at), libc::ETIMEDOUT);
            }
            let none = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000_000 };
            assert_eq!(lock.timed(None, true, none), libc::EINVAL);
        });
        assert_eq!((lock.unlock(), lock.rdlock(), lock.rdlock()), (0, 0, 0));
        let soon = after(5 * MS, libc::CLOCK_REALTIME);
        together(Sort::Both, 2, |_| assert_eq!(lock.timed(None, true, soon), libc::ETIMEDOUT));
        assert_eq!((lock.unlock(), lock.unlock(), lock.wrlock(), lock.unlock()), (0, 0, 0, 0));
    });
}

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
    extern "C" fn slow() {
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

/// Many more than there are workers, with OS threads among them.
#[test]
fn a_crowd_counts_exactly() {
    let mutex = Mutex::new(libc::PTHREAD_MUTEX_NORMAL);
    let count = Plain::new(0usize);
    ready();
    thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..2000 {
                    mutex.lock();
                    count.set(count.get() + 1);
                    mutex.unlock();
                }
            });
        }
        together(Sort::Green, 500, |i| {
            for n in 0..100 {
                mutex.lock();
                let before = count.get();
                if (n + i) % 16 == 0 {
                    give_way();
                }
                count.set(before + 1);
                mutex.unlock();
            }
        });
    });
    assert_eq!(count.get(), 58_000);
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
