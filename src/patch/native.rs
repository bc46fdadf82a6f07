//! The way out of the patch.

use crate::green::current::Native;

/// Runs `f` as if nothing were patched, for this thread: its calls block, and
/// the threads that it makes are plain OS threads. On a green thread such a
/// call stops the whole worker, so keep it short; `greenroom`'s own functions
/// park as ever.
///
/// The threads made inside are as any other OS thread: what *they* make is
/// caught again.
///
/// ```
/// use greenroom::patch::native;
/// let os_thread = native(|| std::thread::spawn(|| greenroom::current().is_none()));
/// assert!(os_thread.join().unwrap());
/// ```
pub fn native<R>(f: impl FnOnce() -> R) -> R {
    let _native = Native::enter();
    f()
}
