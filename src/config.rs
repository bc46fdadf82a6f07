//! Settings, from code and from `GREENROOM_*` variables.
//!
//! What the code says goes before what the environment says. Both are settled
//! when the runtime starts, and fixed from then on.

use crate::environment::{in_range, number};
use crate::error::ConfigError;
use crate::options::Choice;
pub use crate::options::{OnStall, ThreadLocals};
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering::*};
use std::time::Duration;

/// The stack of a green thread unless it asks for another size: rustls, and
/// formatting in debug builds, need this much; untouched pages cost nothing.
pub(crate) const DEFAULT_STACK: usize = 256 * 1024;
/// The largest stack.
pub(crate) const MAX_STACK: usize = 1 << 30;
/// Far beyond any use, and still few enough threads to start.
pub(crate) const MAX_WORKERS: usize = 1024;
/// As long as it takes to be woken, or twice as long, in microseconds: an answer that
/// takes longer is not worth a core.
const DEFAULT_BUSY_POLL: usize = 50;
/// Beyond this nobody is quicker for it.
const MAX_BUSY_POLL: usize = 1000;

/// Settings of the runtime, to be installed before the first spawn.
///
/// Each one that is not set comes from its environment variable, and else has
/// its default:
///
/// | setting | variable | default |
/// |---|---|---|
/// | `workers` | `GREENROOM_WORKERS` | one per core that this process may use |
/// | `stack_size` | `GREENROOM_STACK_SIZE` | 262144 |
/// | `thread_locals` | `GREENROOM_THREAD_LOCALS` | `own` after `patch_all()`, else `shared` |
/// | `offload_threads` | `GREENROOM_OFFLOAD_THREADS` | 0: as many as are useful |
/// | `on_stall` | `GREENROOM_ON_STALL` | `report` |
/// | `busy_poll` | `GREENROOM_BUSY_POLL` | 50 µs (the variable: 50) |
///
/// ```
/// greenroom::Config::new().workers(1).stack_size(128 * 1024).install()?;
/// # Ok::<(), greenroom::ConfigError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a Config does nothing until it is installed"]
pub struct Config {
    pub(crate) workers: Option<usize>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) thread_locals: Option<ThreadLocals>,
    pub(crate) offload_threads: Option<usize>,
    pub(crate) on_stall: Option<OnStall>,
    /// In microseconds.
    pub(crate) busy_poll: Option<usize>,
}

impl Config {
    /// Everything as the environment says, or by default.
    pub fn new() -> Config {
        Config::default()
    }

    /// How many OS threads run green threads, 1 to 1024.
    pub fn workers(mut self, n: usize) -> Config {
        self.workers = Some(n);
        self
    }

    /// The usable stack of a green thread in bytes, unless its
    /// [`Builder`](crate::Builder) says otherwise. It is rounded up to a power
    /// of two, and to 64 KiB at least: below that, a panic that prints a
    /// backtrace could overflow it. At most 1 GiB.
    pub fn stack_size(mut self, bytes: usize) -> Config {
        self.stack_size = Some(bytes);
        self
    }

    /// Whether green threads share their worker's thread-locals. Without a
    /// choice they do, until a family is patched that needs their own.
    pub fn thread_locals(mut self, which: ThreadLocals) -> Config {
        self.thread_locals = Some(which);
        self
    }

    /// The most OS threads that [`offload`](crate::offload()) and the patch use
    /// for what can only block (name lookups, files that are not in memory);
    /// 0: as many as are useful, which is 256. They start when they are needed
    /// and end when they have been idle for some seconds.
    pub fn offload_threads(mut self, n: usize) -> Config {
        self.offload_threads = Some(n);
        self
    }

    /// What happens when nothing can go on, because everybody waits for another.
    pub fn on_stall(mut self, what: OnStall) -> Config {
        self.on_stall = Some(what);
        self
    }

    /// How long a worker with nothing to do goes on looking before it sleeps, in whole
    /// microseconds, at most 1 ms; zero: not at all.
    ///
    /// To be woken takes much longer than most answers take to come, so this is what
    /// makes a ping-pong fast. It takes a core meanwhile, and so is done only by a
    /// worker that has found something that way lately: one that waits for long, or
    /// for somebody who needs the same core, soon stops trying. Where CPU time is paid
    /// for (a container's quota) or shared with much else, set it to zero.
    pub fn busy_poll(mut self, most: Duration) -> Config {
        self.busy_poll = Some(usize::try_from(most.as_micros()).unwrap_or(usize::MAX - 1));
        self
    }

    /// Makes these the settings of this process. Doing so twice is no error if
    /// the settings are the same.
    ///
    /// # Errors
    /// A setting or a `GREENROOM_*` variable is out of range, or the runtime
    /// has started, or other settings are installed. Nothing changes then.
    pub fn install(self) -> Result<(), ConfigError> {
        self.check()?;
        from_environment()?.check()?;
        if self.thread_locals == Some(ThreadLocals::Shared) && OWN_NEEDED.load(Relaxed) {
            return Err(ConfigError::OwnNeeded);
        }
        match PHASE.compare_exchange(OPEN, CHANGING, Acquire, Acquire) {
            Ok(_) => {
                self.store();
                PHASE.store(INSTALLED, Release);
                Ok(())
            }
            Err(INSTALLED) if self == load() => Ok(()),
            Err(FROZEN) => Err(already_started()),
            Err(_) => Err(ConfigError::AlreadyInstalled),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        in_range("workers", self.workers, 1, MAX_WORKERS)?;
        in_range("stack_size", self.stack_size, 0, MAX_STACK)?;
        in_range("offload_threads", self.offload_threads, 0, 100_000)?;
        in_range("busy_poll", self.busy_poll, 0, MAX_BUSY_POLL)?;
        Ok(())
    }

    fn store(&self) {
        WORKERS.store(self.workers.unwrap_or(UNSET), Relaxed);
        STACK_SIZE.store(self.stack_size.unwrap_or(UNSET), Relaxed);
        THREAD_LOCALS.store(self.thread_locals.map_or(UNSET, |t| t as usize), Relaxed);
        OFFLOAD.store(self.offload_threads.unwrap_or(UNSET), Relaxed);
        ON_STALL.store(self.on_stall.map_or(UNSET, |what| what as usize), Relaxed);
        BUSY_POLL.store(self.busy_poll.unwrap_or(UNSET), Relaxed);
    }
}

/// What is installed; atomics, because layer 0 has no lock.
static WORKERS: AtomicUsize = AtomicUsize::new(UNSET);
static STACK_SIZE: AtomicUsize = AtomicUsize::new(UNSET);
static THREAD_LOCALS: AtomicUsize = AtomicUsize::new(UNSET);
static OFFLOAD: AtomicUsize = AtomicUsize::new(UNSET);
static ON_STALL: AtomicUsize = AtomicUsize::new(UNSET);
static BUSY_POLL: AtomicUsize = AtomicUsize::new(UNSET);
/// A family is patched that works only with own thread-locals.
static OWN_NEEDED: AtomicBool = AtomicBool::new(false);
static PHASE: AtomicU32 = AtomicU32::new(OPEN);
static STARTED_BY: AtomicPtr<Location<'static>> = AtomicPtr::new(ptr::null_mut());

const UNSET: usize = usize::MAX;
const OPEN: u32 = 0;
const CHANGING: u32 = 1;
const INSTALLED: u32 = 2;
const FROZEN: u32 = 3;

fn load() -> Config {
    let get = |from: &AtomicUsize| Some(from.load(Relaxed)).filter(|v| *v != UNSET);
    Config {
        workers: get(&WORKERS),
        stack_size: get(&STACK_SIZE),
        thread_locals: get(&THREAD_LOCALS).and_then(ThreadLocals::of_number),
        offload_threads: get(&OFFLOAD),
        on_stall: get(&ON_STALL).and_then(OnStall::of_number),
        busy_poll: get(&BUSY_POLL),
    }
}

/// What fixed the settings, if something did.
pub(crate) fn started_by() -> Option<&'static Location<'static>> {
    // SAFETY: null or a static location; set before the phase says FROZEN.
    unsafe { STARTED_BY.load(Acquire).as_ref() }
}

fn already_started() -> ConfigError {
    let started = |started_by| ConfigError::AlreadyStarted { started_by };
    started_by().map_or(ConfigError::AlreadyInstalled, started)
}

/// The settings that hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// `None`: one per core.
    pub(crate) workers: Option<usize>,
    pub(crate) thread_locals: ThreadLocals,
}

/// Settles and fixes the settings: the runtime starts, because of `by`.
pub(crate) fn settle(by: &'static Location<'static>) -> Result<Settings, ConfigError> {
    let environment = from_environment()?;
    environment.check()?;
    STARTED_BY.store(ptr::from_ref(by).cast_mut(), Release);
    freeze();
    let installed = load();
    let workers = installed.workers.or(environment.workers);
    let stack = installed.stack_size.or(environment.stack_size).unwrap_or(DEFAULT_STACK);
    STACK_SIZE.store(stack, Relaxed);
    let by_default = match OWN_NEEDED.load(Relaxed) {
        true => ThreadLocals::Own,
        false => ThreadLocals::Shared,
    };
    OFFLOAD.store(installed.offload_threads.or(environment.offload_threads).unwrap_or(0), Relaxed);
    let on_stall = installed.on_stall.or(environment.on_stall).unwrap_or_default();
    ON_STALL.store(on_stall as usize, Relaxed);
    let busy_poll = installed.busy_poll.or(environment.busy_poll).unwrap_or(DEFAULT_BUSY_POLL);
    BUSY_POLL.store(busy_poll, Relaxed);
    let thread_locals = installed.thread_locals.or(environment.thread_locals);
    Ok(Settings { workers, thread_locals: thread_locals.unwrap_or(by_default) })
}

/// Which thread-locals were asked for, so far.
///
/// # Errors
/// A `GREENROOM_*` variable cannot be understood.
pub(crate) fn chosen_thread_locals() -> Result<Option<ThreadLocals>, ConfigError> {
    Ok(load().thread_locals.or(from_environment()?.thread_locals))
}

/// From now on green threads need their own.
pub(crate) fn need_own_thread_locals() {
    OWN_NEEDED.store(true, Relaxed);
}

/// From here on nobody installs; waits for one who is about to.
fn freeze() {
    while let Err(CHANGING) =
        PHASE.fetch_update(AcqRel, Acquire, |phase| (phase != CHANGING).then_some(FROZEN))
    {
        std::hint::spin_loop();
    }
}

/// The stack size of a green thread that asks for none. Only once settled.
pub(crate) fn stack_size() -> usize {
    match STACK_SIZE.load(Relaxed) {
        UNSET => DEFAULT_STACK,
        bytes => bytes,
    }
}

/// The most threads for blocking work; 0: not set. Before anything is settled,
/// what would hold now; rubbish in the variable is reported when that happens.
pub(crate) fn offload_threads() -> usize {
    match OFFLOAD.load(Relaxed) {
        UNSET => from_environment().ok().and_then(|e| e.offload_threads).unwrap_or(0),
        most => most,
    }
}

/// What is to happen when nothing can go on. Only once settled.
#[inline]
pub(crate) fn on_stall() -> OnStall {
    OnStall::of_number(ON_STALL.load(Relaxed)).unwrap_or_default()
}

/// How long to look before a sleep, in nanoseconds. Only once settled.
pub(crate) fn busy_poll() -> u64 {
    BUSY_POLL.load(Relaxed) as u64 * 1000
}

fn from_environment() -> Result<Config, ConfigError> {
    Ok(Config {
        workers: number("GREENROOM_WORKERS", 1, MAX_WORKERS)?,
        stack_size: number("GREENROOM_STACK_SIZE", 0, MAX_STACK)?,
        thread_locals: ThreadLocals::chosen()?,
        offload_threads: number("GREENROOM_OFFLOAD_THREADS", 0, 100_000)?,
        on_stall: OnStall::chosen()?,
        busy_poll: number("GREENROOM_BUSY_POLL", 0, MAX_BUSY_POLL)?,
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn out_of_range_says_what_is_possible() {
        let zero = Config::new().workers(0).check().unwrap_err();
        assert_eq!(zero.to_string(), "workers cannot be 0: it must be from 1 to 1024");
        assert!(Config::new().stack_size(usize::MAX).check().is_err());
        assert!(Config::new().stack_size(1).check().is_ok(), "rounded up later");
    }
}
