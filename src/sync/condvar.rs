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
    waiters: Quick<Waiters>,
}

struct Waiters {
    line: Line,
    /// The newest number when all were last notified: those up to there wait no
    /// more, also those whom `notify_all` has not come to yet.
    all: u64,
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
        Condvar { waiters: Quick::new(Waiters { line: Line::new(), all: 0 }) }
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
        unsafe { self.waiters.lock().line.push(&node) };
        drop(guard);
        let at = Waits { condvar: self, number: node.number() };
        let outcome = place::wait(&at, &node, deadline);
        // If this unwinds, another one is to be notified.
        let notified = (outcome == Outcome::Granted).then(|| Notified(at));
        let guard = mutex.lock();
        std::mem::forget(notified);
        (guard, WaitTimeoutResult(outcome == Outcome::TimedOut))
    }

    /// Wakes the one that waits longest, if any does.
    pub fn notify_one(&self) {
        // Those who were all notified come first, and do not count.
        while self.notify(true) {}
    }

    /// Wakes all who wait now.
    pub fn notify_all(&self) {
        {
            let mut waiters = self.waiters.lock();
            waiters.all = waiters.line.newest();
        }
        while self.notify(false) {}
    }

    /// Wakes the next of those who were all notified; whether there was one. If
    /// not, wakes the first of the others, if that is `wanted`.
    fn notify(&self, wanted: bool) -> bool {
        // SAFETY: in line, so not told yet.
        let wake = |who: Waiting| unsafe { who.wake() };
        let mut waiters = self.waiters.lock();
        let all = waiters.all;
        let mut told = waiters.line.grant(all, wake);
        let was_one = told.is_some();
        if wanted && !was_one {
            told = waiters.line.grant(u64::MAX, wake);
        }
        drop(waiters);
        told.into_iter().for_each(|told| told.finish());
        was_one
    }
}

/// One who waits.
struct Waits<'a> {
    condvar: &'a Condvar,
    /// Its place among all who have ever waited.
    number: u64,
}

/// What one was told who has not come back yet.
struct Notified<'a>(Waits<'a>);

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

impl Place for Waits<'_> {
    fn why(&self) -> Why {
        Why::at(Kind::Condition, self.condvar)
    }

    fn leave(&self, node: &Node) -> bool {
        // SAFETY: `wait` was given a node that is in this line.
        unsafe { self.condvar.waiters.lock().line.leave(node) }
    }

    fn pass_on(&self) {
        // If all were notified, whoever came later has no reason to wake.
        if self.number > self.condvar.waiters.lock().all {
            self.condvar.notify_one();
        }
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
