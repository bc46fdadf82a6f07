//! Whether the calling thread's thread-locals are being destroyed.
//!
//! libc has a list for each thread of what is to be called at its end; std enters
//! each thread-local that has a destructor, when it is first used. The last entry
//! is called first. So on a thread that is watched, the shim of the function that
//! enters (`patch/thread_end.rs`) adds, after each entry, one of ours: whichever
//! thread-locals there are, ours is called before any of them is gone.
//!
//! With thread-locals of its own, a green thread has its own list too, and
//! `tls::Layout::end` goes through it.
//!
//! | phase | set by |
//! |---|---|
//! | `Unwatched` | – |
//! | `Probing` | `watch`, while it has std enter something |
//! | `Watched` | `entered`, called meanwhile: the shim is reached |
//! | `Ending` | libc, by our entry |

use super::real;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::ptr;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Unwatched,
    Probing,
    Watched,
    Ending,
}

thread_local! {
    static PHASE: Cell<Phase> = const { Cell::new(Phase::Unwatched) };
    /// Makes std enter something.
    static PROBE: HasDestructor = const { HasDestructor };
}

struct HasDestructor;

impl Drop for HasDestructor {
    fn drop(&mut self) {}
}

type Call = unsafe extern "C" fn(*mut c_void);

unsafe extern "C" {
    /// The shim, if the program is linked as it should be. Not called here: this
    /// has the linker take it out of the archive in which this crate arrives.
    fn __cxa_thread_atexit_impl(call: Call, with: *mut c_void, module: *mut c_void) -> c_int;
    static __dso_handle: *mut u8;
}

/// Sees to it that `is_ending` is right for the calling thread. False: that
/// cannot be, as std does not reach the shim.
pub(crate) fn watch() -> bool {
    if PHASE.get() == Phase::Unwatched {
        black_box(__cxa_thread_atexit_impl as *const ());
        PHASE.set(Phase::Probing);
        // Should it be gone already, `PHASE` says so.
        let _ = PROBE.try_with(|_| ());
        if PHASE.get() == Phase::Probing {
            PHASE.set(Phase::Unwatched);
        }
    }
    PHASE.get() != Phase::Unwatched
}

/// For the shim: something was entered into the calling thread's list.
#[inline]
pub(crate) fn entered() {
    if matches!(PHASE.get(), Phase::Probing | Phase::Watched) {
        enter();
    }
}

#[cold]
fn enter() {
    let module = (&raw const __dso_handle).cast_mut().cast();
    // SAFETY: the function may be called at any time, and this module is not
    // unloaded before.
    let result = unsafe { real::__cxa_thread_atexit_impl(ends, ptr::null_mut(), module) };
    // Without memory for the entry it is taken for ending: the safe side.
    PHASE.set(if result == 0 { Phase::Watched } else { Phase::Ending });
}

/// # Safety
/// None needed.
unsafe extern "C" fn ends(_: *mut c_void) {
    PHASE.set(Phase::Ending);
}

/// Whether some of the calling thread's thread-locals may be gone. Only where
/// `watch` was true.
#[inline]
pub(crate) fn is_ending() -> bool {
    PHASE.get() == Phase::Ending
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    static SEEN: AtomicUsize = AtomicUsize::new(0);

    struct Looks;

    impl Drop for Looks {
        fn drop(&mut self) {
            SEEN.fetch_add(usize::from(is_ending()), SeqCst);
        }
    }

    thread_local! {
        static BEFORE: Looks = const { Looks };
        static AFTER: Looks = const { Looks };
        static LAST: Looks = const { Looks };
    }

    #[test]
    fn it_is_known_before_any_thread_local_goes() {
        let thread = std::thread::spawn(|| {
            BEFORE.with(|_| ());
            assert!(watch());
            AFTER.with(|_| ());
            assert!(watch());
            LAST.with(|_| ());
            is_ending()
        });
        assert!(!thread.join().unwrap());
        assert_eq!(SEEN.load(SeqCst), 3);
    }
}
