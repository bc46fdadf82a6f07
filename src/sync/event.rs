//! The event.

use super::line::{Line, Node, Outcome};
use super::place::{self, Place};
use super::waitable::{Spot, Waitable, Watch};
use crate::green::park::Waiting;
use crate::sys::clock::{self, Nanos};
use crate::sys::lock::Lock;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::Duration;

/// A flag that threads, green or not, wait for.
///
/// ```
/// let event = std::sync::Arc::new(greenroom::sync::Event::new());
/// let theirs = event.clone();
/// let waiter = greenroom::spawn(move || theirs.wait());
/// event.set();
/// waiter.join().unwrap();
/// assert!(event.is_set());
/// ```
pub struct Event {
    set: AtomicBool,
    line: Lock<Line>,
}

impl Event {
    /// Not set.
    pub const fn new() -> Event {
        Event { set: AtomicBool::new(false), line: Lock::new(Line::new()) }
    }

    /// Sets it, and wakes all who wait.
    pub fn set(&self) {
        let newest = {
            let line = self.line.lock();
            // Under the lock: whoever stands in line has come before.
            self.set.store(true, Release);
            line.newest()
        };
        loop {
            // SAFETY: in line, so not told yet.
            let told = self.line.lock().grant(newest, |who: Waiting| unsafe { who.wake() });
            let Some(told) = told else { return };
            told.finish();
        }
    }

    /// Those who come from now on wait until it is set again.
    pub fn clear(&self) {
        // Under the lock, so that it does not come between another's look and
        // its standing in line.
        let _line = self.line.lock();
        self.set.store(false, Release);
    }

    /// Whether it is set.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.set.load(Acquire)
    }

    /// Waits until it is set. Having been set at any time during the wait is
    /// enough, even if it was cleared at once.
    pub fn wait(&self) {
        self.wait_by(None);
    }

    /// As `wait`, at most for `timeout`; whether it was set.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.is_set() || self.wait_by(Some(clock::after(timeout)))
    }

    fn wait_by(&self, deadline: Option<Nanos>) -> bool {
        if self.is_set() {
            return true;
        }
        let node = place::node();
        {
            let mut line = self.line.lock();
            if self.is_set() {
                return true;
            }
            // SAFETY: `wait` returns or unwinds when the node is out of line.
            unsafe { line.push(&node) };
        }
        place::wait(self, &node, deadline) == Outcome::Granted
    }
}

impl Watch for Event {
    fn is_ready(&self) -> bool {
        self.is_set()
    }

    fn watch(&self, spot: &Spot) -> bool {
        let mut line = self.line.lock();
        let waits = !self.is_set();
        if waits {
            // SAFETY: spots stay until they were taken out by `unwatch`.
            unsafe { line.push(spot.node()) };
        }
        waits
    }

    fn unwatch(&self, spot: &Spot) {
        self.leave(spot.node());
    }
}

/// Ready when it is set.
impl Waitable for Event {}

impl Place for Event {
    fn leave(&self, node: &Node) -> bool {
        // SAFETY: `wait` was given a node that is in this line.
        unsafe { self.line.lock().leave(node) }
    }

    fn pass_on(&self) {
        // Nothing to hand on: all who waited were woken.
    }
}

impl Default for Event {
    fn default() -> Event {
        Event::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("set", &self.is_set()).finish()
    }
}
