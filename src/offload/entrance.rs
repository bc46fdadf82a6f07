//! Who waits for a place in a full queue: first come, first served.
//!
//! Whoever frees a place gives it to the first in line, so that a newcomer
//! cannot take it. All of this happens under the crew's lock.

use crate::green::cancel::{park_or_end, raise};
use crate::green::park::Unparker;
use crate::green::why::{Kind, Why};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::*};

const WAITS: u32 = 0;
const ADMITTED: u32 = 1;
const REFUSED: u32 = 2;

/// One who waits.
pub(super) struct Ticket {
    state: AtomicU32,
    waiter: Unparker,
}

impl Ticket {
    /// Waits; whether it was admitted. Unwinds if the thread is killed, or at the
    /// end of a `timeout`.
    pub(super) fn wait(&self) -> bool {
        let why = Why::new(Kind::PoolPlace, 0);
        let _said = why.say();
        // Acquire: what came before the answer is seen.
        while self.state.load(Acquire) == WAITS {
            park_or_end(None).unwrap_or_else(|end| raise(end));
        }
        self.is_admitted()
    }

    pub(super) fn is_admitted(&self) -> bool {
        self.state.load(Acquire) == ADMITTED
    }

    fn answer(&self, answer: u32) {
        self.state.store(answer, Release);
        self.waiter.unpark();
    }
}

/// The line.
pub(super) struct Entrance(VecDeque<Arc<Ticket>>);

impl Entrance {
    pub(super) const fn new() -> Entrance {
        Entrance(VecDeque::new())
    }

    /// Puts the calling thread, green or not, at its end.
    pub(super) fn stand(&mut self) -> Arc<Ticket> {
        let ticket = Arc::new(Ticket { state: AtomicU32::new(WAITS), waiter: Unparker::current() });
        self.0.push_back(ticket.clone());
        ticket
    }

    /// Gives a place to the first; false if nobody waits.
    pub(super) fn admit(&mut self) -> bool {
        self.0.pop_front().inspect(|first| first.answer(ADMITTED)).is_some()
    }

    /// Nobody will be admitted any more.
    pub(super) fn refuse_all(&mut self) {
        self.0.drain(..).for_each(|ticket| ticket.answer(REFUSED));
    }

    /// `ticket` does not wait any more.
    pub(super) fn leave(&mut self, ticket: &Arc<Ticket>) {
        self.0.retain(|other| !Arc::ptr_eq(other, ticket));
    }
}
