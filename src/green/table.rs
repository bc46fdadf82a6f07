//! One thread's green-local values. `storage.rs` says whose it is when.
//!
//! A value lies in a box, so that references to it outlast the growth of the
//! table.

use std::cell::{Cell, UnsafeCell};
use std::ptr::NonNull;

/// What the table knows of a value's type.
pub(super) struct Kind {
    /// # Safety
    /// A value of this kind, once.
    pub(super) drop: unsafe fn(NonNull<()>),
    /// Of what is inherited.
    ///
    /// # Safety
    /// A value of this kind.
    pub(super) clone: Option<unsafe fn(NonNull<()>) -> NonNull<()>>,
}

/// One thread's value for one key.
#[derive(Clone, Copy)]
enum Slot {
    Empty,
    Alive(NonNull<()>, &'static Kind),
    Gone,
}

/// One thread's values.
pub(crate) struct Table {
    values: UnsafeCell<Values>,
    /// They go.
    ending: Cell<bool>,
    /// They are being cloned for an heir.
    cloning: Cell<bool>,
    /// Not a value, but inherited too: the span in which its thread begins.
    #[cfg(feature = "tracing")]
    pub(super) span: Cell<Option<tracing::Span>>,
}

struct Values {
    /// By the number of the key.
    slots: Vec<Slot>,
    /// The numbers of those alive, in the order of their first use.
    order: Vec<usize>,
}

impl Table {
    pub(super) const fn new() -> Table {
        Table {
            values: UnsafeCell::new(Values { slots: Vec::new(), order: Vec::new() }),
            ending: Cell::new(false),
            cloning: Cell::new(false),
            #[cfg(feature = "tracing")]
            span: Cell::new(None),
        }
    }

    /// From now on its values go.
    pub(super) fn begin_end(&self) {
        self.ending.set(true);
    }

    /// Whether some of its values may be gone.
    #[inline]
    pub(super) fn is_ending(&self) -> bool {
        self.ending.get()
    }

    /// Says that its values are being cloned, or not any more; whether they were.
    pub(super) fn set_cloning(&self, on: bool) -> bool {
        self.cloning.replace(on)
    }

    /// # Safety
    /// The caller's own, and not `ENDED`; the value's slot is empty.
    pub(super) unsafe fn put(&self, number: usize, value: NonNull<()>, kind: &'static Kind) {
        // SAFETY: the caller's promise.
        let Values { slots, order } = unsafe { &mut *self.values.get() };
        if slots.len() <= number {
            slots.resize(number + 1, Slot::Empty);
        }
        order.push(number);
        slots[number] = Slot::Alive(value, kind);
    }

    /// The value for key `number`, if there is one.
    ///
    /// # Safety
    /// The caller's own.
    #[inline]
    pub(super) unsafe fn get(&self, number: usize) -> Option<NonNull<()>> {
        // SAFETY: the caller's promise; nothing changes it meanwhile.
        match unsafe { (&*self.values.get()).slots.get(number) } {
            Some(Slot::Alive(value, _)) => Some(*value),
            _ => None,
        }
    }

    /// Whether the value for key `number` is gone.
    ///
    /// # Safety
    /// The caller's own.
    pub(super) unsafe fn is_gone(&self, number: usize) -> bool {
        // SAFETY: the caller's promise.
        matches!(unsafe { (&*self.values.get()).slots.get(number) }, Some(Slot::Gone))
    }

    /// Takes out the value that came last.
    ///
    /// # Safety
    /// The caller's own, and not `ENDED`.
    pub(super) unsafe fn pop(&self) -> Option<(NonNull<()>, &'static Kind)> {
        // SAFETY: the caller's promise.
        let Values { slots, order } = unsafe { &mut *self.values.get() };
        match std::mem::replace(&mut slots[order.pop()?], Slot::Gone) {
            Slot::Alive(value, kind) => Some((value, kind)),
            Slot::Empty | Slot::Gone => unreachable!("those in order are alive"),
        }
    }

    /// The value at `at` in the order, if it is inherited.
    ///
    /// # Safety
    /// The caller's own.
    pub(super) unsafe fn heirloom(&self, at: usize) -> Option<Option<Heirloom>> {
        // SAFETY: the caller's promise.
        let values = unsafe { &*self.values.get() };
        let number = *values.order.get(at)?;
        Some(match values.slots[number] {
            Slot::Alive(value, kind) => kind.clone.map(|clone| (number, value, kind, clone)),
            Slot::Empty | Slot::Gone => None,
        })
    }
}

/// Number, value, kind, and how to clone it.
pub(super) type Heirloom =
    (usize, NonNull<()>, &'static Kind, unsafe fn(NonNull<()>) -> NonNull<()>);
