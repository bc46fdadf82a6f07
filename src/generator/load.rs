//! What goes from one greenlet to another when they switch.

use super::co::Closed;
use std::any::{Any, TypeId, type_name};
use std::rc::Rc;

/// A type of values.
pub(super) struct Kind {
    id: TypeId,
    name: fn() -> &'static str,
}

impl Kind {
    pub(super) fn of<T: 'static>() -> &'static Kind {
        const { &Kind { id: TypeId::of::<T>(), name: type_name::<T> } }
    }

    #[inline]
    pub(super) fn is(&self, other: &Kind) -> bool {
        self.id == other.id
    }

    pub(super) fn name(&self) -> &'static str {
        (self.name)()
    }
}

/// The greenlet that is to be kept until what it sent has arrived.
pub(super) type From = Option<Rc<dyn Any>>;

/// What the one that is switched to gets.
pub(super) struct Load {
    what: What,
    /// What it is to drop, once it has that: dropping runs other people's code,
    /// which may switch, so it must not happen on the way.
    _from: From,
    rest: Option<Box<dyn Any>>,
}

enum What {
    /// A value in the frame of the one that switched, an `Option<T>`. He stays
    /// suspended, and is kept alive by `_from`, until it has been taken.
    Lent(*mut ()),
    Own(Box<dyn Any>),
    /// To unwind with.
    Throw(Box<dyn Any + Send>),
    /// To unwind with, because it is dropped.
    Close(usize),
}

/// What a greenlet unwinds with that is killed, and which one that is.
pub(super) struct Exit(pub(super) usize);

impl Load {
    /// The value in `slot`, which `from` lends.
    pub(super) fn lent<T: 'static>(slot: &mut Option<T>, from: From) -> Load {
        Load { what: What::Lent((&raw mut *slot).cast()), _from: from, rest: None }
    }

    pub(super) fn own(value: Box<dyn Any>, from: From) -> Load {
        Load { what: What::Own(value), _from: from, rest: None }
    }

    pub(super) fn throw(payload: Box<dyn Any + Send>, from: From) -> Load {
        Load { what: What::Throw(payload), _from: from, rest: None }
    }

    /// The greenlet whose stack begins at `base` is killed.
    pub(super) fn exit(base: usize, from: From) -> Load {
        Load::throw(Box::new(Exit(base)), from)
    }

    /// The greenlet whose stack begins at `base` is dropped.
    pub(super) fn close(base: usize) -> Load {
        Load { what: What::Close(base), _from: None, rest: None }
    }

    pub(super) fn closes(&self) -> bool {
        matches!(self.what, What::Close(_))
    }

    /// The `value` that `from` returned, for one that waits for an `expected`.
    pub(super) fn returned(value: Box<dyn Any>, expected: &Kind, from: Rc<dyn Any>) -> Load {
        if (*value).type_id() == expected.id {
            return Load::own(value, Some(from));
        }
        let text = format!(
            "a greenlet has returned, and its parent waits for a value of another type, `{}`",
            expected.name()
        );
        let what = What::Throw(Box::new(text));
        Load { what, _from: Some(from), rest: Some(value) }
    }

    /// Has the one that it is for drop this as well.
    pub(super) fn also_drop(&mut self, other: Rc<dyn Any>) {
        let rest = self.rest.take();
        self.rest = Some(Box::new((rest, other)));
    }

    /// The value, or what to unwind with. What is left of the load is dropped.
    ///
    /// # Safety
    /// On the stack of the one it was for, at once; and its values are of type
    /// `T`: whoever switched has compared that with what this one expects.
    #[inline]
    pub(super) unsafe fn open<T: 'static>(self) -> Result<T, Box<dyn Any + Send>> {
        match self.what {
            What::Lent(slot) => {
                // SAFETY: the slot is in a frame that is kept until `self` is
                // dropped, and of this type by the caller's promise.
                let slot = unsafe { &mut *slot.cast::<Option<T>>() };
                Ok(slot.take().expect("lent once"))
            }
            What::Own(value) => Ok(*value.downcast().expect("of the type that was compared")),
            What::Throw(payload) => Err(payload),
            What::Close(base) => Err(Box::new(Closed(base))),
        }
    }
}
