//! Patching: chooses families, checks that their calls come here, and turns
//! them on.

use super::family::{Family, PATCHED, PROBE};
use super::{
    descriptor, fork, mutex, rwlock, sleep, socket, sync, thread_facts, threads, transfer,
};
use crate::error::PatchError;
use crate::green::locals;
use crate::sched::{runtime, start};
use crate::sys::{learn, real};
use crate::task::named;
use std::hint::black_box;
use std::sync::atomic::Ordering::Relaxed;

/// Makes all of libc's blocking calls that greenroom knows park when a green
/// thread makes them, in this program and everything linked into it. Call it
/// first thing in `main`. Calling it again does nothing.
///
/// Plain OS threads are not affected.
///
/// # Errors
/// Green threads run already, or greenroom is linked in a way in which the
/// calls do not come to it.
///
/// ```
/// use std::thread::sleep;
/// use std::time::Duration;
///
/// greenroom::patch_all()?;
/// let nap = || greenroom::spawn(|| sleep(Duration::from_millis(20)));
/// greenroom::joinall([nap(), nap(), nap()]); // together, on any number of workers
/// # Ok::<(), greenroom::PatchError>(())
/// ```
pub fn patch_all() -> Result<(), PatchError> {
    Patch::all().apply()
}

/// Chooses families to patch.
///
/// ```
/// greenroom::patch::Patch::all().socket(false).apply()?;
/// # Ok::<(), greenroom::PatchError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a Patch does nothing until it is applied"]
pub struct Patch(u32);

impl Patch {
    /// No family.
    pub fn none() -> Patch {
        Patch(0)
    }

    /// Every family that works with the thread-locals that green threads share
    /// with their worker: *sleep* and *socket*.
    pub fn all() -> Patch {
        Patch(Family::ALL.iter().fold(0, |bits, family| bits | family.bit()) & !Family::OWN)
    }

    /// With or without [`Family::Sleep`].
    pub fn sleep(self, patch: bool) -> Patch {
        self.with(Family::Sleep, patch)
    }

    /// With or without [`Family::Socket`].
    pub fn socket(self, patch: bool) -> Patch {
        self.with(Family::Socket, patch)
    }

    /// With or without [`Family::Sync`]. With it, green threads get their own
    /// thread-locals, as if by `Config::thread_locals`.
    pub fn sync(self, patch: bool) -> Patch {
        self.with(Family::Sync, patch)
    }

    /// With or without [`Family::Threads`]. With it, whatever makes a thread,
    /// on whichever thread, makes a green thread, but for
    /// [`native`](super::native()); and green threads get their own
    /// thread-locals, as if by `Config::thread_locals`.
    pub fn threads(self, patch: bool) -> Patch {
        self.with(Family::Threads, patch)
    }

    fn with(self, family: Family, patch: bool) -> Patch {
        Patch(if patch { self.0 | family.bit() } else { self.0 & !family.bit() })
    }

    /// Patches the chosen families, beside those that are patched already.
    /// Nothing is ever patched back.
    ///
    /// # Errors
    /// As [`patch_all`].
    pub fn apply(self) -> Result<(), PatchError> {
        let missing = self.0 & !PATCHED.load(Relaxed);
        if missing == 0 {
            return Ok(());
        }
        if let Some(runtime) = runtime::get() {
            return Err(PatchError::TooLate { started_by: runtime.started_by });
        }
        if missing & Family::OWN != 0 {
            locals::enable().map_err(PatchError::NoOwnThreadLocals)?;
        }
        keep_linked();
        real::resolve_all();
        if missing & Family::Sync.bit() != 0 {
            learn::learn().map_err(|what| PatchError::UnknownLocks { what })?;
        }
        start::watch_forks();
        if !reached() {
            return Err(PatchError::NotLinked { symbol: "sched_yield" });
        }
        if missing & Family::OWN != 0 && !named::probe() {
            return Err(PatchError::NotLinked { symbol: "pthread_create" });
        }
        PATCHED.fetch_or(missing, Relaxed);
        Ok(())
    }
}

/// Refers to every shim, so that the linker takes all of them out of the
/// archive in which this crate arrives.
fn keep_linked() {
    for shims in [
        sleep::SHIMS,
        socket::SHIMS,
        transfer::SHIMS,
        descriptor::SHIMS,
        sync::SHIMS,
        mutex::SHIMS,
        rwlock::SHIMS,
        threads::SHIMS,
        thread_facts::SHIMS,
        fork::SHIMS,
    ] {
        black_box(shims);
    }
}

/// Whether a call that std makes comes here.
#[allow(clippy::disallowed_methods, reason = "that it comes here is what is tried")]
fn reached() -> bool {
    PROBE.store(true, Relaxed);
    std::thread::yield_now();
    !PROBE.swap(false, Relaxed)
}
