//! The event.

use super::line::{Line, Node, Outcome};
use super::place::{self, Place, Source};
use super::select::Arm;
use super::waitable::{Spot, Waitable, Watch};
use crate::green::park::Waiting;
use crate::green::why::{Kind, Why};
use crate::sys::clock::{self, Nanos};
use crate::sys::quick::Quick;
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
    waiters: Quick<Waiters>,
}

struct Waiters {
    line: Line,
    /// The newest number when it was last set: all up to there have waited long
    /// enough, also those whom `set` has not come to yet.
    reached: u64,
}

impl Event {
    /// Not set.
    pub const fn new() -> Event {
        let waiters = Waiters { line: Line::new(), reached: 0 };
        Event { set: AtomicBool::new(false), waiters: Quick::new(waiters) }
    }

    /// Sets it, and wakes all who wait.
    pub fn set(&self) {
        let newest = {
            let mut waiters = self.waiters.lock();
            // Under the lock: whoever stands in line has come before.
            self.set.store(true, Release);
            waiters.reached = waiters.line.newest();
            waiters.reached
        };
        loop {
            // SAFETY: in line, so not told yet.
            let wake = |who: Waiting| unsafe { who.wake() };
            let told = self.waiters.lock().line.grant(newest, wake);
            let Some(told) = told else { return };
            told.finish();
        }
    }

    /// Those who come from now on wait until it is set again.
    pub fn clear(&self) {
        // Under the lock, so that it does not come between another's look and
        // its standing in line.
        let _waiters = self.waiters.lock();
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

    pub(crate) fn wait_by(&self, deadline: Option<Nanos>) -> bool {
        if self.is_set() {
            return true;
        }
        let node = place::node();
        // SAFETY: `wait` returns or unwinds when the node is out of line.
        let entered = unsafe { self.enter(&node) };
        entered.unwrap_or_else(|| place::wait(self, &node, deadline)) == Outcome::Granted
            || node.number() <= self.waiters.lock().reached
    }

    #[doc(hidden)]
    pub fn __waiting(&self) -> Arm<'_> {
        Arm::at(self)
    }

    #[doc(hidden)]
    pub fn __waited(&self) {}
}

impl Source for Event {
    fn try_now(&self) -> Option<Outcome> {
        self.is_set().then_some(Outcome::Granted)
    }

    /// # Safety
    /// As `Source` says.
    unsafe fn enter(&self, node: &Node) -> Option<Outcome> {
        let mut waiters = self.waiters.lock();
        let set = self.try_now();
        if set.is_none() {
            // SAFETY: the caller's promise.
            unsafe { waiters.line.push(node) };
        }
        set
    }
}

impl Watch for Event {
    fn is_ready(&self) -> bool {
        self.is_set()
    }

    fn watch(&self, spot: &Spot) -> bool {
        let mut waiters = self.waiters.lock();
        let waits = !self.is_set();
        if waits {
            // SAFETY: spots stay until they were taken out by `unwatch`.
            unsafe { waiters.line.push(spot.node()) };
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
    fn why(&self) -> Why {
        Why::at(Kind::Event, self)
    }

    fn leave(&self, node: &Node) -> bool {
        // SAFETY: `wait` was given a node that is in this line.
        unsafe { self.waiters.lock().line.leave(node) }
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
