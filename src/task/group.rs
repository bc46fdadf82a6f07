//! Groups: green threads that belong together.

use super::failure::GroupError;
use super::into::{Entry, spawn_into};
use super::join::JoinHandle;
use super::member::{Leave, Members};
use crate::green::handle::GreenThread;
use crate::sys::clock;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// Green threads that belong together, to be waited for or killed together.
/// Each leaves it when it has ended. Clones are the same group.
///
/// Dropping it does nothing to its members.
///
/// ```
/// let group = greenroom::Group::new();
/// let answer = group.spawn(|| 42);
/// for _ in 0..10 {
///     group.spawn(greenroom::yield_now);
/// }
/// group.join().unwrap();
/// assert!(group.is_empty());
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
#[derive(Clone)]
pub struct Group(Arc<Members>);

impl Group {
    /// Without members.
    pub fn new() -> Group {
        Group(Members::new(None))
    }

    /// As [`spawn`](crate::spawn), into the group.
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let entry = Entry { holds: false, leave: Leave::Open, by: Location::caller() };
        spawn_into(&self.0, entry, f)
    }

    /// Makes one a member that was spawned elsewhere, unless it is one, or has
    /// ended. It may be in several groups.
    ///
    /// ```
    /// let group = greenroom::Group::new();
    /// let green = greenroom::spawn(greenroom::park);
    /// group.add(&green);
    /// group.kill();
    /// assert!(green.is_finished());
    /// ```
    pub fn add(&self, thread: impl AsRef<GreenThread>) {
        self.0.add(thread.as_ref());
    }

    /// Takes a member out, which goes on; whether it was one.
    ///
    /// ```
    /// let group = greenroom::Group::new();
    /// let green = group.spawn(greenroom::park);
    /// assert!(group.discard(&green) && !group.discard(&green));
    /// group.join().unwrap(); // at once
    /// green.thread().unpark();
    /// ```
    pub fn discard(&self, thread: impl AsRef<GreenThread>) -> bool {
        self.0.discard(thread.as_ref())
    }

    /// Waits until all members have ended, also those that come meanwhile.
    ///
    /// # Errors
    /// Members panicked, or could not start, since the last call, whether or not
    /// somebody joined them. Those that were killed do not count as failed.
    ///
    /// # Panics
    /// If the caller is a member: it would wait for itself.
    pub fn join(&self) -> Result<(), GroupError> {
        self.0.assert_not_in();
        self.0.wait(None);
        self.0.failures()
    }

    /// As `join`, at most for `timeout`; `None`: not all have ended.
    ///
    /// ```
    /// use std::time::Duration;
    /// let group = greenroom::Group::new();
    /// group.spawn(greenroom::park);
    /// assert!(group.join_timeout(Duration::from_millis(1)).is_none());
    /// group.kill();
    /// assert!(group.join_timeout(Duration::ZERO).unwrap().is_ok());
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Option<Result<(), GroupError>> {
        self.0.wait(Some(clock::after(timeout))).then(|| self.0.failures())
    }

    /// Kills all members, and waits until those have ended; see
    /// [`GreenThread::kill`]. A member that does so ends as well.
    pub fn kill(&self) {
        self.0.kill();
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Group {
    fn default() -> Group {
        Group::new()
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("len", &self.len()).finish_non_exhaustive()
    }
}
