//! What may end a thread's waits early, as that thread knows it; see `cancel`.

use super::state::State;
use crate::sys::clock::{self, Nanos};
use std::cell::Cell;
use std::ptr;

/// Why a wait is over before its time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Killed,
    /// That limit is past.
    Elapsed(*const Limit),
}

/// One `timeout` that a thread is in, on the stack of that thread.
pub(crate) struct Limit {
    /// When this one ends.
    own: Nanos,
    /// When the first of this one and those around it ends.
    pub(super) until: Cell<Nanos>,
    /// Whose end that is.
    pub(super) owner: Cell<*const Limit>,
    pub(super) outer: Cell<*const Limit>,
    /// It has ended a wait.
    pub(super) struck: Cell<bool>,
}

/// What a thread knows of its own cancellation.
pub(crate) struct Marks {
    /// The innermost limit, or null.
    pub(super) limit: Cell<*const Limit>,
    /// How many `uncancellable` it is in.
    pub(super) shields: Cell<u32>,
    /// The thread's own greenlet is in some, while another one runs.
    pub(super) shielded_around: Cell<bool>,
    /// Calls that failed; see `refuse`.
    pub(super) refusals: Cell<u16>,
    /// What the last sleep of libc's that failed has said, or 0.
    pub(super) slept: Cell<u8>,
    /// How many `Native` it is in: its calls are not to be caught. Of a green
    /// thread; see `current`.
    pub(super) natives: Cell<u32>,
}

impl Limit {
    pub(crate) fn new(until: Nanos) -> Limit {
        Limit {
            own: until,
            until: Cell::new(until),
            owner: Cell::new(ptr::null()),
            outer: Cell::new(ptr::null()),
            struck: Cell::new(false),
        }
    }

    /// Works out `until` and `owner` anew.
    ///
    /// # Safety
    /// What it is linked to stands.
    pub(super) unsafe fn bind(&self) {
        // SAFETY: the caller's promise.
        match unsafe { self.outer.get().as_ref() } {
            Some(outer) if outer.until.get() <= self.own => {
                self.until.set(outer.until.get());
                self.owner.set(outer.owner.get());
            }
            _ => {
                self.until.set(self.own);
                self.owner.set(self);
            }
        }
    }

    /// No other is like it: one that comes to lie where it lay ends later.
    pub(super) fn which(&self) -> (usize, Nanos) {
        (ptr::from_ref(self).addr(), self.own)
    }

    /// Whether it has ended a wait, or made a patched call fail.
    pub(crate) fn has_struck(&self) -> bool {
        self.struck.get()
    }
}

impl Marks {
    pub(super) const fn new() -> Marks {
        Marks {
            limit: Cell::new(ptr::null()),
            shields: Cell::new(0),
            shielded_around: Cell::new(false),
            refusals: Cell::new(0),
            slept: Cell::new(0),
            natives: Cell::new(0),
        }
    }

    /// The limit that holds here.
    pub(super) fn limit(&self) -> Option<&Limit> {
        if self.is_shielded() {
            return None;
        }
        // SAFETY: on this thread's stack until `Limit::enter`'s caller has left.
        unsafe { self.limit.get().as_ref() }
    }

    pub(super) fn end(&self, state: Option<&State>) -> Option<End> {
        if !self.is_shielded() && state.is_some_and(State::is_killed) {
            return Some(End::Killed);
        }
        let limit = self.limit()?;
        (clock::now() >= limit.until.get()).then(|| End::Elapsed(limit.owner.get()))
    }

    fn is_shielded(&self) -> bool {
        self.shields.get() > 0 || self.shielded_around.get()
    }

    pub(super) fn shield(&self) {
        self.shields.set(self.shields.get() + 1);
    }

    pub(super) fn unshield(&self) {
        self.shields.set(self.shields.get() - 1);
    }
}
