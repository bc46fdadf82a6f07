//! Whose turn it is at a readers-writer lock.
//!
//! **Protocol.** Under one lock lie how many read, whether one writes, and the
//! line of those who wait.
//!
//! | move | by |
//! |---|---|
//! | enter at once | whoever finds nobody in line, and is let in by those inside |
//! | stand in line | whoever else comes |
//! | let the first in | whoever took away what kept it out: by leaving the inside, or the head of the line; one after the other, until the first must wait |
//!
//! So nobody overtakes. While the lock is free and the first in line could
//! enter, somebody is on his way to let it in. What the last one inside did is
//! seen by the next by way of the lock, or of its node's outcome.

use super::line::{Candidate, Line, Node, Outcome};
use super::place::{self, Place};
use crate::green::current;
use crate::green::park::Waiting;
use crate::green::why::{Kind, Why};
use crate::sys::clock::Nanos;
use crate::sys::quick::Quick;
use std::mem::offset_of;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What one wants to do inside.
#[derive(Clone, Copy)]
pub(super) enum Turn {
    Read,
    Write,
}

struct Wish {
    who: Waiting,
    turn: Turn,
}

/// It waits here alone.
impl Candidate for Wish {}

struct State {
    readers: usize,
    writing: bool,
    line: Line<Wish>,
}

impl State {
    /// Counts one in, if those inside let it.
    fn admit(&mut self, turn: Turn) -> bool {
        let free = !self.writing;
        match turn {
            Turn::Read if free => self.readers += 1,
            Turn::Write if free && self.readers == 0 => self.writing = true,
            _ => return false,
        }
        true
    }
}

/// See above.
pub(super) struct Turns {
    state: Quick<State>,
    /// The mark of the one that writes, or 0, as a mutex has it.
    writer: AtomicUsize,
}

/// Where.
pub(crate) const WRITER_AT: usize = offset_of!(Turns, writer);

impl Turns {
    /// Nobody inside.
    pub(super) const fn new() -> Turns {
        let state = State { readers: 0, writing: false, line: Line::new() };
        Turns { state: Quick::new(state), writer: AtomicUsize::new(0) }
    }

    /// Enters, if it need not wait.
    #[inline]
    pub(super) fn try_enter(&self, turn: Turn) -> bool {
        let mut state = self.state.lock();
        state.line.is_empty() && state.admit(turn) && self.is_in(turn)
    }

    /// Enters, waiting at most until `deadline`; whether it did.
    #[inline]
    pub(super) fn enter(&self, turn: Turn, deadline: Option<Nanos>) -> bool {
        self.try_enter(turn) || self.stand_in_line(turn, deadline) && self.is_in(turn)
    }

    /// It is inside.
    #[inline]
    fn is_in(&self, turn: Turn) -> bool {
        if let Turn::Write = turn {
            self.writer.store(current::mark(), Relaxed);
        }
        true
    }

    #[cold]
    fn stand_in_line(&self, turn: Turn, deadline: Option<Nanos>) -> bool {
        let node = Node::new(Wish { who: Waiting::current(), turn });
        {
            let mut state = self.state.lock();
            if state.line.is_empty() && state.admit(turn) {
                return true;
            }
            // SAFETY: `wait` returns or unwinds when the node is out of line.
            unsafe { state.line.push(&node) };
        }
        place::wait(&Waits { at: self, turn }, &node, deadline) == Outcome::Granted
    }

    /// Leaves the inside.
    #[inline]
    pub(super) fn leave(&self, turn: Turn) {
        let mut state = self.state.lock();
        match turn {
            Turn::Read => state.readers -= 1,
            Turn::Write => {
                state.writing = false;
                self.writer.store(0, Relaxed);
            }
        }
        if !state.line.is_empty() {
            drop(state);
            self.let_in();
        }
    }

    #[cold]
    fn let_in(&self) {
        loop {
            let mut state = self.state.lock();
            let Some(turn) = state.line.first().map(|wish| wish.turn) else { return };
            if !state.admit(turn) {
                return;
            }
            // SAFETY: in line, so not told yet.
            let told = state.line.grant(u64::MAX, |wish| unsafe { wish.who.wake() });
            drop(state);
            told.into_iter().for_each(|told| told.finish());
        }
    }
}

/// One who waits for a turn.
struct Waits<'a> {
    at: &'a Turns,
    turn: Turn,
}

impl Place<Wish> for Waits<'_> {
    fn why(&self) -> Why {
        Why::at(Kind::Turn, self.at)
    }

    fn leave(&self, node: &Node<Wish>) -> bool {
        // SAFETY: `wait` was given a node that is in this line.
        let left = unsafe { self.at.state.lock().line.leave(node) };
        if left {
            self.at.let_in();
        }
        left
    }

    fn pass_on(&self) {
        self.at.leave(self.turn);
    }
}
