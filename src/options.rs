//! What a [`Config`](crate::Config) lets one choose from.

use crate::environment::variable;
use crate::error::ConfigError;

/// Which thread-locals a green thread sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThreadLocals {
    /// Those of its worker, shared with the other green threads there, as the
    /// tasks of an async runtime share them.
    ///
    /// Code that *waits in the middle of* using a thread-local then meets the
    /// others in it. Where that code relies on not being interrupted, it is on
    /// its own: a lazy `thread_local!` whose initialiser waits may be
    /// initialised twice, which std makes undefined behaviour for who already
    /// holds a reference. Waiting inside an initialiser, a panic hook or
    /// `LocalKey::with` is what to avoid.
    Shared,
    /// Its own, like an OS thread: `thread_local!`, `errno`, the panic count,
    /// pthread keys. Costs two pages of memory and about 20 ns per switch.
    Own,
}

/// What happens when every green thread, and every OS thread, waits for
/// another, so that nothing in the process can go on.
///
/// ```
/// use greenroom::{Config, JoinError, OnStall};
/// Config::new().on_stall(OnStall::Error).install()?;
/// let forgotten = greenroom::spawn(greenroom::park);
/// assert!(matches!(forgotten.join(), Err(JoinError::Stalled)));
/// # Ok::<(), greenroom::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnStall {
    /// Says so on stderr, and who waits for what.
    #[default]
    Report,
    /// As `Report`, and ends the process by `abort`.
    Abort,
    /// As `Report`, and the `join`s and `joinall`s of OS threads fail with
    /// [`JoinError::Stalled`](crate::JoinError).
    Error,
    /// Nobody looks.
    Ignore,
}

/// A choice that a variable names.
pub(crate) trait Choice: Copy + Sized + 'static {
    const VARIABLE: &'static str;
    const EXPECTED: &'static str;
    /// With the number that stands for each.
    const ALL: &'static [(&'static str, Self)];

    fn parse(value: &str) -> Result<Self, ConfigError> {
        let found = Self::ALL.iter().find(|(name, _)| *name == value);
        found.map(|(_, choice)| *choice).ok_or_else(|| ConfigError::Variable {
            name: Self::VARIABLE,
            value: value.to_owned(),
            expected: Self::EXPECTED.to_owned(),
        })
    }

    /// What its variable says, if it is set.
    fn chosen() -> Result<Option<Self>, ConfigError> {
        variable(Self::VARIABLE).map(|value| Self::parse(&value)).transpose()
    }

    fn of_number(number: usize) -> Option<Self> {
        Self::ALL.get(number).map(|(_, choice)| *choice)
    }
}

impl Choice for ThreadLocals {
    const VARIABLE: &'static str = "GREENROOM_THREAD_LOCALS";
    const EXPECTED: &'static str = "`shared` or `own`";
    const ALL: &'static [(&'static str, Self)] =
        &[("shared", ThreadLocals::Shared), ("own", ThreadLocals::Own)];
}

impl Choice for OnStall {
    const VARIABLE: &'static str = "GREENROOM_ON_STALL";
    const EXPECTED: &'static str = "`report`, `abort`, `error` or `ignore`";
    const ALL: &'static [(&'static str, Self)] = &[
        ("report", OnStall::Report),
        ("abort", OnStall::Abort),
        ("error", OnStall::Error),
        ("ignore", OnStall::Ignore),
    ];
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        for (at, (name, choice)) in OnStall::ALL.iter().enumerate() {
            assert_eq!((*choice as usize, OnStall::parse(name)), (at, Ok(*choice)));
            assert_eq!(OnStall::of_number(at), Some(*choice));
        }
        for (at, (name, choice)) in ThreadLocals::ALL.iter().enumerate() {
            assert_eq!((*choice as usize, ThreadLocals::parse(name)), (at, Ok(*choice)));
        }
        assert_eq!(OnStall::of_number(usize::MAX), None);
        let error = OnStall::parse("Abort").unwrap_err().to_string();
        assert!(error.contains("GREENROOM_ON_STALL") && error.contains("`ignore`"), "{error}");
        assert!(ThreadLocals::parse("Own").is_err());
    }
}
