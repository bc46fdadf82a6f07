//! The condition variable.

use super::line::{Line, Node, Outcome};
use super::mutex::MutexGuard;
use super::place::{self, Place};
use crate::green::park::Waiting;
use crate::green::why::{Kind, Why};
use crate::sys::clock::{self, Nanos};
use crate::sys::quick::Quick;
use std::fmt;
use std::time::Duration;

/// Lets threads, green or not, wait until another says that something under a
/// [`Mutex`](super::Mutex) has changed. Those who wait are woken in the order in
/// which they came, and never without reason.
///
/// ```
/// use greenroom::sync::{Condvar, Mutex};
/// use std::sync::Arc;
/// let pair = Arc::new((Mutex::new(false), Condvar::new()));
/// let theirs = pair.clone();
/// greenroom::spawn(move || {
///     *theirs.0.lock() = true;
///     theirs.1.notify_one();
/// });
/// let ready = pair.1.wait_while(pair.0.lock(), |ready| !*ready);
/// assert!(*ready);
/// ```
pub struct Condvar {
    line: Quick<Line>,
}

/// Whether a timed wait ended by its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether nobody notified it in time.
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// Nobody waits.
    pub const fn new() -> Condvar {
        Condvar { line: Quick::new(Line::new()) }
    }

    /// Lets go of the mutex, waits to be notified, and locks it again.
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.wait_by(guard, None).0
    }

    /// As `wait`, for as long as `condition` holds.
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while condition(&mut guard) {
            guard = self.wait(guard);
        }
        guard
    }

    /// As `wait`, at most for `timeout` and what locking the mutex takes.
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> (MutexGuard<'a, T>, WaitTimeoutResult) {
        self.wait_by(guard, Some(clock::after(timeout)))
    }

    /// As `wait_while`, at most for `timeout`; it timed out if `condition` still
    /// holds.
    pub fn wait_timeout_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> (MutexGuard<'a, T>, WaitTimeoutResult) {
        let deadline = clock::after(timeout);
        let mut late = false;
        loop {
            if !condition(&mut guard) {
                return (guard, WaitTimeoutResult(false));
            }
            if late {
                return (guard, WaitTimeoutResult(true));
            }
            let waited = self.wait_by(guard, Some(deadline));
            (guard, late) = (waited.0, waited.1.0);
        }
    }

    fn wait_by<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Nanos>,
    ) -> (MutexGuard<'a, T>, WaitTimeoutResult) {
        let mutex = guard.mutex();
        let node = place::node();
        // In line before the mutex is free, so no notice in between is missed.
        // SAFETY: `wait` returns or unwinds when the node is out of line, and
        // unlocking does not unwind.
        unsafe { self.line.lock().push(&node) };
        drop(guard);
        let outcome = place::wait(self, &node, deadline);
        // If this unwinds, another one is to be notified.
        let notified = (outcome == Outcome::Granted).then(|| Notified(self));
        let guard = mutex.lock();
        std::mem::forget(notified);
        (guard, WaitTimeoutResult(outcome == Outcome::TimedOut))
    }

    /// Wakes the one that waits longest, if any does.
    pub fn notify_one(&self) {
        self.notify(u64::MAX);
    }

    /// Wakes all who wait now.
    pub fn notify_all(&self) {
        let newest = self.line.lock().newest();
        while self.notify(newest) {}
    }

    fn notify(&self, newest: u64) -> bool {
        // SAFETY: in line, so not told yet.
        let told = self.line.lock().grant(newest, |who: Waiting| unsafe { who.wake() });
        told.map(|told| told.finish()).is_some()
    }
}

/// What one was told who has not come back yet.
struct Notified<'a>(&'a Condvar);

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Place for Condvar {
    fn why(&self) -> Why {
        Why::at(Kind::Condition, self)
    }

    fn leave(&self, node: &Node) -> bool {
        // SAFETY: `wait` was given a node that is in this line.
        unsafe { self.line.lock().leave(node) }
    }

    fn pass_on(&self) {
        self.notify_one();
    }
}

impl Default for Condvar {
    fn default() -> Condvar {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
