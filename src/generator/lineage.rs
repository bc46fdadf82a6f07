//! Greenlets among themselves: parents, states, who is who.

use super::error::ParentError;
use super::greenlet::Greenlet;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

impl<T: 'static> Greenlet<T> {
    /// Who goes on when this one has ended, or went on when it had; `None` for the
    /// thread's own.
    ///
    /// ```
    /// use greenroom::Greenlet;
    /// let one = Greenlet::new(|()| ());
    /// assert_eq!(one.parent(), Some(Greenlet::current()));
    /// assert_eq!(one.parent().unwrap().parent(), None);
    /// ```
    pub fn parent(&self) -> Option<Greenlet<T>> {
        let fiber = self.fiber.as_ref()?.parent.borrow().clone();
        Some(Greenlet { hub: self.hub.clone(), fiber, values: PhantomData })
    }

    /// Makes `parent` the one that goes on when this one has ended.
    ///
    /// # Errors
    /// That would be a circle, or it is another thread's; or this one is a
    /// thread's own, which has no parent.
    ///
    /// ```
    /// use greenroom::Greenlet;
    /// use greenroom::generator::ParentError;
    /// let (one, other) = (Greenlet::new(|n: u32| n + 1), Greenlet::new(|n| 10 * n));
    /// one.set_parent(&other)?;
    /// assert_eq!(one.switch(4), 50);
    /// # Ok::<(), ParentError>(())
    /// ```
    pub fn set_parent(&self, parent: &Greenlet<T>) -> Result<(), ParentError> {
        let fiber = self.fiber.as_ref().ok_or(ParentError::Own)?;
        if !Rc::ptr_eq(&self.hub, &parent.hub) {
            return Err(ParentError::OtherThread);
        }
        let mut ancestor = parent.fiber.clone();
        while let Some(it) = ancestor {
            if Rc::ptr_eq(&it, fiber) {
                return Err(ParentError::Circle);
            }
            ancestor = it.parent.borrow().clone();
        }
        let before = fiber.parent.replace(parent.fiber.clone());
        drop(before); // perhaps the last reference to it
        Ok(())
    }

    /// Whether it has started and not ended. The thread's own always has.
    ///
    /// ```
    /// use greenroom::Greenlet;
    /// let main = Greenlet::<u32>::current();
    /// let pauses = Greenlet::new(move |n| main.switch(n));
    /// assert!(!pauses.is_active());
    /// pauses.switch(1);
    /// assert!(pauses.is_active());
    /// pauses.switch(2);
    /// assert!(!pauses.is_active() && pauses.is_dead());
    /// ```
    pub fn is_active(&self) -> bool {
        self.fiber.as_ref().is_none_or(|fiber| fiber.is_started())
    }

    /// Whether it has ended, or could never start. The thread's own never has;
    /// see [`is_active`](Greenlet::is_active).
    pub fn is_dead(&self) -> bool {
        self.fiber.as_ref().is_some_and(|fiber| fiber.is_dead())
    }
}

impl<T> Clone for Greenlet<T> {
    fn clone(&self) -> Greenlet<T> {
        Greenlet { hub: self.hub.clone(), fiber: self.fiber.clone(), values: PhantomData }
    }
}

/// Two handles to the same one are equal.
impl<T> PartialEq for Greenlet<T> {
    fn eq(&self, other: &Greenlet<T>) -> bool {
        let same = match (&self.fiber, &other.fiber) {
            (None, None) => true,
            (Some(one), Some(other)) => Rc::ptr_eq(one, other),
            _ => false,
        };
        same && Rc::ptr_eq(&self.hub, &other.hub)
    }
}

impl<T> Eq for Greenlet<T> {}

impl<T> fmt::Debug for Greenlet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.fiber {
            None => "the thread's own",
            Some(fiber) if fiber.is_dead() => "dead",
            Some(fiber) if fiber.is_started() => "active",
            Some(_) => "fresh",
        };
        f.debug_tuple("Greenlet").field(&format_args!("{state}")).finish()
    }
}
