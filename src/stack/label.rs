//! A stack that is no green thread's own: a generator's, a greenlet's. At its top lies a label
//! that says whose it is, so that the fault handler can name who has overflowed it without
//! anybody keeping count of what runs where: a resume costs nothing for it.
//!
//! ```text
//!  | guard page | usable: the stack grows down ... | label | tag | stagger | reserved |
//!                                            base() ^
//! ```

use std::num::NonZeroUsize;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use corosensei::stack::{Stack, StackPointer};

use super::atlas;
use super::class::{SizeClass, stride};
use super::slot::GreenStack;
use crate::sys::mem::page_size;

/// A label takes a cache line, so that what is below stays aligned to lines.
const LABEL: usize = 64;

/// Told apart from what others leave on a stack by this, mixed with its place.
const MARK: usize = 0x6772_6e6c_6162_656c;

/// What lies at the top.
#[derive(Clone, Copy)]
#[repr(C)]
struct Label {
    mark: usize,
    what: &'static str,
    name: *const str,
}

const _: () = assert!(size_of::<Label>() <= LABEL);

/// A stack with a label. Dropped, it goes back to the shared depot.
#[derive(Debug)]
pub(crate) struct LabelledStack {
    // First, as fields are dropped in this order: the label goes while the stack is ours.
    label: Attached,
    stack: GreenStack,
    /// Only kept: the label points there.
    _name: Name,
}

/// A label in its place, where the stack begins. Dropped, it is torn off.
#[derive(Debug)]
struct Attached(StackPointer);

impl Drop for Attached {
    fn drop(&mut self) {
        let label = ptr::with_exposed_provenance_mut::<Label>(self.0.get());
        // SAFETY: written there by `LabelledStack::new`, and what runs begins below it.
        unsafe { (&raw mut (*label).mark).write_volatile(0) };
        LABELLED.fetch_sub(1, Relaxed);
    }
}

/// How many there are.
static LABELLED: AtomicUsize = AtomicUsize::new(0);

/// How many stacks have a label, also those that were leaked.
pub(crate) fn labelled() -> usize {
    LABELLED.load(Relaxed)
}

/// A name that somebody gave, or one that is always there.
#[derive(Debug)]
pub(crate) enum Name {
    Given(Box<str>),
    Static(&'static str),
}

impl Name {
    fn as_str(&self) -> &str {
        match self {
            Name::Given(name) => name,
            Name::Static(name) => name,
        }
    }
}

impl LabelledStack {
    /// Labels `stack` as that of the `what` called `name`.
    pub(crate) fn new(stack: GreenStack, what: &'static str, name: Name) -> LabelledStack {
        let base = stack.base().get() - LABEL;
        let label = Label { mark: MARK ^ stack.limit().get(), what, name: name.as_str() };
        // SAFETY: the highest line of a stack that is ours and on which nothing runs yet; it
        // is aligned to 64, as `base` is.
        unsafe { ptr::with_exposed_provenance_mut::<Label>(base).write(label) };
        LABELLED.fetch_add(1, Relaxed);
        let base = StackPointer::new(base).expect("far above the guard");
        LabelledStack { label: Attached(base), stack, _name: name }
    }

    /// What lies between the guard and the label: what runs on it runs there.
    pub(crate) fn bounds(&self) -> Range<usize> {
        self.stack.guard().end..self.label.0.get()
    }

    /// The stack without its label.
    pub(crate) fn into_inner(self) -> GreenStack {
        self.stack
    }
}

// SAFETY: a part of a `GreenStack`, less 64 bytes at the top: still mapped, guarded, aligned
// and far larger than the minimum.
unsafe impl Stack for LabelledStack {
    #[inline]
    fn base(&self) -> StackPointer {
        self.label.0
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.stack.limit()
    }
}

/// Who has overflowed a labelled stack.
pub(crate) struct Overflown<'a> {
    pub(crate) what: &'static str,
    pub(crate) name: &'a str,
    pub(crate) bytes: usize,
}

/// Whether the access to `addr`, by code that stands at `stack_pointer`, overflowed a
/// labelled stack. For the fault handler, on the thread that faulted: async-signal-safe.
pub(crate) fn overflown<'a>(addr: usize, stack_pointer: usize) -> Option<Overflown<'a>> {
    let (low, class) = atlas::slot(addr)?;
    let slot = low.get()..low.get() + stride(class);
    if addr - slot.start >= page_size() || !slot.contains(&stack_pointer) {
        return None;
    }
    let label = label_of(low, class);
    // SAFETY: the code that faulted runs on this slot, so its top is mapped, and whatever is
    // there was written by this very thread. A bit pattern that has the mark is a label.
    let label = unsafe {
        if (&raw const (*label).mark).read_volatile() != MARK ^ slot.start {
            return None;
        }
        *label
    };
    // SAFETY: the name lives as long as the label.
    let name = unsafe { &*label.name };
    Some(Overflown { what: label.what, name, bytes: class.bytes() })
}

fn label_of(low: NonZeroUsize, class: SizeClass) -> *const Label {
    ptr::with_exposed_provenance(GreenStack::base_of(low, class).get() - LABEL)
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use crate::stack::StackCache;

    #[test]
    fn only_the_guard_of_a_labelled_stack_that_is_stood_on_tells_a_name() {
        let mut cache = StackCache::new();
        let stack = cache.take(SizeClass::DEFAULT).unwrap();
        let (guard, inside) = (stack.guard(), stack.base().get() - 100);
        let stack = LabelledStack::new(stack, "generator", Name::Given("fib".into()));
        let told = |addr, sp| overflown(addr, sp).map(|o| (o.what, o.name.to_owned(), o.bytes));
        let expected = Some(("generator", "fib".to_owned(), SizeClass::DEFAULT.bytes()));
        assert_eq!(told(guard.start, inside), expected);
        assert_eq!(told(guard.end - 1, guard.end - 8), expected);
        assert_eq!(told(guard.end, inside), None, "not the guard");
        assert_eq!(told(guard.start, guard.start - 1), None, "somebody else's access");
        assert_eq!(told(1, inside), None);
        let stack = stack.into_inner();
        assert_eq!(told(guard.start, inside), None, "nobody's any more");
        cache.give(stack);
    }

    #[test]
    fn the_stack_begins_below_the_label() {
        let stack = StackCache::new().take(SizeClass::DEFAULT).unwrap();
        let (base, limit) = (stack.base().get(), stack.limit());
        let stack = LabelledStack::new(stack, "greenlet", Name::Static("x"));
        assert_eq!((stack.base().get(), stack.limit()), (base - LABEL, limit));
        assert_eq!(stack.base().get() % 64, 0);
        assert_eq!(stack.bounds().end, stack.base().get());
    }
}
