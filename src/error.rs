//! The errors of greenroom's own operations, one type per family. IO reports
//! `std::io::Error`.

use std::any::Any;
use std::io;
use std::panic::Location;
use std::time::Duration;

/// Why a green thread has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// It panicked, with this payload.
    #[error("the green thread panicked: {}", panic_text(.0))]
    Panicked(Box<dyn Any + Send + 'static>),
    /// It was killed before it could return.
    #[error("the green thread was killed")]
    Killed,
    /// A [`timeout`](crate::timeout) around the [`scope`](crate::scope()) that it
    /// was spawned in ended it.
    #[error("the timeout around the scope of the green thread has passed")]
    Elapsed,
    /// It never ran: there was no stack for it, or no runtime.
    #[error("the green thread could not start: {0}")]
    NotStarted(#[source] io::Error),
    /// It tried to join itself, which could never return.
    #[error("a green thread cannot join itself; let another one join it")]
    Itself,
    /// It never ends: it waits, and so does everybody who could wake it. Only
    /// with [`OnStall::Error`](crate::OnStall), and only for OS threads.
    #[error("the green thread waits, and nothing is left that could wake it")]
    Stalled,
}

impl JoinError {
    /// Whether it panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, JoinError::Panicked(_))
    }

    /// Whether it was killed.
    pub fn is_killed(&self) -> bool {
        matches!(self, JoinError::Killed)
    }

    /// The panic's payload, for `std::panic::resume_unwind`.
    ///
    /// # Errors
    /// Gives the error back if it was no panic.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send + 'static>, JoinError> {
        match self {
            JoinError::Panicked(payload) => Ok(payload),
            other => Err(other),
        }
    }
}

/// The message of a panic, as far as its payload has one.
pub(crate) fn panic_text<'a>(payload: &'a Box<dyn Any + Send + 'static>) -> &'a str {
    let payload: &(dyn Any + Send) = &**payload;
    match (payload.downcast_ref::<&'static str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "Box<dyn Any>",
    }
}

/// A [`timeout`](crate::timeout) of that duration cut something short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not done within {0:?}")]
pub struct Elapsed(pub(crate) Duration);

/// A green-local value was asked for that is gone, because its thread ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the green-local value is gone: its thread ends")]
pub struct AccessError;

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The runtime runs already, so its settings are fixed.
    #[error(
        "greenroom has started already, at {started_by}; call Config::install before the first \
         spawn"
    )]
    AlreadyStarted {
        /// The first spawn.
        started_by: &'static Location<'static>,
    },
    /// `install` was called before, with other settings.
    #[error("another Config is installed already; configure greenroom once")]
    AlreadyInstalled,
    /// Shared thread-locals, where a family is patched that needs own ones.
    #[error(
        "thread-locals cannot be shared: the families sync and threads are patched and need own \
         ones; call Config::install before patching, or leave these families out"
    )]
    OwnNeeded,
    /// A number outside what is possible.
    #[error("{setting} cannot be {value}: it must be {expected}")]
    OutOfRange {
        /// The setting's name.
        setting: &'static str,
        /// What was asked for.
        value: usize,
        /// What is possible.
        expected: String,
    },
    /// An environment variable that cannot be understood.
    #[error("the environment variable {name} is {value:?}: it must be {expected}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is understood.
        expected: String,
    },
}

/// Why patching failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// Green threads run already, and may be inside the calls to be patched.
    #[error(
        "too late to patch: greenroom was started at {started_by}; call patch_all first thing in \
         main"
    )]
    TooLate {
        /// The first spawn.
        started_by: &'static Location<'static>,
    },
    /// Shared thread-locals were asked for, and a family that needs own ones.
    #[error(
        "the families sync and threads need own thread-locals, and shared ones were asked for, \
         by Config::thread_locals or GREENROOM_THREAD_LOCALS; ask for one or the other"
    )]
    SharedThreadLocals,
    /// A `GREENROOM_*` variable cannot be understood.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The families need thread-locals of their own for green threads, and this
    /// system cannot give them.
    #[error("{0}; patch the families sleep and socket alone")]
    NoOwnThreadLocals(#[source] io::Error),
    /// Green threads cannot wait for this C library's locks.
    #[error(
        "this C library's {what} is not as greenroom knows it from glibc, so green threads could \
         not wait for it; leave the family sync out"
    )]
    UnknownLocks {
        /// What it is that differs.
        what: &'static str,
    },
    /// The program's calls do not come to greenroom's functions.
    #[error(
        "calls of `{symbol}` do not reach greenroom: another library defines it first; link \
         greenroom into the executable itself"
    )]
    NotLinked {
        /// The function that was tried.
        symbol: &'static str,
    },
}

/// Why a [`ThreadPool`](crate::ThreadPool) did not take a job, which comes back
/// in it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PoolError<F> {
    /// All its threads are busy, and its queue is full.
    #[error("the thread pool is full")]
    Full(F),
    /// It takes no more jobs.
    #[error("the thread pool has been shut down")]
    Shutdown(F),
}

impl<F> PoolError<F> {
    /// The job that was not taken.
    pub fn into_inner(self) -> F {
        match self {
            PoolError::Full(job) | PoolError::Shutdown(job) => job,
        }
    }
}

impl<F> std::fmt::Debug for PoolError<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PoolError::Full(_) => "Full(..)",
            PoolError::Shutdown(_) => "Shutdown(..)",
        })
    }
}

/// [`Pool::try_spawn`](crate::Pool::try_spawn) found no free place, or a closed
/// pool; the closure comes back in it.
///
/// ```
/// use greenroom::{Pool, PoolFull};
/// let pool = Pool::new(1);
/// let busy = pool.spawn(greenroom::park);
/// let PoolFull(job) = pool.try_spawn(|| 7).unwrap_err();
/// assert_eq!(job(), 7);
/// busy.thread().unpark();
/// ```
#[derive(thiserror::Error)]
#[error("the pool is full, or closed")]
pub struct PoolFull<F>(pub F);

impl<F> std::fmt::Debug for PoolFull<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PoolFull(..)")
    }
}
