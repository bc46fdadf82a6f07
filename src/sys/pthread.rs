//! What glibc's locks say of themselves: the few words of `pthread_mutex_t` and
//! its like that one must read to wait for them without libc.
//!
//! Only the static initialisers fix their layout, and it has changed before
//! (condition variables, glibc 2.41), so `learn.rs` finds out, or checks it.

use super::real;
use libc::{pthread_barrier_t, pthread_mutex_t, pthread_rwlock_t};
use std::cell::Cell;
use std::ptr::{self, null};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::*};

/// Some bits of an object, and what they are if something is so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trait {
    pub(super) at: usize,
    pub(super) mask: u32,
    pub(super) is: u32,
}

impl Trait {
    /// Whether it is so of `object`.
    ///
    /// # Safety
    /// An initialised object of the type that this is about.
    pub(crate) unsafe fn of<T>(self, object: *mut T) -> bool {
        // SAFETY: the caller's promise.
        unsafe { word(object, self.at) }.load(Relaxed) & self.mask == self.is
    }
}

/// All that is known.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Whose waiting only libc and the kernel can do.
    pub(crate) mutex_robust: Trait,
    pub(crate) mutex_protects: Trait,
    pub(crate) mutex_shared: Trait,
    pub(crate) mutex_checks: Trait,
    pub(crate) cond_shared: Trait,
    pub(crate) cond_monotonic: Trait,
    pub(crate) rwlock_shared: Trait,
    pub(crate) sem_shared: Trait,
    pub(crate) barrier_shared: Trait,
}

/// Who holds a mutex, as libc numbers threads.
pub(crate) const OWNER: usize = 8;
/// Who holds a lock for writing.
pub(crate) const WRITER: usize = 24;
/// `pthread_once_t`: the initialiser runs; above it, how often the process has
/// forked by then.
pub(crate) const ONCE_RUNS: u32 = 1;
pub(crate) const ONCE_DONE: u32 = 2;

/// The words of a barrier (T. Riegel's algorithm, glibc 2.24). Those who enter
/// and leave are counted from the first round on.
pub(crate) struct Barrier {
    pub(crate) entered: &'static AtomicU32,
    pub(crate) round: &'static AtomicU32,
    pub(crate) count: u32,
    pub(crate) left: &'static AtomicU32,
}

/// Counts of a barrier start again beyond this.
pub(crate) const BARRIER_MOST: u32 = u32::MAX / 2;

static LAYOUT: AtomicPtr<Layout> = AtomicPtr::new(ptr::null_mut());

/// What was found out; `None` before.
#[inline]
pub(crate) fn layout() -> Option<&'static Layout> {
    // SAFETY: null, or leaked by `know`.
    unsafe { LAYOUT.load(Acquire).as_ref() }
}

/// Makes `layout` what is known.
pub(super) fn know(layout: Layout) {
    LAYOUT.store(Box::leak(Box::new(layout)), Release);
}

/// The word at `at` in `object`.
///
/// # Safety
/// It lies in an initialised object, and is not used once that is gone.
pub(super) unsafe fn word<T>(object: *mut T, at: usize) -> &'static AtomicU32 {
    // SAFETY: the caller's promise; libc uses these words atomically.
    unsafe { AtomicU32::from_ptr(object.byte_add(at).cast()) }
}

/// The number of the thread, green or not, that holds `mutex`.
///
/// # Safety
/// An initialised mutex.
pub(crate) unsafe fn owner(mutex: *mut pthread_mutex_t) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { word(mutex, OWNER) }.load(Relaxed)
}

/// The number of the thread that has locked `lock` for writing.
///
/// # Safety
/// An initialised lock.
pub(crate) unsafe fn writer(lock: *mut pthread_rwlock_t) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { word(lock, WRITER) }.load(Relaxed)
}

/// # Safety
/// An initialised barrier, until all have left.
pub(crate) unsafe fn barrier(barrier: *mut pthread_barrier_t) -> Barrier {
    // SAFETY: the caller's promise.
    unsafe {
        Barrier {
            entered: word(barrier, 0),
            round: word(barrier, 4),
            count: word(barrier, 8).load(Relaxed),
            left: word(barrier, 16),
        }
    }
}

/// The caller's number: libc writes it into what the caller locks.
pub(crate) fn me() -> u32 {
    let mut mutex = libc::PTHREAD_MUTEX_INITIALIZER;
    // SAFETY: a mutex that nobody else knows.
    unsafe {
        libc::pthread_mutex_trylock(&mut mutex);
        owner(&mut mutex)
    }
}

/// What a `pthread_once_t` holds while its initialiser runs, and after.
pub(super) fn once_states() -> (u32, u32) {
    thread_local!(static LOOK: Cell<(*const AtomicU32, u32)> = const { Cell::new((null(), 0)) });
    // SAFETY: asks for nothing.
    unsafe extern "C" fn look() {
        let (once, _) = LOOK.get();
        // SAFETY: set below, by this very thread.
        LOOK.set((once, unsafe { &*once }.load(Relaxed)));
    }
    let once = AtomicU32::new(0);
    LOOK.set((&once, 0));
    // SAFETY: a fresh one, which nobody else knows.
    unsafe { real::pthread_once(once.as_ptr().cast(), Some(look)) };
    (LOOK.get().1, once.load(Relaxed))
}

/// What a `pthread_once_t` holds now while its initialiser runs.
pub(crate) fn once_running() -> u32 {
    once_states().0
}
