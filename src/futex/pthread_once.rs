//! `pthread_once` on green threads: glibc's protocol on its own word, but they
//! wait in the table.
//!
//! OS threads are libc's, undisturbed: C++ throws through `pthread_once`, and
//! must find no frame of ours there. So nobody tells green threads when an
//! initialiser ends that runs on an OS thread, and they look every millisecond.

use super::table::{self, ANY};
use crate::sys::clock;
use crate::sys::futex;
use crate::sys::pthread::{ONCE_DONE, once_running};
use libc::{c_int, pthread_once_t};
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::time::Duration;

pub(crate) type Init = Option<unsafe extern "C" fn()>;

/// How often to look at an initialiser of another thread.
const LOOK: Duration = Duration::from_millis(1);

/// `pthread_once` on a green thread.
///
/// # Safety
/// As the C function; `init` does not throw.
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
            let look = Some(clock::after(LOOK));
            table::wait(once.addr(), ANY, look, || word.load(SeqCst) == running);
        } else if word.compare_exchange(seen, running, Acquire, Relaxed).is_ok() {
            if let Some(init) = init {
                // SAFETY: the caller's promise.
                unsafe { init() };
            }
            // Release: what it did is visible to who sees it done.
            word.store(ONCE_DONE, Release);
            futex::wake_all(word);
            table::wake(once.addr(), u32::MAX, ANY);
            return 0;
        }
    }
}
