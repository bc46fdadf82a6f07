//! Everything works from plain OS threads too, and leaves them as they were.

mod common;

use common::{in_child, os_thread, until, workers};
use greenroom::{current, joinall, park, sleep, sleep_until, spawn, spawn_later, yield_now};
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// An OS thread is no green thread, whatever it does with them.
#[test]
fn they_stay_os_threads() {
    workers(2, || {
        let here = os_thread();
        assert!(current().is_none());
        assert_ne!(spawn(os_thread).join().unwrap(), here);
        yield_now();
        sleep(Duration::from_millis(1));
        sleep(Duration::ZERO);
        sleep_until(Instant::now() + Duration::from_millis(1));
        spawn_later(Duration::from_millis(1), || ()).join().unwrap();
        assert!(current().is_none());
        assert_eq!(os_thread(), here);
    });
}

/// Several start the runtime at the same moment: once.
#[test]
fn many_first_spawns() {
    workers(2, || {
        let barrier = std::sync::Barrier::new(16);
        std::thread::scope(|s| {
            for n in 0..16 {
                let barrier = &barrier;
                s.spawn(move || {
                    barrier.wait();
                    assert_eq!(spawn(move || n).join().unwrap(), n);
                });
            }
        });
        common::assert_workers(2);
    });
}

/// `main` may join without any ceremony, as many as it likes.
#[test]
fn joinall_blocks_the_calling_thread_only() {
    workers(1, || {
        let slow: Vec<_> = (0..100)
            .map(|n| {
                spawn(move || {
                    park();
                    n
                })
            })
            .collect();
        let greens: Vec<_> = slow.iter().map(|h| h.thread().clone()).collect();
        std::thread::scope(|s| {
            let waiting = s.spawn(|| joinall(slow));
            for n in 0..100 {
                assert_eq!(spawn(move || n).join().unwrap(), n);
            }
            greens.iter().for_each(|green| green.unpark());
            let all = waiting.join().unwrap();
            assert!(all.into_iter().map(Result::unwrap).eq(0..100));
        });
    });
}

/// The wake-ups of joining and those of std's own park do not mix.
#[test]
fn joining_leaves_stds_token_alone() {
    workers(2, || {
        for n in 0..1000 {
            let me = std::thread::current();
            me.unpark();
            assert_eq!(spawn(move || n).join().unwrap(), n);
            // Would not return if joining had eaten the token.
            std::thread::park();
        }
        // Nor does joining leave one.
        assert!(spawn(park).join_timeout(Duration::from_millis(1)).is_err());
        let start = Instant::now();
        let limit = Duration::from_millis(20);
        std::thread::park_timeout(limit);
        assert!(start.elapsed() >= limit);
    });
}

/// Green threads and OS threads talk through std's channels: a send never
/// waits, and a worker that waits in `recv` is the program's own choice.
#[test]
fn channels_from_green_to_os() {
    workers(2, || {
        let (to_os, from_green) = mpsc::channel();
        let senders: Vec<_> = (0..100)
            .map(|n| {
                let to_os = to_os.clone();
                spawn(move || {
                    for k in 0..100 {
                        to_os.send(n * 100 + k).unwrap();
                        yield_now();
                    }
                })
            })
            .collect();
        drop(to_os);
        let mut all: Vec<_> = from_green.iter().collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..10_000));
        joinall(senders);
    });
}

/// A thread that ends joins from the destructors of its thread-locals, before
/// and after ours are gone.
#[test]
fn joining_while_a_thread_ends() {
    workers(2, || {
        static JOINED: AtomicUsize = AtomicUsize::new(0);
        struct Late(RefCell<Option<greenroom::JoinHandle<u32>>>);
        impl Drop for Late {
            fn drop(&mut self) {
                let handle = self.0.take().unwrap();
                assert_eq!(handle.join().unwrap(), 9);
                JOINED.fetch_add(1, SeqCst);
            }
        }
        thread_local!(static FIRST: Late = const { Late(RefCell::new(None)) });
        thread_local!(static LAST: Late = const { Late(RefCell::new(None)) });
        let slow = || {
            let handle = spawn(|| {
                sleep(Duration::from_millis(3));
                9
            });
            Some(handle)
        };
        for _ in 0..10 {
            let thread = std::thread::spawn(move || {
                // Destructors run in the order of first use: one before and
                // one after what joining itself keeps here.
                FIRST.with(|late| *late.0.borrow_mut() = slow());
                assert_eq!(slow().unwrap().join().unwrap(), 9);
                LAST.with(|late| *late.0.borrow_mut() = slow());
            });
            thread.join().unwrap();
        }
        assert_eq!(JOINED.load(SeqCst), 20);
    });
}

/// An OS thread started by a green thread is one.
#[test]
fn os_threads_of_green_threads() {
    workers(1, || {
        let green = spawn(|| {
            let here = os_thread();
            let os = std::thread::spawn(move || {
                assert!(current().is_none());
                assert_ne!(os_thread(), here);
                // Its green threads run on the worker, which waits here: so
                // it must not join them.
                spawn(|| 5)
            });
            let handle = os.join().unwrap();
            assert!(current().is_some());
            handle.join().unwrap()
        });
        assert_eq!(green.join().unwrap(), 5);
    });
}

/// Thousands of OS threads come and go, each with green threads of its own; some at
/// a time, since each waits for wake-ups, which take long where others keep the cores.
#[test]
fn short_lived_os_threads() {
    workers(2, || {
        let done = Arc::new(AtomicUsize::new(0));
        let short_lived = || {
            let (done, count) = (done.clone(), done.clone());
            std::thread::spawn(move || {
                drop(spawn(move || count.fetch_add(1, SeqCst)));
                spawn(move || done.fetch_add(1, SeqCst)).join().unwrap();
            })
        };
        std::thread::scope(|s| {
            for _ in 0..8 {
                s.spawn(|| (0..250).for_each(|_| short_lived().join().unwrap()));
            }
        });
        until(|| done.load(SeqCst) == 4000);
    });
}

/// A signal handler that interrupts sleeps and joins does not cut them short.
#[test]
fn signals_interrupt_nothing() {
    static SIGNALS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(_signal: i32) {
        SIGNALS.fetch_add(1, SeqCst);
    }
    let ended = in_child(&[("GREENROOM_WORKERS", "2")], || {
        let every = libc::timeval { tv_sec: 0, tv_usec: 500 };
        let timer = libc::itimerval { it_interval: every, it_value: every };
        let handler: extern "C" fn(i32) = count;
        // SAFETY: the handler only adds to a number; without SA_RESTART, so
        // that system calls really are interrupted.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as libc::sighandler_t;
            libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut());
            libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut());
        }
        let nap = || {
            for _ in 0..10 {
                let (start, limit) = (Instant::now(), Duration::from_millis(20));
                sleep(limit);
                assert!(start.elapsed() >= limit);
            }
        };
        let green: Vec<_> = (0..10).map(|_| spawn(nap)).collect();
        nap();
        assert!(joinall(green).into_iter().all(|r| r.is_ok()));
        let (start, limit) = (Instant::now(), Duration::from_millis(50));
        assert!(spawn(park).join_timeout(limit).is_err());
        assert!(start.elapsed() >= limit);
        assert!(SIGNALS.load(SeqCst) > 10);
    });
    ended.assert_success();
}
