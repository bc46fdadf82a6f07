//! Which slot an address lies in. The fault handler asks, so looking takes no lock: slabs are
//! noted in a list that only grows, as slabs are never unmapped.

use std::num::NonZeroUsize;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

use super::class::{SizeClass, stride};

/// One slab. Leaked.
struct Note {
    low: usize,
    len: usize,
    class: SizeClass,
    next: *const Note,
}

static NEWEST: AtomicPtr<Note> = AtomicPtr::new(ptr::null_mut());

/// Notes the slab of `class` that spans `len` bytes from `low`.
pub(super) fn note(low: usize, len: usize, class: SizeClass) {
    let note = Box::leak(Box::new(Note { low, len, class, next: ptr::null() }));
    let mut newest = NEWEST.load(Relaxed);
    loop {
        note.next = newest;
        // Release: whoever finds the note finds it filled in, and those behind it, which it
        // was Acquire that found them.
        match NEWEST.compare_exchange_weak(newest, note, AcqRel, Acquire) {
            Ok(_) => return,
            Err(now) => newest = now,
        }
    }
}

/// The slot around `addr`, used or not. Async-signal-safe.
pub(super) fn slot(addr: usize) -> Option<(NonZeroUsize, SizeClass)> {
    let mut next = NEWEST.load(Acquire).cast_const();
    // SAFETY: null or a leaked note, published filled in.
    while let Some(note) = unsafe { next.as_ref() } {
        if let Some(offset) = addr.checked_sub(note.low).filter(|offset| *offset < note.len) {
            let stride = stride(note.class);
            let low = NonZeroUsize::new(note.low + offset / stride * stride)?;
            return Some((low, note.class));
        }
        next = note.next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_found_by_any_of_their_addresses() {
        // Addresses that no mapping has.
        let (small, large) = (SizeClass::for_size(0).unwrap(), SizeClass::DEFAULT);
        let (first, second) = (1 << 60, 1 << 61);
        note(first, 3 * stride(small), small);
        note(second, 2 * stride(large), large);
        let found = |addr| slot(addr).map(|(low, class)| (low.get(), class));
        for n in 0..3 {
            let low = first + n * stride(small);
            assert_eq!(found(low), Some((low, small)));
            assert_eq!(found(low + stride(small) - 1), Some((low, small)));
        }
        assert_eq!(found(second + stride(large)), Some((second + stride(large), large)));
        for outside in [first - 1, first + 3 * stride(small), second + 2 * stride(large), 0] {
            assert_eq!(found(outside), None);
        }
    }
}
