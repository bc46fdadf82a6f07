//! `pthread_once`: glibc's protocol on its own word, but green threads wait in
//! the table. Whoever comes to the end wakes both sorts.

use super::table::{self, ANY};
use crate::sys::futex;
use crate::sys::pthread::{ONCE_DONE, once_running};
use crate::sys::real;
use libc::{c_int, pthread_once_t};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::*};

/// C++ initialisers may throw, and the next caller tries again.
pub(crate) type Init = Option<unsafe extern "C-unwind" fn()>;

/// What the word becomes when its initialiser returns or unwinds.
struct Finish<'a> {
    word: &'a AtomicU32,
    to: u32,
}

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        // Release: what the initialiser did is visible to who sees it done.
        self.word.store(self.to, Release);
        futex::wake_all(self.word);
        wake(self.word);
    }
}

fn wake(word: &AtomicU32) {
    table::wake(ptr::from_ref(word).addr(), u32::MAX, ANY);
}

/// `pthread_once` on a green thread.
///
/// # Safety
/// As the C function.
pub(crate) unsafe fn on_green(once: *mut pthread_once_t, init: Init) -> c_int {
    // SAFETY: the caller's promise; libc uses it atomically as well.
    let word = unsafe { AtomicU32::from_ptr(once.cast()) };
    loop {
        let seen = word.load(Acquire);
        if seen & ONCE_DONE != 0 {
            return 0;
        }
        // One that ran when the process forked will not end here.
        let running = once_running();
        if seen == running {
            table::wait(once.addr(), ANY, None, || word.load(SeqCst) == running);
        } else if word.compare_exchange(seen, running, Acquire, Relaxed).is_ok() {
            let mut finish = Finish { word, to: 0 };
            if let Some(init) = init {
                // SAFETY: the caller's promise.
                unsafe { init() };
            }
            finish.to = ONCE_DONE;
            return 0;
        }
    }
}

/// `pthread_once` on an OS thread, which green threads may wait for.
///
/// # Safety
/// As the C function.
pub(crate) unsafe fn on_os(once: *mut pthread_once_t, init: Init) -> c_int {
    /// However it ends.
    struct Wake<'a>(&'a AtomicU32);
    impl Drop for Wake<'_> {
        fn drop(&mut self) {
            wake(self.0);
        }
    }
    // SAFETY: as in `on_green`.
    let word = unsafe { AtomicU32::from_ptr(once.cast()) };
    if word.load(Acquire) & ONCE_DONE != 0 {
        return 0;
    }
    let _wake = Wake(word);
    // SAFETY: the caller's promise.
    unsafe { real::pthread_once(once, init) }
}
