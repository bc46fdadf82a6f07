//! Looking at what would be got next.
//!
//! Whoever looks takes a permit only if he had to wait for one, and gives it
//! back. `lookers` counts those who do, from before they wait until the permit
//! is back, both under `content`; so one who finds an item, but no permit, and
//! no looker, knows that others came first and will take it.

use super::error::GetError;
use super::order::Order;
use super::shared::{Content, Held, Shared};
use crate::sync::Outcome;

impl<T: Clone, B: Order<T>> Shared<T, B> {
    pub(super) fn try_peek(&self) -> Result<T, GetError> {
        let content = self.content.lock();
        let none = if content.shut { GetError::Shutdown } else { GetError::Empty };
        content.buffer.peek().cloned().ok_or(none)
    }

    pub(super) fn peek(&self) -> Result<T, GetError> {
        let mut content = self.content.lock();
        if content.buffer.len() == 0 && !content.shut {
            content.lookers += 1;
            drop(content);
            let looking = Looking(self);
            let granted = self.items.acquire(None) == Outcome::Granted;
            let held = granted.then(|| Held(&self.items));
            content = self.content.lock();
            looking.ends(&mut content);
            // An immediate shutdown leaves permits without items.
            if let Some(held) = held.filter(|_| content.buffer.len() == 0) {
                held.used();
            }
        }
        content.buffer.peek().cloned().ok_or(GetError::Shutdown)
    }
}

/// One who looks, while it waits.
struct Looking<'a, T, B: Order<T>>(&'a Shared<T, B>);

impl<T, B: Order<T>> Looking<'_, T, B> {
    fn ends(self, content: &mut Content<B>) {
        content.lookers -= 1;
        std::mem::forget(self);
    }
}

/// The wait has unwound.
impl<T, B: Order<T>> Drop for Looking<'_, T, B> {
    fn drop(&mut self) {
        self.0.content.lock().lookers -= 1;
    }
}
