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

use crate::calls::call::Socket;
use crate::green::handle::{GreenThread, current};
use crate::sync::permits::{MOST, Permits};
use crate::sync::{Event, Outcome};
use crate::sys::clock::{self, Nanos};
use crate::sys::lock::Lock;
use std::mem;
use std::time::Duration;

/// See above.
pub(super) struct Crowd {
    /// Room for handlers; closed by a stop.
    room: Permits,
    inside: Lock<Inside>,
    /// Set whenever one leaves and so few are left that a stop may be done.
    left: Event,
}

#[derive(Default)]
struct Inside {
    servants: usize,
    handlers: usize,
    /// Handlers that wait in `stop`: it cannot wait for them.
    stopping: usize,
    ending: bool,
    slots: Vec<Slot>,
    /// The first free slot + 1; 0: none.
    free: usize,
}

enum Slot {
    /// The next free slot + 1; 0: none.
    Free(usize),
    Taken(Handler),
}

/// What it takes to end a handler.
struct Handler {
    thread: GreenThread,
    socket: Option<Socket>,
    /// It waits in `stop`, and is one of `Inside::stopping`.
    stops: bool,
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

    /// How many there are that a stop waits for.
    fn left(&self) -> usize {
        (self.servants + self.handlers).saturating_sub(self.stopping)
    }

    /// Gives `handler` back if there is no room.
    fn put(&mut self, handler: Handler) -> Result<usize, Handler> {
        if let Some(at) = self.free.checked_sub(1) {
            if let Slot::Free(next) = mem::replace(&mut self.slots[at], Slot::Taken(handler)) {
                self.free = next;
            }
            return Ok(at);
        }
        if self.slots.len() == self.slots.capacity() {
            return Err(handler);
        }
        self.slots.push(Slot::Taken(handler));
        Ok(self.slots.len() - 1)
    }

    fn take(&mut self, at: usize) -> Slot {
        let next = mem::replace(&mut self.free, at + 1);
        mem::replace(&mut self.slots[at], Slot::Free(next))
    }

    /// Marks the handler `me`, if it is one, and not marked yet.
    fn mark(&mut self, me: &GreenThread) -> Option<usize> {
        let is_me = |slot: &Slot| matches!(slot, Slot::Taken(h) if h.thread == *me && !h.stops);
        let at = self.slots.iter().position(is_me)?;
        if let Slot::Taken(handler) = &mut self.slots[at] {
            handler.stops = true;
        }
        self.stopping += 1;
        Some(at)
    }

    fn unmark(&mut self, at: usize) {
        if let Slot::Taken(handler) = &mut self.slots[at] {
            handler.stops = false;
        }
        self.stopping -= 1;
    }

    fn begun(&self, at: usize) -> Option<&Handler> {
        match self.slots.get(at) {
            Some(Slot::Taken(handler)) => Some(handler),
            _ => None,
        }
    }
}

impl Crowd {
    /// With room for `most` handlers.
    pub(super) fn new(most: usize) -> Crowd {
        let most = most.min(MOST);
        Crowd {
            room: Permits::new(most, most),
            inside: Lock::new(Inside::default()),
            left: Event::new(),
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
        let (empty, servants) = {
            let mut inside = self.inside.lock();
            *inside.of(role) -= 1;
            (inside.left() == 0, inside.servants)
        };
        if role == Role::Handler {
            self.room.release();
        }
        if empty {
            self.left.set();
        }
        role == Role::Servant && servants == 0
    }

    /// The current green thread begins as a handler, on `socket` if there is
    /// one; its place in the list, or `None` if it must not.
    pub(super) fn begin(&self, socket: Option<Socket>) -> Option<usize> {
        let mut handler = Handler { thread: current()?, socket, stops: false };
        loop {
            let len = {
                let mut inside = self.inside.lock();
                if inside.ending {
                    break None; // the guard goes first, then `handler`
                }
                match inside.put(handler) {
                    Ok(at) => return Some(at),
                    Err(back) => handler = back,
                }
                inside.slots.len()
            };
            self.enlarge(Vec::with_capacity(2 * len + 16));
        }
    }

    /// Moves the list to `bigger`, if it is.
    fn enlarge(&self, mut bigger: Vec<Slot>) {
        let mut inside = self.inside.lock();
        if inside.slots.capacity() < bigger.capacity() {
            bigger.append(&mut inside.slots);
            mem::swap(&mut inside.slots, &mut bigger);
        }
        drop(inside); // before what is the smaller one now
    }

    /// The handler at this place in the list has done its work.
    pub(super) fn end(&self, at: usize) {
        let handler = self.inside.lock().take(at);
        drop(handler);
    }

    /// How many handlers there are.
    pub(super) fn handlers(&self) -> usize {
        self.inside.lock().handlers
    }

    /// While the caller stops the server: if he is a handler, nobody waits for
    /// him, and he is not ended.
    pub(super) fn stopper(&self) -> Stopper<'_> {
        let at = current().and_then(|me| self.inside.lock().mark(&me));
        if at.is_some() {
            self.left.set(); // another may have waited for this one alone
        }
        Stopper { crowd: self, at }
    }

    /// Waits until nobody is inside but handlers that stop the server; at most
    /// until `deadline`. How many are left.
    pub(super) fn wait(&self, deadline: Nanos) -> usize {
        loop {
            self.left.clear();
            let left = self.inside.lock().left();
            if left == 0 {
                // Another may have found somebody, and not wait yet.
                self.left.set();
                return 0;
            }
            let time = Duration::from_nanos(deadline.saturating_sub(clock::now()));
            if !self.left.wait_timeout(time) {
                return self.inside.lock().left();
            }
        }
    }

    /// Ends every handler that does not stop the server, and lets none begin;
    /// how many.
    pub(super) fn end_all(&self) -> usize {
        let places = {
            let mut inside = self.inside.lock();
            inside.ending = true;
            inside.slots.len()
        };
        (0..places).filter(|at| self.end_one(*at)).count()
    }

    fn end_one(&self, at: usize) -> bool {
        let (thread, socket) = {
            let inside = self.inside.lock();
            let handler = inside.begun(at).filter(|handler| !handler.stops);
            let Some(handler) = handler else { return false };
            (handler.thread.clone(), handler.socket)
        };
        thread.request_kill();
        // What waits for the connection does not hear of the kill.
        socket.map(Socket::hang_up);
        true
    }
}

/// See [`Crowd::stopper`].
pub(super) struct Stopper<'a> {
    crowd: &'a Crowd,
    /// His place in the list, if he marked it.
    at: Option<usize>,
}

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            self.crowd.inside.lock().unmark(at);
        }
    }
}

#[cfg(all(test, not(loom)))]
#[path = "crowd_tests.rs"]
mod tests;
