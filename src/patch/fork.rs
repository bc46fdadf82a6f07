//! Forking, on a green thread with its own thread-locals.
//!
//! libc's fork takes the thread pointer for that of the OS thread that calls:
//! the child rebuilds libc's list of threads around it. So it runs under the
//! worker's own. The child goes on with the green thread's thread-locals, and
//! without the runtime: it is to call exec or _exit, or to fork once more.
//!
//! `vfork`, `posix_spawn` and `clone` need none of this; `daemon` and `forkpty`
//! fork inside libc and must not be called on such a green thread.

use super::gate::Shim;
use crate::green::{current, locals, scopes};
use crate::sched::lane;
use crate::sched::local::{self, Local};
use crate::sched::runtime;
use crate::sys::errno::Errno;
use crate::sys::{rare, real};
use libc::pid_t;

pub(super) static SHIMS: &[Shim] =
    &[Shim::new(self::fork as *const ()), Shim::new(_Fork as *const ())];

/// See fork(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn fork() -> pid_t {
    // SAFETY: the caller's promise.
    under_the_worker(|| unsafe { real::fork() })
}

/// See _Fork(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
#[allow(non_snake_case, reason = "libc's name")]
pub(super) unsafe extern "C" fn _Fork() -> pid_t {
    // SAFETY: the caller's promise.
    under_the_worker(|| unsafe { rare::fork_alone() })
}

/// Runs `fork` under the thread pointer of the OS thread.
fn under_the_worker(fork: impl FnOnce() -> pid_t) -> pid_t {
    let inside = current::Inside::enter(); // also for handlers in the child
    let forks = || (fork(), Errno::last());
    let worker = away_from_home();
    let (pid, errno) = match worker {
        Some(worker) => worker.as_worker(forks),
        None if runtime::is_forked() => lane::as_orphan(forks),
        None => forks(),
    };
    if pid == 0 {
        worker.inspect(|worker| worker.orphan());
        std::mem::forget(inside);
        scopes::leave_green(); // there is no worker here to park on
    } else {
        drop(inside);
        if pid < 0 {
            errno.set();
        }
    }
    pid
}

/// The worker that this OS thread is, if it has the thread-locals of a green thread:
/// of the current one, or, in a signal handler, of whichever suspended last.
fn away_from_home() -> Option<&'static Local> {
    match current::get() {
        Some(me) => me.own.block.get().and_then(|_| local::get()),
        // In a fork's child others may have the numbers of the parent's threads.
        None if locals::are_own() && !runtime::is_forked() => {
            runtime::get()?.worker_here().filter(|w| w.is_away())
        }
        None => None,
    }
}
