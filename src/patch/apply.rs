//! Patching: chooses families, checks that their calls come here, and turns
//! them on.

use super::family::{Family, PATCHED, PROBE};
use super::{
    bulk, descriptor, dns, file, fork, fortified, mutex, open, process, rwlock, select, signal,
    sleep, socket, sync, thread_end, thread_facts, threads, transfer,
};
use crate::config::{self, ThreadLocals};
use crate::error::PatchError;
use crate::green::locals;
use crate::sched::{fds, runtime, start};
use crate::sys::{learn, rare, real};
use crate::task::named;
use std::hint::black_box;
use std::sync::atomic::Ordering::Relaxed;

/// Makes all of libc's blocking calls that greenroom knows park when a green
/// thread makes them, in this program and everything linked into it; and makes
/// every thread that is started from now on a green thread, with thread-locals
/// of its own. Call it first thing in `main`. Calling it again does nothing.
///
/// OS threads that run already are not affected; `main` stays one.
///
/// Where shared thread-locals were chosen, by `Config::thread_locals` or
/// `GREENROOM_THREAD_LOCALS`, it leaves out what needs own ones: see
/// [`Patch::all`].
///
/// # Errors
/// Green threads run already, or greenroom is linked in a way in which the
/// calls do not come to it, or the C library is not one in which green threads
/// can have thread-locals of their own.
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
pub struct Patch {
    /// A bit for each family.
    families: u32,
    /// Those that were named, and are not to be left out in silence.
    named: u32,
}

impl Patch {
    /// No family.
    pub fn none() -> Patch {
        Patch { families: 0, named: 0 }
    }

    /// Every family. Where shared thread-locals were chosen, by
    /// `Config::thread_locals` or `GREENROOM_THREAD_LOCALS`, every one that
    /// works with them: all but *sync* and *threads*.
    pub fn all() -> Patch {
        let all = Family::ALL.iter().fold(0, |bits, family| bits | family.bit());
        Patch { families: all, named: 0 }
    }

    /// With or without [`Family::Sleep`].
    pub fn sleep(self, patch: bool) -> Patch {
        self.with(Family::Sleep, patch)
    }

    /// With or without [`Family::Socket`].
    pub fn socket(self, patch: bool) -> Patch {
        self.with(Family::Socket, patch)
    }

    /// With or without [`Family::Select`].
    pub fn select(self, patch: bool) -> Patch {
        self.with(Family::Select, patch)
    }

    /// With or without [`Family::Sync`]. With it, green threads get their own
    /// thread-locals.
    pub fn sync(self, patch: bool) -> Patch {
        self.with(Family::Sync, patch)
    }

    /// With or without [`Family::Threads`]. With it, whatever makes a thread,
    /// on whichever thread, makes a green thread, but for
    /// [`native`](super::native()); and green threads get their own
    /// thread-locals.
    pub fn threads(self, patch: bool) -> Patch {
        self.with(Family::Threads, patch)
    }

    /// With or without [`Family::Process`].
    pub fn process(self, patch: bool) -> Patch {
        self.with(Family::Process, patch)
    }

    /// With or without [`Family::Dns`].
    pub fn dns(self, patch: bool) -> Patch {
        self.with(Family::Dns, patch)
    }

    /// With or without [`Family::File`].
    pub fn file(self, patch: bool) -> Patch {
        self.with(Family::File, patch)
    }

    fn with(self, family: Family, patch: bool) -> Patch {
        let with = |bits: u32| if patch { bits | family.bit() } else { bits & !family.bit() };
        Patch { families: with(self.families), named: with(self.named) }
    }

    /// Patches the chosen families, beside those that are patched already.
    /// Nothing is ever patched back.
    ///
    /// # Errors
    /// As [`patch_all`].
    pub fn apply(self) -> Result<(), PatchError> {
        let missing = self.possible()? & !PATCHED.load(Relaxed);
        if missing == 0 {
            return Ok(());
        }
        if let Some(runtime) = runtime::get() {
            return Err(PatchError::TooLate { started_by: runtime.started_by });
        }
        if missing & Family::OWN != 0 {
            if let Some(started_by) = config::started_by()
                && !locals::are_own()
            {
                // There are no green threads yet, but generators with stacks.
                return Err(PatchError::TooLate { started_by });
            }
            locals::enable().map_err(PatchError::NoOwnThreadLocals)?;
            config::need_own_thread_locals();
        }
        keep_linked();
        real::resolve_all();
        rare::prepare_to_fork();
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
        if missing & (Family::Socket.bit() | Family::File.bit()) != 0 {
            fds::are_told();
        }
        signal::adopt();
        Ok(())
    }
}

impl Patch {
    /// What can be patched with the thread-locals that were chosen.
    fn possible(self) -> Result<u32, PatchError> {
        if config::chosen_thread_locals()? != Some(ThreadLocals::Shared) {
            return Ok(self.families);
        }
        if self.named & Family::OWN != 0 {
            return Err(PatchError::SharedThreadLocals);
        }
        Ok(self.families & !Family::OWN)
    }
}

/// Refers to every shim, so that the linker takes all of them out of the
/// archive in which this crate arrives.
fn keep_linked() {
    for shims in [
        sleep::SHIMS,
        socket::SHIMS,
        select::SHIMS,
        transfer::SHIMS,
        bulk::SHIMS,
        fortified::SHIMS,
        open::SHIMS,
        descriptor::SHIMS,
        dns::SHIMS,
        process::SHIMS,
        file::SHIMS,
        sync::SHIMS,
        mutex::SHIMS,
        rwlock::SHIMS,
        threads::SHIMS,
        thread_facts::SHIMS,
        fork::SHIMS,
        thread_end::SHIMS,
        signal::SHIMS,
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
