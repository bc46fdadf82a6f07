//! C's locks, as C code uses them: each function is one call.

use libc::{c_int, clockid_t, timespec};
use std::cell::UnsafeCell;
use std::ptr;
use std::time::Duration;

pub(crate) const ERRORCHECK: c_int = libc::PTHREAD_MUTEX_ERRORCHECK;
pub(crate) const ADAPTIVE: c_int = 3;

type MutexT = libc::pthread_mutex_t;
type CondT = libc::pthread_cond_t;
type RwT = libc::pthread_rwlock_t;
type SemT = libc::sem_t;

// What the libc crate does not declare for glibc.
unsafe extern "C" {
    fn pthread_mutex_clocklock(m: *mut MutexT, c: clockid_t, t: *const timespec) -> c_int;
    fn pthread_cond_clockwait(
        c: *mut CondT,
        m: *mut MutexT,
        clock: clockid_t,
        t: *const timespec,
    ) -> c_int;
    fn pthread_rwlock_timedrdlock(l: *mut RwT, t: *const timespec) -> c_int;
    fn pthread_rwlock_timedwrlock(l: *mut RwT, t: *const timespec) -> c_int;
    fn pthread_rwlock_clockrdlock(l: *mut RwT, c: clockid_t, t: *const timespec) -> c_int;
    fn pthread_rwlock_clockwrlock(l: *mut RwT, c: clockid_t, t: *const timespec) -> c_int;
    fn sem_clockwait(s: *mut SemT, c: clockid_t, t: *const timespec) -> c_int;
}

unsafe extern "C-unwind" {
    pub(crate) fn pthread_once(once: *mut c_int, init: extern "C-unwind" fn()) -> c_int;
}

/// That time on `clock`.
pub(crate) fn after(d: Duration, clock: clockid_t) -> timespec {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid out pointer.
    unsafe { libc::clock_gettime(clock, &mut now) };
    let nanos = now.tv_nsec + i64::from(d.subsec_nanos());
    timespec {
        tv_sec: now.tv_sec + d.as_secs() as i64 + nanos / 1_000_000_000,
        tv_nsec: nanos % 1_000_000_000,
    }
}

/// A value that only the lock under test protects.
pub(crate) struct Plain<T>(UnsafeCell<T>);
// SAFETY: that it is reached by one thread at a time is what is tested.
unsafe impl<T> Sync for Plain<T> {}
impl<T: Copy> Plain<T> {
    pub(crate) fn new(value: T) -> Plain<T> {
        Plain(UnsafeCell::new(value))
    }
    pub(crate) fn get(&self) -> T {
        // SAFETY: as above.
        unsafe { self.0.get().read_volatile() }
    }
    pub(crate) fn set(&self, value: T) {
        // SAFETY: as above.
        unsafe { self.0.get().write_volatile(value) }
    }
}

/// Boxed, so that moving the handle does not move the object.
macro_rules! object {
    ($name:ident, $c:ty) => {
        pub(crate) struct $name(Box<UnsafeCell<$c>>);
        // SAFETY: made to be used by many threads.
        unsafe impl Sync for $name {}
        #[allow(dead_code)]
        impl $name {
            fn zeroed() -> $name {
                // SAFETY: plain C structures.
                $name(Box::new(UnsafeCell::new(unsafe { std::mem::zeroed() })))
            }
            fn p(&self) -> *mut $c {
                self.0.get()
            }
        }
    };
}

/// Methods that are one C function each; the object's name comes first.
macro_rules! calls {
    ($name:ident: $($method:ident($this:ident $(, $arg:ident: $ty:ty)*) = $call:expr;)*) => {
        impl $name {
            $(pub(crate) fn $method(&self, $($arg: $ty),*) -> c_int {
                let $this = self;
                // SAFETY: the object is initialised, and lives.
                unsafe { $call }
            })*
        }
    };
}

object!(Mutex, MutexT);
object!(Cond, CondT);
object!(RwLock, RwT);
object!(Sem, SemT);
object!(OnceWord, c_int);
object!(Barrier, libc::pthread_barrier_t);

impl Mutex {
    fn with(set: impl FnOnce(*mut libc::pthread_mutexattr_t) -> c_int) -> Mutex {
        let mutex = Mutex::zeroed();
        // SAFETY: initialises both before use.
        unsafe {
            let mut attr = std::mem::zeroed();
            libc::pthread_mutexattr_init(&mut attr);
            assert_eq!(set(&mut attr), 0);
            assert_eq!(libc::pthread_mutex_init(mutex.p(), &attr), 0);
        }
        mutex
    }
    pub(crate) fn new(kind: c_int) -> Mutex {
        // SAFETY: `with` passes initialised attributes.
        Mutex::with(|a| unsafe { libc::pthread_mutexattr_settype(a, kind) })
    }
    pub(crate) fn robust() -> Mutex {
        // SAFETY: as above.
        Mutex::with(|a| unsafe { libc::pthread_mutexattr_setrobust(a, 1) })
    }
    pub(crate) fn shared() -> Mutex {
        // SAFETY: as above.
        Mutex::with(|a| unsafe { libc::pthread_mutexattr_setpshared(a, 1) })
    }
}

calls! { Mutex:
    lock(m) = libc::pthread_mutex_lock(m.p());
    trylock(m) = libc::pthread_mutex_trylock(m.p());
    timedlock(m, t: timespec) = libc::pthread_mutex_timedlock(m.p(), &t);
    clocklock(m, c: clockid_t, t: timespec) = pthread_mutex_clocklock(m.p(), c, &t);
    unlock(m) = libc::pthread_mutex_unlock(m.p());
}

impl Cond {
    pub(crate) fn new(clock: Option<clockid_t>) -> Cond {
        let cond = Cond::zeroed();
        // SAFETY: initialises both before use.
        unsafe {
            let mut attr = std::mem::zeroed();
            libc::pthread_condattr_init(&mut attr);
            if let Some(clock) = clock {
                assert_eq!(libc::pthread_condattr_setclock(&mut attr, clock), 0);
            }
            assert_eq!(libc::pthread_cond_init(cond.p(), &attr), 0);
        }
        cond
    }
}

calls! { Cond:
    wait(c, m: &Mutex) = libc::pthread_cond_wait(c.p(), m.p());
    timedwait(c, m: &Mutex, t: timespec) = libc::pthread_cond_timedwait(c.p(), m.p(), &t);
    clockwait(c, m: &Mutex, k: clockid_t, t: timespec) = pthread_cond_clockwait(c.p(), m.p(), k, &t);
    signal(c) = libc::pthread_cond_signal(c.p());
    broadcast(c) = libc::pthread_cond_broadcast(c.p());
}

impl RwLock {
    pub(crate) fn new() -> RwLock {
        let lock = RwLock::zeroed();
        // SAFETY: a place for one.
        assert_eq!(unsafe { libc::pthread_rwlock_init(lock.p(), ptr::null()) }, 0);
        lock
    }
}

calls! { RwLock:
    rdlock(l) = libc::pthread_rwlock_rdlock(l.p());
    wrlock(l) = libc::pthread_rwlock_wrlock(l.p());
    unlock(l) = libc::pthread_rwlock_unlock(l.p());
    timed(l, c: Option<clockid_t>, write: bool, t: timespec) = match (c, write) {
        (None, false) => pthread_rwlock_timedrdlock(l.p(), &t),
        (None, true) => pthread_rwlock_timedwrlock(l.p(), &t),
        (Some(c), false) => pthread_rwlock_clockrdlock(l.p(), c, &t),
        (Some(c), true) => pthread_rwlock_clockwrlock(l.p(), c, &t),
    };
}

impl Sem {
    pub(crate) fn new(value: u32) -> Sem {
        let sem = Sem::zeroed();
        // SAFETY: a place for one.
        assert_eq!(unsafe { libc::sem_init(sem.p(), 0, value) }, 0);
        sem
    }
    pub(crate) fn value(&self) -> c_int {
        let mut value = 0;
        // SAFETY: initialised; a valid out pointer.
        unsafe { libc::sem_getvalue(self.p(), &mut value) };
        value
    }
}

/// What `errno` says, if it failed.
fn errno(result: c_int) -> c_int {
    // SAFETY: libc's own.
    let last = unsafe { *libc::__errno_location() };
    if result == 0 { 0 } else { last }
}

calls! { Sem:
    wait(s) = errno(libc::sem_wait(s.p()));
    timedwait(s, t: timespec) = errno(libc::sem_timedwait(s.p(), &t));
    clockwait(s, c: clockid_t, t: timespec) = errno(sem_clockwait(s.p(), c, &t));
    post(s) = errno(libc::sem_post(s.p()));
}

impl OnceWord {
    pub(crate) fn new() -> OnceWord {
        OnceWord::zeroed()
    }
}

calls! { OnceWord:
    call(o, init: extern "C-unwind" fn()) = pthread_once(o.p(), init);
}

impl Barrier {
    pub(crate) fn new(count: u32) -> Barrier {
        let barrier = Barrier::zeroed();
        // SAFETY: a place for one.
        assert_eq!(unsafe { libc::pthread_barrier_init(barrier.p(), ptr::null(), count) }, 0);
        barrier
    }
}

calls! { Barrier:
    wait(b) = libc::pthread_barrier_wait(b.p());
    destroy(b) = libc::pthread_barrier_destroy(b.p());
}
