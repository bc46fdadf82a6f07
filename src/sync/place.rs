//! Waiting in a line: the one place where the primitives park.

use super::line::{Node, Outcome};
use crate::green::cancel::{park_or_end, raise};
use crate::green::park::{Waiting, Wake};
use crate::green::why::Why;
use crate::sys::clock::Nanos;

/// What a primitive does for one that ends its wait by itself.
pub(crate) trait Place<W = Waiting> {
    /// What is waited for.
    fn why(&self) -> Why;

    /// Under the lock, takes `node` out of line, unless it has its outcome;
    /// whether it did.
    fn leave(&self, node: &Node<W>) -> bool;

    /// Hands on what was granted to one that does not want it any more.
    fn pass_on(&self);
}

/// A place where one may wait that waits elsewhere as well.
pub(crate) trait Source: Place {
    /// What can be had without waiting.
    fn try_now(&self) -> Option<Outcome>;

    /// Whether what `try_now` did not find may be there all the same: for a moment
    /// it may be held by one who only looks at it.
    fn may_come_back(&self) -> bool {
        false
    }

    /// Puts `node` in line, unless it need not wait.
    ///
    /// # Safety
    /// It stays where it is until it has left, whatever its outcome.
    unsafe fn enter(&self, node: &Node) -> Option<Outcome>;
}

/// A node for the calling thread.
pub(crate) fn node() -> Node {
    Node::new(Waiting::current())
}

/// Waits until `node`, which is in line, has its outcome, or until `deadline`.
/// A grant that comes together with the deadline counts.
///
/// Unwinds if the thread is killed, or at the end of a `timeout`.
#[inline(always)] // see `sched::wait::wait_one`
pub(crate) fn wait<W, P: Place<W>>(place: &P, node: &Node<W>, deadline: Option<Nanos>) -> Outcome {
    let why = place.why();
    let _said = why.say();
    let frame = Frame { place, node };
    let outcome = loop {
        if let Some(outcome) = node.outcome() {
            break outcome;
        }
        match park_or_end(deadline) {
            // It waits for the lock: then the outcome is there.
            Ok(Wake::Notified) if node.is_being_told() => _ = place.leave(node),
            Ok(Wake::Notified) => {}
            Ok(Wake::TimedOut) if !place.leave(node) => {}
            Ok(Wake::TimedOut) => break Outcome::TimedOut,
            // A grant that came together with it is handed on.
            Err(end) => {
                drop(frame);
                raise(end);
            }
        }
    };
    std::mem::forget(frame);
    outcome
}

/// If the wait unwinds, the node must not stay in line, nor a grant be lost.
struct Frame<'a, W, P: Place<W>> {
    place: &'a P,
    node: &'a Node<W>,
}

impl<W, P: Place<W>> Drop for Frame<'_, W, P> {
    fn drop(&mut self) {
        if !self.place.leave(self.node) && self.node.outcome() == Some(Outcome::Granted) {
            self.place.pass_on();
        }
    }
}
