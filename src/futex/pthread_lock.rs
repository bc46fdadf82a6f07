//! pthread's mutexes, read-write locks and semaphores, on green threads.
//!
//! libc's own object stays the truth: a green thread only ever *tries*, and
//! stands in the table of addresses while it cannot have it. So a thread that
//! waits inside libc and a green one exclude each other, and each is woken by
//! the other's unlock: the one by libc, the other by the shim around it.

use super::table::{self, ANY, Waited};
use crate::green::why::{Kind, Why};
use crate::sys::clock::Nanos;
use crate::sys::errno::Errno;
use crate::sys::pthread::{self, Layout};
use crate::sys::real;
use libc::{EAGAIN, EBUSY, EDEADLK, ETIMEDOUT, c_int, pthread_mutex_t, pthread_rwlock_t, sem_t};

/// Repeats `attempt` until it says something else than `busy`, at most until
/// `deadline`, and waits at `address` in between.
fn acquire(
    address: usize,
    bits: u32,
    deadline: Option<Nanos>,
    busy: c_int,
    mut attempt: impl FnMut() -> c_int,
) -> c_int {
    let mut result = busy;
    loop {
        let blocked = || {
            result = attempt();
            result == busy
        };
        match table::wait(address, bits, deadline, blocked) {
            Waited::Free | Waited::Left => return result,
            Waited::TimedOut => return ETIMEDOUT,
            Waited::Woken => {}
        }
    }
}

/// `pthread_mutex_lock` on a green thread. `None`: this mutex is libc's to wait
/// for.
///
/// # Safety
/// As the C function.
#[inline]
pub(crate) unsafe fn lock(mutex: *mut pthread_mutex_t, deadline: Option<Nanos>) -> Option<c_int> {
    // SAFETY: the caller's promise.
    match unsafe { libc::pthread_mutex_trylock(mutex) } {
        // SAFETY: as above.
        EBUSY => unsafe { lock_later(mutex, deadline) },
        result => Some(result),
    }
}

/// # Safety
/// As `lock`.
#[cold]
unsafe fn lock_later(mutex: *mut pthread_mutex_t, deadline: Option<Nanos>) -> Option<c_int> {
    let layout = pthread::layout()?;
    // SAFETY: the caller's promise.
    unsafe {
        if only_libc_waits(layout, mutex) {
            return None;
        }
        if layout.mutex_checks.of(mutex) && pthread::owner(mutex) == pthread::me() {
            return Some(EDEADLK);
        }
    }
    // SAFETY: as above.
    let attempt = || unsafe { libc::pthread_mutex_trylock(mutex) };
    let why = Why::new(Kind::CMutex, mutex.addr() as u64);
    let _said = why.say();
    Some(acquire(mutex.addr(), ANY, deadline, EBUSY, attempt))
}

/// Another process may hold it, or the kernel keeps account of who does.
///
/// # Safety
/// An initialised mutex.
unsafe fn only_libc_waits(layout: &Layout, mutex: *mut pthread_mutex_t) -> bool {
    let traits = [layout.mutex_robust, layout.mutex_protects, layout.mutex_shared];
    // SAFETY: the caller's promise.
    traits.iter().any(|t| unsafe { t.of(mutex) })
}

/// `pthread_mutex_unlock`, on any thread.
///
/// # Safety
/// As the C function.
#[inline]
pub(crate) unsafe fn unlock(mutex: *mut pthread_mutex_t) -> c_int {
    // SAFETY: the caller's promise.
    let result = unsafe { real::pthread_mutex_unlock(mutex) };
    table::wake(mutex.addr(), 1, ANY);
    result
}

/// Who waits for a read-write lock.
const READER: u32 = 1;
const WRITER: u32 = 2;

/// `pthread_rwlock_rdlock` on a green thread; see `lock`.
///
/// # Safety
/// As the C function.
#[inline]
pub(crate) unsafe fn read(lock: *mut pthread_rwlock_t, deadline: Option<Nanos>) -> Option<c_int> {
    // SAFETY: the caller's promise.
    unsafe { hold(lock, READER, deadline, libc::pthread_rwlock_tryrdlock) }
}

/// `pthread_rwlock_wrlock` on a green thread; see `lock`.
///
/// # Safety
/// As the C function.
#[inline]
pub(crate) unsafe fn write(lock: *mut pthread_rwlock_t, deadline: Option<Nanos>) -> Option<c_int> {
    // SAFETY: the caller's promise.
    unsafe { hold(lock, WRITER, deadline, libc::pthread_rwlock_trywrlock) }
}

/// # Safety
/// As `attempt`, on `lock`.
#[inline]
unsafe fn hold(
    lock: *mut pthread_rwlock_t,
    bits: u32,
    deadline: Option<Nanos>,
    attempt: unsafe extern "C" fn(*mut pthread_rwlock_t) -> c_int,
) -> Option<c_int> {
    // SAFETY: the caller's promise.
    let attempt = || unsafe { attempt(lock) };
    let result = attempt();
    if result != EBUSY {
        return Some(result);
    }
    let layout = pthread::layout()?;
    // SAFETY: as above.
    if unsafe { layout.rwlock_shared.of(lock) } {
        return None;
    }
    // SAFETY: as above.
    if unsafe { pthread::writer(lock) } == pthread::me() {
        return Some(EDEADLK);
    }
    let why = Why::new(Kind::CLock, lock.addr() as u64);
    let _said = why.say();
    Some(acquire(lock.addr(), bits, deadline, EBUSY, attempt))
}

/// `pthread_rwlock_unlock`, on any thread. Whoever could have it now must be
/// woken: readers let each other in, and of the writers one.
///
/// # Safety
/// As the C function.
#[inline]
pub(crate) unsafe fn release(lock: *mut pthread_rwlock_t) -> c_int {
    // SAFETY: the caller's promise.
    let result = unsafe { real::pthread_rwlock_unlock(lock) };
    if table::is_awaited(lock.addr()) {
        table::wake(lock.addr(), 1, WRITER);
        table::wake(lock.addr(), u32::MAX, READER);
    }
    result
}

/// A writer that waited in libc has given up: where waiting writers keep readers
/// out, readers may come in now.
pub(crate) fn let_readers_in(lock: *mut pthread_rwlock_t) {
    table::wake(lock.addr(), u32::MAX, READER);
}

/// `sem_wait` on a green thread; see `lock`. Returns an error number, or 0.
///
/// # Safety
/// As the C function.
#[inline]
pub(crate) unsafe fn take(sem: *mut sem_t, deadline: Option<Nanos>) -> Option<c_int> {
    // SAFETY: the caller's promise.
    let attempt = || match unsafe { libc::sem_trywait(sem) } {
        0 => 0,
        _ => Errno::last().0,
    };
    let result = attempt();
    if result != EAGAIN {
        return Some(result);
    }
    // SAFETY: as above.
    if unsafe { pthread::layout()?.sem_shared.of(sem) } {
        return None;
    }
    Some(acquire(sem.addr(), ANY, deadline, EAGAIN, attempt))
}

/// `sem_post`, on any thread.
///
/// # Safety
/// As the C function.
#[inline]
pub(crate) unsafe fn post(sem: *mut sem_t) -> c_int {
    // SAFETY: the caller's promise.
    let result = unsafe { real::sem_post(sem) };
    table::wake(sem.addr(), 1, ANY);
    result
}
