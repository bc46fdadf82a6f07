//! Finds out what `pthread.rs` knows: makes objects of each kind, sees in which
//! bits they differ, and checks what must be taken for granted.

use super::pthread::{
    Layout, ONCE_DONE, ONCE_RUNS, Trait, barrier, know, layout, once_states, owner, word, writer,
};
use super::real;
use libc::{
    PTHREAD_PROCESS_SHARED as SHARED, c_int, pthread_barrier_t, pthread_barrierattr_t,
    pthread_cond_t, pthread_condattr_t, pthread_mutex_t, pthread_mutexattr_t, pthread_rwlock_t,
    sem_t,
};
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering::Relaxed;

/// Looks at libc's objects, once.
///
/// # Errors
/// Says which are not as expected.
pub(crate) fn learn() -> Result<(), &'static str> {
    if layout().is_none() {
        let layout = Layout::find()?;
        check_owners()?;
        check_once()?;
        check_barrier()?;
        know(layout);
    }
    Ok(())
}

/// How the word at `at` of `other` differs from that of `plain`.
fn difference_at<T>(at: usize, plain: &mut T, other: &mut T) -> Option<Trait> {
    // SAFETY: inside objects that were zero before they were initialised.
    let (a, b) = unsafe { (word(plain, at).load(Relaxed), word(other, at).load(Relaxed)) };
    (a != b).then_some(Trait { at, mask: a ^ b, is: b & (a ^ b) })
}

/// How `other` differs from `plain`, if by one word.
fn difference<T>(mut plain: T, mut other: T) -> Option<Trait> {
    let words = (0..size_of::<T>()).step_by(4);
    let mut found = words.filter_map(|at| difference_at(at, &mut plain, &mut other));
    found.next().filter(|_| found.next().is_none())
}

/// An object that `init` initialised with attributes that `set` changed.
fn made<A, T>(
    init_attr: unsafe extern "C" fn(*mut A) -> c_int,
    set: impl FnOnce(*mut A) -> c_int,
    init: impl FnOnce(*mut T, *const A) -> c_int,
) -> Option<T> {
    let (mut attr, mut object) = (MaybeUninit::zeroed(), MaybeUninit::zeroed());
    // SAFETY: C's plain structures, valid when zero.
    unsafe {
        let done = init_attr(attr.as_mut_ptr()) == 0
            && set(attr.as_mut_ptr()) == 0
            && init(object.as_mut_ptr(), attr.as_ptr()) == 0;
        done.then(|| object.assume_init())
    }
}

fn mutex(set: impl FnOnce(*mut pthread_mutexattr_t) -> c_int) -> Option<pthread_mutex_t> {
    // SAFETY: as `made` passes them.
    let init = |m, a| unsafe { libc::pthread_mutex_init(m, a) };
    made(libc::pthread_mutexattr_init, set, init)
}

fn cond(set: impl FnOnce(*mut pthread_condattr_t) -> c_int) -> Option<pthread_cond_t> {
    // SAFETY: as `made` passes them.
    let init = |c, a| unsafe { libc::pthread_cond_init(c, a) };
    made(libc::pthread_condattr_init, set, init)
}

fn sem(shared: c_int) -> Option<sem_t> {
    let mut sem = MaybeUninit::zeroed();
    // SAFETY: as in `made`.
    unsafe { (libc::sem_init(sem.as_mut_ptr(), shared, 0) == 0).then(|| sem.assume_init()) }
}

impl Layout {
    fn find() -> Result<Layout, &'static str> {
        // SAFETY: the attributes are initialised.
        let cond_trait =
            |set: fn(*mut pthread_condattr_t) -> c_int| difference(cond(|_| 0)?, cond(set)?);
        let [robust, protects, shared, checks] = mutex_traits().ok_or("mutex")?;
        Ok(Layout {
            mutex_robust: robust,
            mutex_protects: protects,
            mutex_shared: shared,
            mutex_checks: checks,
            // SAFETY: as above.
            cond_shared: cond_trait(|a| unsafe { libc::pthread_condattr_setpshared(a, SHARED) })
                .ok_or("condition variable")?,
            cond_monotonic: cond_trait(|a| {
                // SAFETY: as above.
                unsafe { libc::pthread_condattr_setclock(a, libc::CLOCK_MONOTONIC) }
            })
            .ok_or("condition variable")?,
            rwlock_shared: shared_trait(rwlock).ok_or("read-write lock")?,
            sem_shared: shared_trait(sem).ok_or("semaphore")?,
            barrier_shared: shared_trait(new_barrier).ok_or("barrier")?,
        })
    }
}

fn shared_trait<T>(new: fn(c_int) -> Option<T>) -> Option<Trait> {
    difference(new(0)?, new(SHARED)?)
}

/// Robust, protecting by priority, shared, checking for errors.
fn mutex_traits() -> Option<[Trait; 4]> {
    let kind = |kind| {
        // SAFETY: the attributes are initialised.
        let set = |a| unsafe { libc::pthread_mutexattr_settype(a, kind) };
        difference(mutex(|_| 0)?, mutex(set)?)
    };
    let recursive = kind(libc::PTHREAD_MUTEX_RECURSIVE)?;
    let checks = kind(libc::PTHREAD_MUTEX_ERRORCHECK)?;
    let trait_of = |set: fn(*mut pthread_mutexattr_t) -> c_int| {
        // A ceiling stands in another word as well.
        difference_at(checks.at, &mut mutex(|_| 0)?, &mut mutex(set)?)
    };
    Some([
        // SAFETY: as above.
        trait_of(|a| unsafe { libc::pthread_mutexattr_setrobust(a, libc::PTHREAD_MUTEX_ROBUST) })?,
        // SAFETY: as above.
        trait_of(|a| unsafe {
            libc::pthread_mutexattr_setprotocol(a, libc::PTHREAD_PRIO_PROTECT)
        })?,
        // SAFETY: as above.
        trait_of(|a| unsafe { libc::pthread_mutexattr_setpshared(a, SHARED) })?,
        Trait { mask: recursive.mask | checks.mask, ..checks },
    ])
}

fn rwlock(shared: c_int) -> Option<pthread_rwlock_t> {
    // SAFETY: initialised attributes; as `made` passes them.
    made(
        libc::pthread_rwlockattr_init,
        |a| unsafe { libc::pthread_rwlockattr_setpshared(a, shared) },
        // SAFETY: as above.
        |l, a| unsafe { libc::pthread_rwlock_init(l, a) },
    )
}

fn new_barrier(shared: c_int) -> Option<pthread_barrier_t> {
    // SAFETY: initialised attributes; as `made` passes them.
    made(
        libc::pthread_barrierattr_init,
        |a: *mut pthread_barrierattr_t| unsafe { libc::pthread_barrierattr_setpshared(a, shared) },
        // SAFETY: as above.
        |b, a| unsafe { libc::pthread_barrier_init(b, a, 1) },
    )
}

fn check_owners() -> Result<(), &'static str> {
    let mut mutex = libc::PTHREAD_MUTEX_INITIALIZER;
    let mut lock = libc::PTHREAD_RWLOCK_INITIALIZER;
    // SAFETY: objects that nobody else knows.
    unsafe {
        let free = (owner(&mut mutex), writer(&mut lock));
        libc::pthread_mutex_trylock(&mut mutex);
        libc::pthread_rwlock_trywrlock(&mut lock);
        let me = libc::gettid() as u32;
        let held = (owner(&mut mutex), writer(&mut lock));
        if (free, held) == ((0, 0), (me, me)) { Ok(()) } else { Err("mutex") }
    }
}

fn check_once() -> Result<(), &'static str> {
    let (running, after) = once_states();
    if running & (ONCE_RUNS | ONCE_DONE) == ONCE_RUNS && after == ONCE_DONE {
        Ok(())
    } else {
        Err("pthread_once_t")
    }
}

fn check_barrier() -> Result<(), &'static str> {
    let mut new = new_barrier(0).ok_or("barrier")?;
    // SAFETY: initialised for one, so it does not wait.
    unsafe {
        let words = barrier(&mut new);
        let state = || [words.entered, words.round, words.left].map(|w| w.load(Relaxed));
        let before = state();
        let result = real::pthread_barrier_wait(&mut new);
        let right = words.count == 1 && before == [0; 3] && state() == [1; 3];
        if right && result == libc::PTHREAD_BARRIER_SERIAL_THREAD { Ok(()) } else { Err("barrier") }
    }
}
