//! Pools: their bound, waiting for a place, and how they end.

mod common;

use common::{Counted, Random, in_child, slow, until, workers};
use greenroom::{JoinError, Pool, PoolFull, park, sleep, spawn, yield_now};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(5);

/// Counts how many are inside at once, and the most there ever were.
#[derive(Default)]
struct Meter {
    inside: AtomicUsize,
    most: AtomicUsize,
}

impl Meter {
    /// Stays inside until `enough` knows the most there ever were.
    fn pass(&self, enough: impl Fn(usize) -> bool) {
        let inside = self.inside.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(inside, SeqCst);
        yield_now();
        sleep(Duration::from_micros(50));
        until(|| enough(self.most.load(SeqCst)));
        self.inside.fetch_sub(1, SeqCst);
    }
}

#[test]
fn never_more_than_its_size() {
    let deed = || {
        let pool = Pool::new(5);
        let meter = Arc::new(Meter::default());
        for n in 0..200 {
            let meter = meter.clone();
            // The first ones stay until they have all met.
            pool.spawn(move || meter.pass(|most| n >= 5 || most >= 5));
            assert!(pool.len() <= 5);
        }
        pool.join().unwrap();
        assert_eq!(meter.most.load(SeqCst), 5);
        assert_eq!((pool.free_count(), pool.size(), pool.len()), (5, 5, 0));
    };
    workers(2, move || {
        deed();
        spawn(deed).join().unwrap();
    });
}

/// Whoever was joined has left, and whoever joined the pool finds it free.
#[test]
fn a_place_is_free_when_its_member_has_ended() {
    workers(2, || {
        let pool = Pool::new(1);
        for n in 0..3000 {
            let handle = pool
                .try_spawn(move || {
                    if n % 2 == 0 {
                        yield_now()
                    }
                })
                .unwrap();
            match n % 3 {
                0 => handle.join().unwrap(),
                1 => pool.join().unwrap(),
                _ => until(|| handle.is_finished()),
            }
            assert_eq!((pool.free_count(), pool.len()), (1, 0));
        }
    });
}

#[test]
fn a_full_one_refuses_or_lets_wait() {
    workers(2, || {
        let pool = Pool::new(2);
        let (one, other) = (pool.spawn(park), pool.spawn(park));
        let PoolFull(job) = pool.try_spawn(|| 7).unwrap_err();
        assert!(!pool.wait_available_timeout(SOON));
        let theirs = pool.clone();
        let waits = spawn(move || theirs.spawn(job).join().unwrap());
        let theirs = pool.clone();
        let waits_too = std::thread::spawn(move || theirs.spawn(|| 8).join().unwrap());
        sleep(SOON);
        assert!(!waits.is_finished());
        one.thread().unpark();
        assert_eq!((waits.join().unwrap(), waits_too.join().unwrap()), (7, 8));
        pool.wait_available();
        assert_eq!(pool.free_count(), 1);
        other.thread().unpark();
        pool.join().unwrap();
        assert_eq!(pool.free_count(), 2);
        assert!(format!("{:?} {pool:?}", PoolFull(())).contains("free: 2"));
    });
}

/// Nor do they take the place from those who come meanwhile.
#[test]
fn those_who_wait_for_a_place_take_none() {
    workers(1, || {
        spawn(|| {
            let pool = Pool::new(1);
            for round in 0..20 {
                let busy = pool.spawn(park);
                let waiters: Vec<_> = (0..3)
                    .map(|n| {
                        let pool = pool.clone();
                        spawn(move || match n {
                            0 => pool.wait_available(),
                            _ => assert!(pool.wait_available_timeout(Duration::from_secs(60))),
                        })
                    })
                    .collect();
                sleep(SOON); // all of them wait
                busy.thread().unpark();
                while !busy.is_finished() {
                    yield_now();
                }
                assert_eq!(pool.free_count(), 1);
                let late = pool.try_spawn(move || round).unwrap();
                waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
                assert_eq!(late.join().unwrap(), round);
            }
        })
        .join()
        .unwrap();
    });
}

/// With one worker the order is exact: those that wait are served in turn.
#[test]
fn who_comes_first_is_served_first() {
    workers(1, || {
        spawn(|| {
            let pool = Pool::new(1);
            let first = pool.spawn(park);
            let (tell, told) = channel();
            let waiters: Vec<_> = (0..5)
                .map(|n| {
                    let (pool, tell) = (pool.clone(), tell.clone());
                    spawn(move || pool.spawn(move || tell.send(n).unwrap()).join().unwrap())
                })
                .collect();
            sleep(SOON); // all of them wait
            first.thread().unpark();
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
            assert_eq!(told.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        })
        .join()
        .unwrap();
    });
}

/// One that is killed while it waits for a place leaves the line, and takes
/// none.
#[test]
fn a_waiter_that_is_killed_leaves_the_line() {
    workers(2, || {
        let pool = Pool::new(1);
        let busy = pool.spawn(park);
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let (pool, one) = (pool.clone(), Counted::new());
                spawn(move || {
                    let inner = pool.clone();
                    drop(pool.spawn(move || drop((one, inner))));
                    pool.wait_available();
                })
            })
            .collect();
        sleep(SOON);
        waiters.iter().for_each(|waiter| waiter.kill());
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap_err().is_killed()));
        Counted::assert_gone(3);
        busy.thread().unpark();
        pool.join().unwrap();
        assert_eq!(pool.free_count(), 1);
        pool.try_spawn(|| ()).unwrap().join().unwrap();
    });
}

#[test]
fn apply_from_everywhere() {
    workers(2, || {
        let pool = Pool::new(1);
        assert_eq!(pool.apply(|| 1), 1);
        let theirs = pool.clone();
        assert_eq!(spawn(move || theirs.apply(|| 2)).join().unwrap(), 2);
        // Within itself, to any depth, though there is but one place.
        fn nested(pool: &Pool, depth: usize) -> usize {
            let inner = pool.clone();
            pool.apply(move || if depth == 0 { 0 } else { 1 + nested(&inner, depth - 1) })
        }
        assert_eq!(nested(&pool, 20), 20);
        let failed = spawn({
            let pool = pool.clone();
            move || pool.apply(|| std::panic::panic_any(7_u8))
        });
        let payload = failed.join().unwrap_err().into_panic().unwrap();
        assert_eq!(*payload.downcast::<u8>().unwrap(), 7);
        assert_eq!(pool.join().unwrap_err().count(), 1);
    });
}

#[test]
fn apply_async_does_not_wait() {
    workers(2, || {
        let pool = Pool::new(1);
        let busy = pool.spawn(park);
        let (tell, told) = channel();
        let jobs: Vec<_> = (0..10)
            .map(|n| {
                let tell = tell.clone();
                pool.apply_async(move || n * n, move |square| tell.send(square).unwrap())
            })
            .collect();
        let fails = pool.apply_async(|| panic!("on purpose"), |()| unreachable!());
        assert_eq!(pool.len(), 12);
        assert!(told.try_recv().is_err());
        busy.thread().unpark();
        // Callbacks are done when the pool is.
        assert_eq!(pool.join().unwrap_err().count(), 1);
        let mut squares: Vec<i32> = told.try_iter().collect();
        squares.sort();
        assert_eq!(squares, (0..10).map(|n| n * n).collect::<Vec<_>>());
        assert!(jobs.into_iter().all(|job| job.join().is_ok()));
        assert!(fails.join().unwrap_err().is_panic());
        assert_eq!(pool.free_count(), 1);
    });
}

/// Members and those in line go on, and nobody else comes in.
#[test]
fn a_closed_one_ends_in_good_order() {
    workers(2, || {
        let pool = Pool::new(1);
        let busy = pool.spawn(park);
        let (tell, told) = channel();
        pool.apply_async(|| 1, move |one| tell.send(one).unwrap());
        let theirs = pool.clone();
        let late = spawn(move || theirs.spawn(|| 2).join());
        sleep(SOON);
        pool.close();
        assert!(matches!(pool.try_spawn(|| 3), Err(PoolFull(_))));
        let error = pool.spawn(|| 4).join().unwrap_err();
        assert!(matches!(error, JoinError::NotStarted(_)) && error.to_string().contains("closed"));
        busy.thread().unpark();
        pool.join().unwrap();
        assert_eq!(told.recv().unwrap(), 1);
        assert!(late.join().unwrap().is_err(), "it waited for a place, and came too late");
        assert_eq!(pool.free_count(), 1);
    });
}

/// Closed while what is inherited is cloned: what was to run comes back.
#[test]
fn who_comes_as_it_closes_is_sent_back() {
    greenroom::green_local! {
        #[inherit]
        static COPIED: RefCell<slow::Copied> = RefCell::default();
    }
    workers(1, || {
        let pool = Pool::new(1);
        let copied = slow::Copied::default();
        let (begun, go, theirs) = (copied.begun.clone(), copied.go.clone(), pool.clone());
        let comes = spawn(move || {
            COPIED.set(copied);
            let PoolFull(f) = theirs.try_spawn(|| 7).unwrap_err();
            f()
        });
        until(|| begun.load(SeqCst) == 1);
        pool.close();
        go.set();
        assert_eq!(comes.join().unwrap(), 7);
        assert_eq!((pool.free_count(), pool.len()), (1, 0));
    });
}

/// Whoever comes as it closes is let in and runs, or is sent back; and nobody runs
/// any more once it was closed and joined.
#[test]
fn who_is_let_in_runs() {
    workers(2, || {
        let mut let_in = 0;
        for round in 0..500 {
            let (pool, ran) = (Pool::new(2), Arc::new(AtomicUsize::new(0)));
            let (theirs, count) = (pool.clone(), ran.clone());
            let comes = std::thread::spawn(move || {
                let mut handles = Vec::new();
                while handles.len() < 100 {
                    let count = count.clone();
                    match theirs.try_spawn(move || count.fetch_add(1, SeqCst)) {
                        Ok(handle) => handles.push(handle),
                        Err(_) if theirs.free_count() == 2 => break,
                        Err(_) => std::hint::spin_loop(),
                    }
                }
                handles
            });
            if round % 2 == 0 {
                until(|| ran.load(SeqCst) > 0); // else it may come too late each time
            }
            (0..round * 20).for_each(|_| std::hint::spin_loop());
            pool.close();
            pool.join().unwrap();
            let before = ran.load(SeqCst);
            let handles = comes.join().unwrap();
            assert_eq!((handles.len(), ran.load(SeqCst)), (before, before));
            let_in += before;
            assert!(handles.into_iter().all(|handle| handle.join().is_ok()));
        }
        assert!(let_in > 0);
    });
}

#[test]
fn kill_ends_members_and_those_in_line() {
    workers(2, || {
        let pool = Pool::new(3);
        let members: Vec<_> = (0..3)
            .map(|_| {
                let one = Counted::new();
                pool.spawn(move || {
                    let _one = one;
                    park();
                })
            })
            .collect();
        // One of these may get the place of a member that was killed before it.
        let in_line: Vec<_> = (0..5)
            .map(|_| {
                let one = Counted::new();
                pool.apply_async(move || one, |_| park())
            })
            .collect();
        pool.kill();
        Counted::assert_gone(8);
        assert!(in_line.into_iter().all(|one| one.join().unwrap_err().is_killed()));
        assert_eq!((pool.len(), pool.free_count()), (0, 3));
        assert!(members.into_iter().all(|one| one.join().unwrap_err().is_killed()));
        pool.join().unwrap();
        assert_eq!(pool.apply(|| 7), 7);
    });
}

/// A pool that gets no stacks gives its places back.
#[test]
fn those_that_cannot_start_leave_as_well() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_STACK_SIZE", "1073741824")];
    let ended = in_child(&vars, || {
        spawn(|| ()).join().unwrap();
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
        common::set_limit(libc::RLIMIT_AS, (pages << 12) + (900 << 20));
        let pool = Pool::new(20);
        // Some may get stacks that were used before.
        let started = Arc::new(AtomicUsize::new(0));
        let handles: Vec<_> = (0..20)
            .map(|_| {
                let started = started.clone();
                pool.spawn(move || {
                    started.fetch_add(1, SeqCst);
                    park();
                })
            })
            .collect();
        until(|| pool.free_count() + started.load(SeqCst) == 20);
        let refused = 20 - started.load(SeqCst);
        assert!(refused > 0 && pool.len() == 20 - refused);
        pool.kill();
        common::set_limit(libc::RLIMIT_AS, u64::MAX);
        assert_eq!((pool.len(), pool.free_count()), (0, 20));
        let failed = handles.into_iter().map(|h| h.join().unwrap_err());
        assert_eq!(failed.filter(|e| matches!(e, JoinError::NotStarted(_))).count(), refused);
        assert_eq!(pool.join().unwrap_err().count(), refused);
    });
    ended.assert_success();
}

/// Many spawners, kills, panics and joiners: never too many, and none lost.
#[test]
fn races_keep_the_bound() {
    const SPAWNERS: u64 = 6;
    const EACH: usize = 400;
    in_child(&[("GREENROOM_WORKERS", "2")], || {
        std::panic::set_hook(Box::new(|_| {}));
        let pool = Pool::new(4);
        let inside = Arc::new(AtomicUsize::new(0));
        struct Inside(Arc<AtomicUsize>);
        impl Drop for Inside {
            fn drop(&mut self) {
                self.0.fetch_sub(1, SeqCst);
            }
        }
        let spawners: Vec<_> = (0..SPAWNERS)
            .map(|seed| {
                let (pool, inside) = (pool.clone(), inside.clone());
                spawn(move || {
                    let mut random = Random::new(seed + 1);
                    for _ in 0..EACH {
                        let (one, inside, what) = (Counted::new(), inside.clone(), random.below(5));
                        let handle = pool.spawn(move || {
                            let _one = one;
                            assert!(inside.fetch_add(1, SeqCst) < 4, "too many");
                            let _inside = Inside(inside);
                            match what {
                                0 => panic!("on purpose"),
                                1 => park(),
                                _ => yield_now(),
                            }
                        });
                        match what {
                            1 => handle.kill(),
                            2 => drop(handle.join()),
                            3 => handle.thread().request_kill(),
                            _ => drop(handle),
                        }
                    }
                })
            })
            .collect();
        spawners.into_iter().for_each(|spawner| spawner.join().unwrap());
        let error = pool.join().unwrap_err();
        assert!(error.failures().iter().all(|f| f.message() == Some("on purpose")), "{error}");
        assert_eq!((pool.free_count(), inside.load(SeqCst)), (4, 0));
        Counted::assert_gone(SPAWNERS as usize * EACH);
    })
    .assert_success();
}

#[test]
fn what_may_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    fn moves<T: Send>() {}
    crosses::<Pool>();
    crosses::<greenroom::Group>();
    crosses::<greenroom::GroupError>();
    crosses::<greenroom::OnFinish>();
    moves::<greenroom::IWait<std::cell::Cell<u8>>>();
    moves::<greenroom::IMapUnordered<std::vec::IntoIter<u8>, fn(u8), ()>>();
}
