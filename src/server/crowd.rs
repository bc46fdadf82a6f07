//! Who is inside a server: those who take in (acceptors, receivers), and the
//! handlers that run.
//!
//! Everybody inside has a [`Pass`], which counts him from before he is there
//! until after all that he had is dropped. So when nobody is counted, nothing
//! that the server made is open.
//!
//! A handler *begins* by standing in the list with what it takes to end it.
//! Once the list is `ending`, none begins any more; both under one lock, so a
//! handler either is found there, or finds that it must not begin.
//!
//! Under the lock nothing allocates and nothing is dropped: an allocator may be
//! patched, and what is dropped may be the user's.

use super::slots::{Handler, Slot, Slots};
use crate::calls::call::Socket;
use crate::green::handle::{GreenThread, current};
use crate::sync::permits::{MOST, Permits};
use crate::sync::{Event, Outcome};
use crate::sys::clock::{self, Nanos};
use crate::sys::lock::Lock;
use std::time::Duration;

/// How long a stop waits for the next of those that it has ended to go.
const GRACE: Duration = Duration::from_secs(1);

/// See above.
pub(super) struct Crowd {
    /// Room for handlers; closed by a stop.
    room: Permits,
    inside: Lock<Inside>,
    /// Set whenever one leaves and a stop may be done: one that a handler calls
    /// (1), or another (0). Each is cleared only by those who wait for the same.
    left: [Event; 2],
}

#[derive(Default)]
struct Inside {
    servants: usize,
    handlers: usize,
    /// Handlers that wait in `stop`: they cannot wait for each other.
    stopping: usize,
    ending: bool,
    /// Nothing more is read.
    deaf: bool,
    slots: Slots,
}

/// Whom a pass is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Takes in.
    Servant,
    Handler,
}

impl Inside {
    fn of(&mut self, role: Role) -> &mut usize {
        match role {
            Role::Servant => &mut self.servants,
            Role::Handler => &mut self.handlers,
        }
    }

    /// How many there are that a stop waits for: all, or if one of the handlers
    /// calls it, those that do not.
    fn left(&self, by_handler: bool) -> usize {
        let spared = if by_handler { self.stopping } else { 0 };
        (self.servants + self.handlers).saturating_sub(spared)
    }
}

impl Crowd {
    /// With room for `most` handlers.
    pub(super) fn new(most: usize) -> Crowd {
        let most = most.min(MOST);
        Crowd {
            room: Permits::new(most, most),
            inside: Lock::new(Inside::default()),
            left: [Event::new(), Event::new()],
        }
    }

    /// Waits for room for a handler; false once closed.
    pub(super) fn await_room(&self) -> bool {
        self.room.acquire(None) == Outcome::Granted
    }

    /// Takes room for a handler if there is some.
    pub(super) fn has_room(&self) -> bool {
        self.room.try_acquire()
    }

    /// Nobody waits for room any more.
    pub(super) fn close(&self) {
        self.room.close();
    }

    /// Counts one. A handler must have room, which goes with it.
    pub(super) fn come(&self, role: Role) {
        *self.inside.lock().of(role) += 1;
    }

    /// He is gone, with all that he had. True if he was the last servant.
    pub(super) fn go(&self, role: Role) -> bool {
        let (left, servants) = {
            let mut inside = self.inside.lock();
            *inside.of(role) -= 1;
            ([false, true].map(|by_handler| inside.left(by_handler)), inside.servants)
        };
        if role == Role::Handler {
            self.room.release();
        }
        let ends = self.left.iter().zip(left).filter(|(_, left)| *left == 0);
        ends.for_each(|(event, _)| event.set());
        role == Role::Servant && servants == 0
    }

    /// The current green thread begins as a handler, on `socket` if there is
    /// one; its place in the list, or `None` if it must not.
    pub(super) fn begin(&self, socket: Option<Socket>) -> Option<usize> {
        let thread = current()?;
        let mut handler = Handler { thread, socket, stops: false, has_stopped: false };
        loop {
            let len = {
                let mut inside = self.inside.lock();
                if inside.ending {
                    break None; // the guard goes first, then `handler`
                }
                let deaf = inside.deaf;
                match inside.slots.put(handler) {
                    Ok(at) => {
                        drop(inside);
                        shut(socket.filter(|_| deaf), libc::SHUT_RD);
                        return Some(at);
                    }
                    Err(back) => handler = back,
                }
                inside.slots.len()
            };
            let bigger = Vec::with_capacity(2 * len + 16);
            let smaller = self.inside.lock().slots.enlarge(bigger);
            drop(smaller); // not under the lock
        }
    }

    /// The handler at this place in the list has done its work; whether it has
    /// stopped the server.
    pub(super) fn end(&self, at: usize) -> bool {
        let slot = self.inside.lock().slots.take(at);
        matches!(slot, Slot::Taken(handler) if handler.has_stopped)
    }

    /// Whether no handler begins any more.
    pub(super) fn is_ending(&self) -> bool {
        self.inside.lock().ending
    }

    /// How many handlers there are.
    pub(super) fn handlers(&self) -> usize {
        self.inside.lock().handlers
    }

    /// While the caller stops the server: if he is a handler, no other handler
    /// waits for him, and he is not ended.
    pub(super) fn stopper(&self) -> Stopper<'_> {
        let at = current().and_then(|me| {
            let mut inside = self.inside.lock();
            let at = inside.slots.mark(&me);
            inside.stopping += usize::from(at.is_some());
            at
        });
        if at.is_some() {
            self.left[1].set(); // another may have waited for this one alone
        }
        Stopper { crowd: self, at }
    }

    /// Every connection comes to its end for the handler that reads from it.
    pub(super) fn end_input(&self) {
        self.for_each(|inside| inside.deaf = true, |_, socket| shut(socket, libc::SHUT_RD));
    }

    /// Ends every handler that does not stop the server, and lets none begin;
    /// how many.
    pub(super) fn end_all(&self) -> usize {
        let end = |thread: GreenThread, socket: Option<Socket>| {
            match socket {
                // Also for one that computes, or does not heed the kill.
                Some(socket) => socket.hang_up(|| thread.request_kill()),
                None => thread.request_kill(),
            }
        };
        self.for_each(|inside| inside.ending = true, end)
    }

    /// After `change`, does `f` for each handler that does not stop the server,
    /// not under the lock. How many.
    fn for_each(
        &self,
        change: impl FnOnce(&mut Inside),
        f: impl Fn(GreenThread, Option<Socket>),
    ) -> usize {
        let places = {
            let mut inside = self.inside.lock();
            change(&mut inside);
            inside.slots.len()
        };
        let at = |at| {
            let inside = self.inside.lock();
            let handler = inside.slots.get(at).filter(|handler| !handler.stops)?;
            Some((handler.thread.clone(), handler.socket))
        };
        (0..places).filter_map(at).map(|(thread, socket)| f(thread, socket)).count()
    }
}

fn shut(socket: Option<Socket>, how: i32) {
    if let Some(socket) = socket {
        socket.shut(how);
    }
}

/// See [`Crowd::stopper`].
pub(super) struct Stopper<'a> {
    crowd: &'a Crowd,
    /// His place in the list, if he marked it.
    at: Option<usize>,
}

impl Stopper<'_> {
    pub(super) fn is_handler(&self) -> bool {
        self.at.is_some()
    }

    fn left(&self) -> usize {
        self.crowd.inside.lock().left(self.is_handler())
    }

    /// Waits until nobody is inside; for a handler, but those that stop the server,
    /// too. At most until `deadline`; how many are left.
    pub(super) fn wait(&self, deadline: Nanos) -> usize {
        while !self.is_done() {
            let time = Duration::from_nanos(deadline.saturating_sub(clock::now()));
            if !self.event().wait_timeout(time) {
                return self.left();
            }
        }
        0
    }

    fn event(&self) -> &Event {
        &self.crowd.left[usize::from(self.is_handler())]
    }

    /// Whether nobody is left; if somebody is, the event will be set.
    fn is_done(&self) -> bool {
        self.event().clear();
        let done = self.left() == 0;
        if done {
            // Another may have found somebody, and not wait yet.
            self.event().set();
        }
        done
    }

    /// Waits for those that are ended, of whom there were `left`, until none goes
    /// any more. How many are left.
    pub(super) fn wait_while_going(&self, mut left: usize) -> usize {
        loop {
            match self.wait(clock::after(GRACE)) {
                now if now == 0 || now >= left => return now,
                fewer => left = fewer,
            }
        }
    }
}

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            let mut inside = self.crowd.inside.lock();
            inside.slots.set_stops(at, false);
            inside.stopping -= 1;
        }
    }
}

#[cfg(all(test, not(loom)))]
#[path = "crowd_tests.rs"]
mod tests;
