//! What a group tells of those that failed.

use crate::error::{JoinError, panic_text};
use crate::green::ending::Ending;
use crate::green::record::Record;
use std::fmt;

/// Of how many failures a group keeps more than the number, until it is joined.
const KEPT: usize = 1000;

/// One member of a [`Group`](crate::Group) or [`Pool`](crate::Pool) that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    id: u64,
    name: Option<Box<str>>,
    ending: Ending,
    message: Option<Box<str>>,
}

impl Failure {
    /// `None`: to be killed, or cut short by a timeout, is no failure.
    pub(super) fn of(thread: &Record, why: &JoinError) -> Option<Failure> {
        let (ending, message) = match why {
            JoinError::Killed | JoinError::Elapsed => return None,
            JoinError::Panicked(payload) => (Ending::Panicked, panic_text(payload).into()),
            other => (Ending::NotStarted, other.to_string().into()),
        };
        Some(Failure { message: Some(message), ..Failure::silent(thread, ending) })
    }

    /// Of one that was added, whose panic is its joiner's alone.
    pub(super) fn of_ending(thread: &Record, ending: Ending) -> Option<Failure> {
        let failed = matches!(ending, Ending::Panicked | Ending::NotStarted);
        failed.then(|| Failure::silent(thread, ending))
    }

    fn silent(thread: &Record, ending: Ending) -> Failure {
        Failure { id: thread.id(), name: thread.name().map(Into::into), ending, message: None }
    }

    /// The green thread's [`id`](crate::GreenThread::id).
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The green thread's name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether it panicked, or could not start.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// The panic's text, or why it could not start; not known of one that was
    /// added to the group.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.ending == Ending::Panicked { "panicked" } else { "never ran" };
        write!(f, "'{}' ({}) {what}", self.name().unwrap_or("<unnamed>"), self.id)?;
        self.message().map_or(Ok(()), |text| write!(f, ": {text}"))
    }
}

/// Members of a [`Group`](crate::Group) or [`Pool`](crate::Pool) failed.
///
/// ```
/// let group = greenroom::Group::new();
/// group.spawn(|| panic!("no luck"));
/// let error = group.join().unwrap_err();
/// assert_eq!(error.count(), 1);
/// assert_eq!(error.failures()[0].message(), Some("no luck"));
/// ```
#[derive(Clone, Debug, Default, thiserror::Error)]
pub struct GroupError {
    failures: Vec<Failure>,
    count: usize,
}

impl GroupError {
    pub(super) const fn none() -> GroupError {
        GroupError { failures: Vec::new(), count: 0 }
    }

    pub(super) fn add(&mut self, failure: Failure) {
        self.count += 1;
        if self.failures.len() < KEPT {
            self.failures.push(failure);
        }
    }

    /// How many failed.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Who failed, in order of time: the first thousand.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} green thread(s) failed", self.count)?;
        for (n, failure) in self.failures.iter().take(3).enumerate() {
            write!(f, "{} {failure}", if n == 0 { ":" } else { ";" })?;
        }
        if self.count > 3 { write!(f, "; …") } else { Ok(()) }
    }
}
