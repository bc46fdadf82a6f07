//! Signal handlers that wake green threads, and handlers of `pthread_atfork`
//! that were there before ours: both may come in the middle of anything.

use greenroom::patch::{self, Patch};
use greenroom::{Config, ThreadLocals};
use std::cell::UnsafeCell;
use std::mem::zeroed;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::*};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

struct Shared<T>(UnsafeCell<T>);
// SAFETY: what is in it is for all threads, by C's rules.
unsafe impl<T> Sync for Shared<T> {}

// SAFETY: zeroes, until `sem_init`.
static SEM: Shared<libc::sem_t> = Shared(UnsafeCell::new(unsafe { zeroed() }));
static MUTEX: Shared<libc::pthread_mutex_t> =
    Shared(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));
static POSTED: AtomicU64 = AtomicU64::new(0);
static TAKEN: AtomicU64 = AtomicU64::new(0);
static WORKER: AtomicI32 = AtomicI32::new(0);

unsafe extern "C" {
    fn sem_post(s: *mut libc::sem_t) -> i32;
    fn sem_timedwait(s: *mut libc::sem_t, until: *const libc::timespec) -> i32;
    fn pthread_mutex_timedlock(m: *mut libc::pthread_mutex_t, until: *const libc::timespec) -> i32;
    fn pthread_mutex_lock(m: *mut libc::pthread_mutex_t) -> i32;
    fn pthread_mutex_unlock(m: *mut libc::pthread_mutex_t) -> i32;
    fn pthread_atfork(
        prepare: Option<extern "C" fn()>,
        parent: Option<extern "C" fn()>,
        child: Option<extern "C" fn()>,
    ) -> i32;
    fn _Fork() -> i32;
}

const PAST: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };

/// Calls of C that cannot fail here.
macro_rules! c {
    ($call:expr) => {
        // SAFETY: valid arguments.
        unsafe { $call }
    };
}

extern "C" fn post(_: i32) {
    POSTED.fetch_add(1, Relaxed);
    c!(sem_post(SEM.0.get()));
}

extern "C" fn lock() {
    c!(pthread_mutex_lock(MUTEX.0.get()));
}

extern "C" fn unlock() {
    c!(pthread_mutex_unlock(MUTEX.0.get()));
}

/// One worker, its own thread-locals, and handlers from before the patch; and
/// no other test meanwhile.
fn ready() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        assert_eq!(c!(pthread_atfork(Some(lock), Some(unlock), Some(unlock))), 0);
        Config::new().workers(1).thread_locals(ThreadLocals::Own).install().unwrap();
        Patch::all().threads(false).apply().unwrap();
        c!(libc::sem_init(SEM.0.get(), 0, 0));
    });
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tid() -> i32 {
    c!(libc::syscall(libc::SYS_gettid)) as i32
}

/// Sends signals to `thread` until `done`.
fn pelt(thread: i32, done: impl Fn() -> bool) {
    while !done() {
        c!(libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGUSR1));
        (0..500).for_each(|_| std::hint::spin_loop());
    }
}

fn on_sigusr1() {
    // SAFETY: a handler that only does what is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = post as *const () as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, null_mut()), 0);
    }
}

/// The handler interrupts waits, wakes, switches, the worker's loop and an OS
/// thread that posts: no post is lost, and nothing hangs.
#[test]
fn sem_post_in_a_signal_handler() {
    let _alone = ready();
    on_sigusr1();
    static STOP: AtomicBool = AtomicBool::new(false);
    let taker = greenroom::spawn(|| {
        WORKER.store(tid(), SeqCst);
        loop {
            // In line and out of it, so that the handler finds it there.
            if c!(sem_timedwait(SEM.0.get(), &PAST)) == 0 {
                TAKEN.fetch_add(1, Relaxed);
            }
            if STOP.load(SeqCst) && TAKEN.load(Relaxed) == POSTED.load(SeqCst) {
                return;
            }
        }
    });
    while WORKER.load(SeqCst) == 0 {
        std::hint::spin_loop();
    }
    let start = Instant::now();
    pelt(WORKER.load(SeqCst), || {
        start.elapsed() > Duration::from_millis(700) && TAKEN.load(Relaxed) > 100
    });
    // Now an OS thread that posts is what is interrupted.
    let main = tid();
    let pelter = patch::native(|| {
        std::thread::spawn(move || {
            let start = Instant::now();
            pelt(main, || start.elapsed() > Duration::from_millis(700));
            STOP.store(true, SeqCst);
        })
    });
    while !pelter.is_finished() {
        post(0);
    }
    pelter.join().unwrap();
    post(0);
    taker.join().unwrap();
    let mut left = 0;
    assert_eq!(c!(libc::sem_getvalue(SEM.0.get(), &mut left)), 0);
    assert_eq!(TAKEN.load(SeqCst) + left as u64, POSTED.load(SeqCst));
}

/// Two wake each other all the time, and sit in their worker's seat meanwhile; the
/// handler wakes a third from amid all that.
#[test]
fn sem_post_while_neighbours_wake_each_other() {
    let _alone = ready();
    on_sigusr1();
    static STOP: AtomicBool = AtomicBool::new(false);
    static TURNS: AtomicU64 = AtomicU64::new(0);
    let before = (POSTED.load(SeqCst), TAKEN.load(SeqCst));
    let (ping, pong) = (std::sync::mpsc::channel::<u64>(), std::sync::mpsc::channel());
    let echo = greenroom::spawn(move || {
        WORKER.store(tid(), SeqCst);
        ping.1.into_iter().for_each(|turn| pong.0.send(turn).unwrap());
    });
    let caller = greenroom::spawn(move || {
        for turn in 0.. {
            ping.0.send(turn).unwrap();
            assert_eq!(pong.1.recv(), Ok(turn));
            TURNS.store(turn, Relaxed);
            if STOP.load(SeqCst) {
                return;
            }
        }
    });
    let taker = greenroom::spawn(move || {
        while !STOP.load(SeqCst) || TAKEN.load(Relaxed) - before.1 < POSTED.load(SeqCst) - before.0
        {
            if c!(libc::sem_wait(SEM.0.get())) == 0 {
                TAKEN.fetch_add(1, Relaxed);
            }
        }
    });
    while WORKER.load(SeqCst) == 0 {
        std::hint::spin_loop();
    }
    let start = Instant::now();
    pelt(WORKER.load(SeqCst), || {
        let (taken, turns) = (TAKEN.load(Relaxed) - before.1, TURNS.load(Relaxed));
        start.elapsed() > Duration::from_secs(1) && taken > 100 && turns > 1000
    });
    STOP.store(true, SeqCst);
    post(0);
    caller.join().unwrap();
    echo.join().unwrap();
    taker.join().unwrap();
}

/// A child of `fork` or `_Fork` that exits at once; its status.
fn forked(fork: unsafe extern "C" fn() -> i32, child: impl FnOnce() -> i32) -> i32 {
    let pid = c!(fork());
    assert!(pid >= 0);
    if pid == 0 {
        c!(libc::alarm(20));
        let status = child();
        c!(libc::_exit(status));
    }
    let mut status = 0;
    assert_eq!(c!(libc::waitpid(pid, &mut status, 0)), pid);
    assert!(libc::WIFEXITED(status), "{status:x}");
    libc::WEXITSTATUS(status)
}

/// While green threads stand in line for the very mutex that the child's first
/// handler unlocks: it looks for nobody to wake, and takes no lock of ours.
#[test]
fn atfork_handlers_from_before_the_patch() {
    let _alone = ready();
    static STOP: AtomicBool = AtomicBool::new(false);
    let rivals: Vec<_> = (0..4)
        .map(|_| {
            greenroom::spawn(|| {
                while !STOP.load(Relaxed) {
                    if c!(pthread_mutex_timedlock(MUTEX.0.get(), &PAST)) == 0 {
                        unlock();
                    }
                }
            })
        })
        .collect();
    for _ in 0..1000 {
        assert_eq!(forked(libc::fork, || 0), 0);
    }
    STOP.store(true, Relaxed);
    greenroom::joinall(rivals).into_iter().for_each(|r| r.unwrap());
}

/// `_Fork` calls no handlers; its child knows all the same that it has no
/// workers, on whichever thread it was called. (It must not allocate.)
#[test]
fn a_child_of_fork_alone_does_not_park() {
    let _alone = ready();
    let blocks = || {
        std::thread::sleep(Duration::from_millis(1));
        lock();
        unlock();
        c!(libc::usleep(1))
    };
    greenroom::spawn(|| ()).join().unwrap();
    assert_eq!(forked(_Fork, blocks), 0);
    assert_eq!(greenroom::spawn(move || forked(_Fork, blocks)).join().unwrap(), 0);
}
