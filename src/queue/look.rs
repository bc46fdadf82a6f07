//! Looking at what would be got next.
//!
//! Whoever looks takes a promise only if he had to wait for one, and gives it
//! back. `lookers` counts those who do, from before they wait until the promise
//! is back, both under the lock; so one who finds an item, but no promise, and
//! no looker, knows that others came first and will take it.

use super::away::{Away, For};
use super::error::GetError;
use super::order::Order;
use super::shared::{ByTheDoor, Shared};
use super::state::Core;
use super::waits::Held;
use crate::green::park::Told;
use crate::sync::Outcome;
use crate::sys::clock::Nanos;

impl<T: Clone, B: Order<T>> Shared<T, B> {
    pub(super) fn try_peek(&self) -> Result<T, GetError> {
        let at = self.enter_by_the_door();
        let none = if at.core.shut { GetError::Shutdown } else { GetError::Empty };
        self.show(at, Told::Nothing).ok_or(none)
    }

    pub(super) fn peek(&self, deadline: Option<Nanos>) -> Result<T, GetError> {
        let mut at = self.enter_by_the_door();
        if at.core.len > 0 || at.core.shut {
            return self.show(at, Told::Nothing).ok_or(GetError::Shutdown);
        }
        at.core.lookers += 1;
        drop(at);
        let looking = Looking(self);
        let outcome = Self::acquire(self, deadline);
        let held = (outcome == Outcome::Granted).then(|| Held(self));
        let mut at = self.enter_by_the_door();
        looking.ends(&mut at.core);
        let mut told = Told::Nothing;
        if let Some(held) = held {
            held.used();
            // An immediate shutdown leaves promises without items.
            if at.core.len > 0 {
                told = at.core.items.give();
            }
        }
        let none = if at.core.shut { GetError::Shutdown } else { GetError::Timeout };
        self.show(at, told).ok_or(none)
    }

    fn show(&self, at: ByTheDoor<'_, B>, told: Told) -> Option<T> {
        let away = Away::take(self, at, For::Look);
        told.finish();
        away.buffer.peek().cloned()
    }
}

/// One who looks, while it waits.
struct Looking<'a, T, B: Order<T>>(&'a Shared<T, B>);

impl<T, B: Order<T>> Looking<'_, T, B> {
    fn ends(self, core: &mut Core<B>) {
        core.lookers -= 1;
        std::mem::forget(self);
    }
}

/// The wait has unwound.
impl<T, B: Order<T>> Drop for Looking<'_, T, B> {
    fn drop(&mut self) {
        self.0.lock().lookers -= 1;
    }
}
