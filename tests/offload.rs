//! `offload` and `ThreadPool`: OS threads for what can only block.

mod common;

use common::{Counted, in_child, set_limit, spin_until, until, workers};
use greenroom::{JoinError, ThreadPool, offload, spawn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

/// Waits in the kernel until `n` of these are there.
fn meet(n: usize) -> Arc<dyn Fn() + Send + Sync> {
    let barrier = Barrier::new(n);
    Arc::new(move || {
        barrier.wait();
    })
}

fn offload_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let comms = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    comms.filter(|comm| comm.starts_with("greenroom-offlo")).count()
}

/// All of them block at once, on one worker, which goes on running others.
#[test]
fn green_threads_park_meanwhile() {
    workers(1, || {
        static TURNS: AtomicUsize = AtomicUsize::new(0);
        let together = meet(33);
        let party = |_| {
            let together = together.clone();
            spawn(move || offload(move || together()))
        };
        let parties: Vec<_> = (0..32).map(party).collect();
        let runner = spawn(|| {
            for _ in 0..100 {
                TURNS.fetch_add(1, SeqCst);
                greenroom::yield_now();
            }
        });
        runner.join().unwrap();
        assert_eq!(TURNS.load(SeqCst), 100);
        assert!(parties.iter().all(|p| !p.is_finished()));
        together();
        parties.into_iter().for_each(|p| p.join().unwrap());
    });
}

#[test]
fn results_and_panics_travel() {
    workers(1, || {
        let both = || {
            let (here, there) = (thread::current().id(), offload(|| thread::current().id()));
            assert_ne!(here, there);
            assert!(offload(greenroom::current).is_none());
            let payload =
                catch_unwind(|| offload(|| -> u32 { panic!("no {}", "luck".to_owned()) }));
            assert_eq!(payload.unwrap_err().downcast_ref::<String>().unwrap(), "no luck");
            drop(offload(Counted::new));
        };
        both();
        spawn(both).join().unwrap();
        Counted::assert_gone(2);
    });
}

/// Never more threads than configured; an offloaded call may offload.
#[test]
fn bounded_and_nested() {
    in_child(&[("GREENROOM_OFFLOAD_THREADS", "3"), ("GREENROOM_WORKERS", "1")], || {
        static INSIDE: AtomicUsize = AtomicUsize::new(0);
        let together = meet(3);
        let party = |_| {
            let together = together.clone();
            spawn(move || {
                offload(move || {
                    assert!(INSIDE.fetch_add(1, SeqCst) < 3);
                    together(); // in threes, or never
                    let deep = offload(|| offload(|| thread::current().id()));
                    assert_eq!(deep, thread::current().id());
                    INSIDE.fetch_sub(1, SeqCst);
                })
            })
        };
        let parties: Vec<_> = (0..30).map(party).collect();
        parties.into_iter().for_each(|p| p.join().unwrap());
        assert_eq!(offload_threads(), 3);
    })
    .assert_success();
}

/// Whatever is patched, the threads are real.
#[test]
fn real_threads_under_the_patch() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let look = || {
            offload(|| {
                let name = thread::current().name().unwrap().to_owned();
                assert!(name.starts_with("greenroom-offload-"), "{name}");
                assert!(greenroom::current().is_none());
                common::os_thread()
            })
        };
        let worker = spawn(common::os_thread).join().unwrap();
        assert_ne!(spawn(look).join().unwrap(), worker);
        assert_ne!(look(), worker);
        let pool = ThreadPool::new(2);
        assert_ne!(spawn(move || pool.apply(common::os_thread)).join().unwrap(), worker);
    });
}

/// No thread to be had: the job runs where it is; with one, it waits for that.
#[test]
fn threads_run_out() {
    workers(1, || {
        let stay = ThreadPool::new(4);
        let first = stay.apply(common::os_thread);
        let me = spawn(common::os_thread).join().unwrap();
        let pages: u64 = {
            let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
            statm.split(' ').next().unwrap().parse().unwrap()
        };
        // Room for the heap, and for no stack.
        set_limit(libc::RLIMIT_AS, pages * 4096 + 1_500_000);
        assert!(thread::Builder::new().spawn(|| ()).is_err());
        assert_eq!(spawn(|| offload(common::os_thread)).join().unwrap(), me);
        let jobs: Vec<_> = (0..10).map(|_| stay.spawn(common::os_thread)).collect();
        for job in jobs {
            assert_eq!(job.join().unwrap(), first, "the one that there is takes them all");
        }
    });
}

/// A child of fork has no threads, and its jobs run in place.
#[test]
fn a_forked_child_does_without() {
    workers(1, || {
        let pool = ThreadPool::new(1);
        assert_eq!(pool.apply(|| 1) + offload(|| 2), 3);
        // SAFETY: the child makes few calls, and then exits at once.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let me = thread::current().id();
            let here = move || thread::current().id() == me;
            let ends = || pool.apply(|| greenroom::sleep(Duration::from_secs(3600)));
            let ended = greenroom::timeout(Duration::from_millis(5), ends);
            let fine = pool.apply(here) && offload(here) && ended.is_err();
            let fine = fine && pool.shutdown(true).is_empty();
            // SAFETY: as above.
            unsafe { libc::_exit(if fine { 7 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: an out pointer.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(libc::WEXITSTATUS(status), 7, "{status:x}");
        assert_eq!(pool.apply(|| 1), 1);
    });
}

/// A pool of one thread that is busy until told.
fn busy(queue: usize) -> (Arc<ThreadPool>, mpsc::Sender<()>, greenroom::JoinHandle<()>) {
    let pool = Arc::new(ThreadPool::bounded(1, queue));
    let (go, wait) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let first = pool.spawn(move || {
        begun.send(()).unwrap();
        let _ = wait.recv();
    });
    begins.recv().unwrap();
    (pool, go, first)
}

/// Those who wait for a place are let in in their order.
#[test]
fn a_full_queue_is_waited_for_in_turn() {
    workers(1, || {
        let (pool, go, first) = busy(1);
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let queued = pool.try_spawn(|| ()).unwrap();
        assert!(matches!(pool.try_spawn(|| ()), Err(greenroom::PoolError::Full(_))));
        let spawners: Vec<_> = (0..5)
            .map(|n| {
                let (pool, order) = (pool.clone(), order.clone());
                let spawner = spawn(move || pool.spawn(move || order.lock().unwrap().push(n)));
                spawn(greenroom::yield_now).join().unwrap(); // it waits by now
                assert!(!spawner.is_finished());
                spawner
            })
            .collect();
        go.send(()).unwrap();
        first.join().unwrap();
        queued.join().unwrap();
        for spawner in spawners {
            spawner.join().unwrap().join().unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
        until(|| pool.unfinished() == 0);
    });
}

#[test]
fn shutting_down_waits_for_all() {
    workers(1, || {
        let pool = Arc::new(ThreadPool::new(2));
        let done = Arc::new(AtomicUsize::new(0));
        let job = |_| {
            let done = done.clone();
            pool.spawn(move || {
                thread::sleep(Duration::from_millis(2));
                done.fetch_add(1, SeqCst)
            })
        };
        let jobs: Vec<_> = (0..20).map(job).collect();
        let shared = pool.clone();
        let left = spawn(move || shared.shutdown(true)).join().unwrap();
        assert!(left.is_empty());
        assert_eq!(done.load(SeqCst), 20);
        assert!(jobs.iter().all(|job| job.is_finished()));
        let late = pool.spawn(|| ()).join().unwrap_err();
        assert!(matches!(late, JoinError::NotStarted(_)), "{late:?}");
        assert!(late.to_string().contains("shut down"), "{late}");
        assert!(matches!(pool.try_spawn(|| ()), Err(greenroom::PoolError::Shutdown(_))));
        assert!(pool.shutdown(true).is_empty(), "twice is once");
        until(|| offload_threads() == 0);
    });
}

#[test]
fn shutting_down_gives_the_jobs_back() {
    workers(1, || {
        let (pool, go, first) = busy(3);
        let queued: Vec<_> = (0..3).map(|n| pool.spawn(move || (n, Counted::new()))).collect();
        let waiting = pool.clone();
        let waiting = spawn(move || waiting.spawn(|| ()));
        spawn(greenroom::yield_now).join().unwrap();
        let mut left = pool.shutdown(false);
        assert_eq!(left.len(), 3);
        assert!(waiting.join().unwrap().join().is_err(), "it found no place");
        left.remove(0).run();
        drop(left);
        let results: Vec<_> = queued.into_iter().map(|job| job.join().ok().map(|r| r.0)).collect();
        assert_eq!(results, [Some(0), None, None]);
        Counted::assert_gone(1);
        assert!(!first.is_finished());
        go.send(()).unwrap();
        assert!(pool.shutdown(true).is_empty());
        assert!(first.is_finished());
    });
}

#[test]
fn panics_travel_from_a_pool() {
    workers(1, || {
        let pool = ThreadPool::new(3);
        let odd = |n: u32| if n % 2 == 1 { panic!("{n} is odd") } else { n };
        let failed = catch_unwind(AssertUnwindSafe(|| pool.map(0..6, odd))).unwrap_err();
        assert_eq!(failed.downcast_ref::<String>().unwrap(), "1 is odd");
        assert!(pool.spawn(move || odd(3)).join().unwrap_err().is_panic());
        assert!(catch_unwind(AssertUnwindSafe(|| pool.apply(move || odd(5)))).is_err());
        assert_eq!(pool.apply(move || odd(6)), 6, "its threads live on");
        assert!(catch_unwind(|| ThreadPool::new(0)).is_err());
    });
}

/// A job may shut its own pool down, and a dropped pool finishes.
#[test]
fn ends_from_inside_and_by_dropping() {
    workers(1, || {
        let pool = Arc::new(ThreadPool::new(1));
        let own = pool.clone();
        pool.apply(move || assert!(own.shutdown(true).is_empty()));
        let pool = ThreadPool::new(1);
        let jobs: Vec<_> = (0..5).map(|n| pool.spawn(move || n)).collect();
        drop(pool);
        let sum: i32 = jobs.into_iter().map(|job| job.join().unwrap()).sum();
        assert_eq!(sum, 10);
        // Detached ones drop their results.
        let pool = ThreadPool::new(2);
        drop(pool.spawn(Counted::new));
        drop(pool);
        until(|| common::MADE.load(SeqCst) == 1);
        Counted::assert_gone(1);
        spin_until(|| offload_threads() == 0);
    });
}
