//! A green thread's end as one of several things to wait for.

use super::join::JoinHandle;
use super::join_state::JoinState;
use crate::green::why::{Kind, Why};
use crate::sync::line::{Node, Outcome};
use crate::sync::place::{Place, Source};
use crate::sync::select::Arm;

impl<T> JoinHandle<T> {
    // Exclusive: only one may wait.
    #[doc(hidden)]
    pub fn __joining(&mut self) -> Arm<'_> {
        // To join oneself fails at once.
        if self.is_current() { Arm::by(0) } else { Arm::at(self.joining()) }
    }
}

/// Waited at through an exclusive reference to the handle alone.
impl Source for JoinState {
    fn try_now(&self) -> Option<Outcome> {
        self.is_done().then_some(Outcome::Granted)
    }

    /// # Safety
    /// As `Source` says.
    unsafe fn enter(&self, node: &Node) -> Option<Outcome> {
        let waiting = node.take_who().expect("a node waits once");
        // SAFETY: the handle's owner, who waits here alone.
        let waits = unsafe { self.wait(waiting) };
        (!waits).then_some(Outcome::Granted)
    }
}

impl Place for JoinState {
    fn why(&self) -> Why {
        Why::at(Kind::First, self) // never waited for alone
    }

    fn leave(&self, _: &Node) -> bool {
        // SAFETY: entered by the handle's owner.
        unsafe { self.give_up() }
    }

    fn pass_on(&self) {
        // The result stays where it is.
    }
}
