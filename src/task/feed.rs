//! What the maps have in common: one item after another becomes a member.

use super::into::{Entry, spawn_into};
use super::join::JoinHandle;
use super::member::{Leave, Members};
use crate::error::JoinError;
use crate::green::cancel::is_end;
use crate::sync::Outcome;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;

/// Turns items into members, in order, as there are places for them.
pub(super) struct Feed<I: Iterator, F> {
    members: Arc<Members>,
    items: I,
    /// The next one, which waits for a place.
    item: Option<I::Item>,
    f: Arc<F>,
    /// That of the pool when it began.
    epoch: u64,
    by: &'static Location<'static>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Killed, and nobody was told.
    Killed,
    Over,
}

/// What became of an item.
pub(super) enum Fed<T> {
    /// It has a green thread.
    Spawned(JoinHandle<T>),
    /// There was no place, and the caller's own: done here and now.
    Here(Result<T, JoinError>),
    /// It was not asked for: there was no place.
    Full,
    /// There are no more.
    Over,
}

impl<I, F, T> Feed<I, F>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    /// # Panics
    /// If the pool is closed.
    pub(super) fn new(
        members: &Arc<Members>,
        items: I,
        f: F,
        by: &'static Location<'static>,
    ) -> Feed<I, F> {
        assert!(!members.is_closed(), "the pool is closed");
        let members = members.clone();
        Feed {
            epoch: members.epoch(),
            members,
            items,
            item: None,
            f: Arc::new(f),
            by,
            state: State::Open,
        }
    }

    /// Takes up the next item. With `wait`, waits for a place: but in a member
    /// of the same pool, which might wait for itself, does it here.
    pub(super) fn take_up(&mut self, wait: bool) -> Fed<T> {
        if self.state == State::Open && self.members.epoch() != self.epoch {
            self.state = State::Killed;
        }
        if self.state != State::Open {
            return Fed::Over;
        }
        // It stays there while this waits: a `timeout` may end that.
        self.item = self.item.take().or_else(|| self.items.next());
        if self.item.is_none() {
            self.state = State::Over;
            return Fed::Over;
        }
        let Some(has_place) = self.place(wait) else { return Fed::Full };
        let Some(item) = self.item.take() else { return Fed::Over };
        let f = self.f.clone();
        if has_place {
            let leave = Leave::Epoch(self.epoch);
            let entry = Entry { holds: true, leave, by: self.by };
            return Fed::Spawned(spawn_into(&self.members, entry, move || f(item)));
        }
        match catch_unwind(AssertUnwindSafe(|| f(item))) {
            // The caller itself is to end. A result counts, also if it came late.
            Err(payload) if is_end(&*payload).is_some() => resume_unwind(payload),
            result => Fed::Here(result.map_err(JoinError::Panicked)),
        }
    }

    /// Whether there is a place, or else the item is to be done here; `None`:
    /// neither.
    fn place(&self, wait: bool) -> Option<bool> {
        let places = self.members.places.as_ref()?;
        let has_place = places.try_acquire();
        if has_place || !wait || self.members.has_current() {
            return (has_place || wait).then_some(has_place);
        }
        Some(places.acquire(None) == Outcome::Granted)
    }

    /// How many are taken up in advance.
    pub(super) fn ahead(&self) -> usize {
        self.members.places.as_ref().map_or(1, |places| places.most())
    }

    /// # Panics
    /// Once, if it was cut short.
    pub(super) fn assert_complete(&mut self) {
        if self.state == State::Killed {
            self.state = State::Over;
            panic!("the pool was killed before all its items were done");
        }
    }
}
