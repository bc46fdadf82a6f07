//! What a thread is in for a while, and what a suspended part of its stack takes
//! along: `timeout`s, `uncancellable`, `patch::native`.
//!
//! Each is entered and left in the manner of a stack, and `timeout`s are linked
//! on it. A generator or a greenlet that suspends inside one would leave it to
//! whoever goes on, who leaves his own before it comes back: links would lead
//! to frames that are gone. So whoever runs one keeps what he is in (`here`) and
//! has it again afterwards (`Outside`), and what was entered in between goes with
//! the suspended part: a greenlet's on its own (`Scopes`), a generator's on top
//! of what the next to resume it is in (`Taken`).

use super::cancel::with;
use super::current;
use super::id;
use super::limit::Limit;
use std::ptr;

/// What a thread is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scopes {
    limit: *const Limit,
    shields: u32,
    natives: u32,
}

impl Scopes {
    pub(crate) const NONE: Scopes = Scopes { limit: ptr::null(), shields: 0, natives: 0 };

    /// The calling thread's.
    #[inline]
    pub(crate) fn here() -> Scopes {
        let natives = current::natives();
        with(|marks, _| Scopes { limit: marks.limit.get(), shields: marks.shields.get(), natives })
    }

    /// Makes them the calling thread's.
    ///
    /// # Safety
    /// They were this thread's, and their limits are on stacks that stand.
    #[cold]
    pub(crate) unsafe fn set(self) {
        with(|marks, _| {
            marks.limit.set(self.limit);
            marks.shields.set(self.shields);
        });
        current::set_natives(self.natives);
    }

    /// Enters what somebody has who is in nothing else, on top of what the
    /// calling thread is in.
    ///
    /// # Safety
    /// As `set`.
    pub(crate) unsafe fn enter(self) {
        // SAFETY: the caller's promise.
        unsafe { Taken::since(self, Scopes::NONE).enter() }
    }
}

/// What a thread was in before it ran something, and is in again when this is
/// dropped, whatever that has left.
pub(crate) struct Outside(Scopes);

impl Outside {
    #[inline]
    pub(crate) fn here() -> Outside {
        Outside(Scopes::here())
    }

    /// Whether the thread was in an `uncancellable`.
    #[inline]
    pub(crate) fn is_shielded(&self) -> bool {
        self.0.shields > 0
    }

    /// As dropped; and what the thread was in until now.
    #[inline]
    pub(crate) fn back(self) -> Scopes {
        let now = Scopes::here();
        if now == self.0 {
            std::mem::forget(self);
        }
        now
    }

    /// As dropped; and what was entered since, and is not left.
    ///
    /// # Safety
    /// That is on a stack which has been suspended.
    #[inline]
    pub(crate) unsafe fn back_without(self) -> Taken {
        let now = Scopes::here();
        if now == self.0 {
            std::mem::forget(self);
            return Taken::NOTHING;
        }
        self.take(now)
    }

    #[cold]
    fn take(&self, now: Scopes) -> Taken {
        // SAFETY: entered since, and not left.
        unsafe { Taken::since(now, self.0) }
    }
}

impl Drop for Outside {
    #[inline]
    fn drop(&mut self) {
        if Scopes::here() != self.0 {
            // SAFETY: read here, below the caller's frame.
            unsafe { self.0.set() };
        }
    }
}

/// What a suspended part of a stack has entered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The last and the first of its limits.
    limits: Option<(*const Limit, *const Limit)>,
    shields: u32,
    natives: u32,
}

impl Taken {
    pub(crate) const NOTHING: Taken = Taken { limits: None, shields: 0, natives: 0 };

    /// What of `now` was entered after `before`.
    ///
    /// # Safety
    /// The limits of `now` stand, and are linked to the one of `before`.
    unsafe fn since(now: Scopes, before: Scopes) -> Taken {
        let mut lowest = now.limit;
        if now.limit == before.limit {
            lowest = ptr::null();
        }
        // SAFETY: the caller's promise; the last of them was entered first.
        while let Some(limit) = unsafe { lowest.as_ref() }
            && limit.outer.get() != before.limit
        {
            lowest = limit.outer.get();
        }
        Taken {
            limits: (!lowest.is_null()).then_some((now.limit, lowest)),
            shields: now.shields.saturating_sub(before.shields),
            natives: now.natives.saturating_sub(before.natives),
        }
    }

    /// Enters it again, on top of what the thread is in.
    ///
    /// # Safety
    /// As `Scopes::set`.
    #[inline]
    pub(crate) unsafe fn enter(&mut self) {
        if *self != Taken::NOTHING {
            // SAFETY: the caller's promise.
            unsafe { std::mem::replace(self, Taken::NOTHING).put_back() }
        }
    }

    #[cold]
    unsafe fn put_back(self) {
        let mut scopes = Scopes::here();
        if let Some((last, first)) = self.limits {
            // SAFETY: the caller's promise.
            unsafe { (*first).outer.set(scopes.limit) };
            // SAFETY: as above.
            unsafe { bind(last, first) };
            scopes.limit = last;
        }
        scopes.shields += self.shields;
        scopes.natives += self.natives;
        // SAFETY: as above.
        unsafe { scopes.set() };
    }
}

/// Bounds the limits from `first` to `last` by what is around them, in this order.
///
/// # Safety
/// They stand, linked.
unsafe fn bind(last: *const Limit, first: *const Limit) {
    // SAFETY: the caller's promise.
    let limit = unsafe { &*last };
    if last != first {
        // SAFETY: as above.
        unsafe { bind(limit.outer.get(), first) };
    }
    // SAFETY: as above.
    unsafe { limit.bind() };
}

/// Shields what the calling thread does, or no longer, beside what it is in.
#[cold]
pub(crate) fn shield_around(shields: bool) {
    with(|marks, _| marks.shielded_around.set(shields));
}

/// In a fork's child: its one thread was green, and goes on as a plain OS thread,
/// still in what it was in, and with the same suspended stacks. Async-signal-safe,
/// and nothing if it is one already.
pub(crate) fn leave_green() {
    let scopes = Scopes::here();
    if let Some(record) = current::get() {
        id::forked(record.id());
    }
    current::leave();
    // SAFETY: this thread's, on the stack that it goes on with.
    unsafe { scopes.set() }
}
