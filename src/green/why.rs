//! What a green thread says that it waits for, where nobody could find that
//! out from the runtime's tables: two words on its own stack, to which its
//! record leads.
//!
//! What waits for descriptors and at addresses says nothing: that is hot, and
//! stands in the tables of both. Nor does `park`, which its stack shows. OS
//! threads have no record, and say it to a list (`os_waits.rs`).

use super::record::Record;
use super::{current, os_waits};
use std::marker::PhantomData;
use std::mem::offset_of;
use std::ptr;

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Kind {
    /// The end of a green thread, by its number.
    Join = 1,
    /// The end of a job on an OS thread, by its number.
    Job,
    /// A place in the queue of a thread pool.
    PoolPlace,
    /// The end of a thread pool.
    PoolEnd,
    /// A permit of a semaphore or a pool, by its address.
    Permit,
    /// A mutex, by its address.
    Mutex,
    /// A mutex that its holder may lock again, by its address.
    Reentrant,
    /// A turn at a read-write lock, by its address.
    Turn,
    /// That something is put into a queue, by its address.
    Item,
    /// Room in a queue, by its address.
    Room,
    /// A mutex of C's, by its address.
    CMutex,
    /// A read-write lock of C's, by its address.
    CLock,
    /// An event, by its address.
    Event,
    /// A condition, by its address.
    Condition,
    /// That time passes.
    Sleep,
    /// The end of a group, by its address.
    Group,
    /// The first of several things, by how many they are.
    First,
    /// The ends of all in a scope.
    Scope,
}

/// All of them; the script for gdb has a text for each, in this order.
pub(super) const KINDS: [Kind; 18] = [
    Kind::Join,
    Kind::Job,
    Kind::PoolPlace,
    Kind::PoolEnd,
    Kind::Permit,
    Kind::Mutex,
    Kind::Reentrant,
    Kind::Turn,
    Kind::Item,
    Kind::Room,
    Kind::CMutex,
    Kind::CLock,
    Kind::Event,
    Kind::Condition,
    Kind::Sleep,
    Kind::Group,
    Kind::First,
    Kind::Scope,
];

impl Kind {
    pub(crate) fn of_number(number: u32) -> Option<Kind> {
        KINDS.into_iter().find(|kind| *kind as u32 == number)
    }
}

/// Lies on the waiter's stack.
#[repr(C)]
pub(crate) struct Why {
    kind: Kind,
    what: u64,
}

impl Why {
    /// How many bytes of it to copy.
    pub(crate) const LEN: usize = size_of::<Why>();
    pub(super) const KIND_AT: usize = offset_of!(Why, kind);
    pub(super) const WHAT_AT: usize = offset_of!(Why, what);

    /// What a copy says, unless it is none.
    pub(crate) fn read(copy: &[u8; Why::LEN]) -> Option<(Kind, u64)> {
        let part = |at: usize, len: usize| copy.get(at..at + len);
        let kind = u32::from_ne_bytes(part(offset_of!(Why, kind), 4)?.try_into().ok()?);
        let what = u64::from_ne_bytes(part(offset_of!(Why, what), 8)?.try_into().ok()?);
        Some((Kind::of_number(kind)?, what))
    }
}

impl Why {
    #[inline]
    pub(crate) fn new(kind: Kind, what: u64) -> Why {
        Why { kind, what }
    }

    /// That something at an address is waited for.
    #[inline]
    pub(crate) fn at<T>(kind: Kind, what: &T) -> Why {
        Why::new(kind, ptr::from_ref(what).addr() as u64)
    }

    /// Says that the current thread waits for this, until the guard is dropped.
    /// Around parks alone, so it does not nest.
    #[inline]
    pub(crate) fn say(&self) -> Said<'_> {
        let record = current::get();
        match record {
            Some(record) => record.own.why.set(ptr::from_ref(self).cast()),
            None => os_waits::enter(self.kind as u32, self.what),
        }
        Said(record, PhantomData)
    }
}

/// Takes back what was said, when dropped. Were it forgotten, what the record
/// leads to would be rubbish, which is copied and not understood.
#[must_use]
pub(crate) struct Said<'a>(Option<&'a Record>, PhantomData<&'a Why>);

impl Drop for Said<'_> {
    #[inline]
    fn drop(&mut self) {
        match self.0 {
            Some(record) => record.own.why.set(ptr::null()),
            None => os_waits::leave(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_copy_reads_as_what_was_said_and_rubbish_does_not() {
        for kind in KINDS {
            let why = Why { kind, what: 0x1234_5678_9abc };
            let mut copy = [0; Why::LEN];
            copy[offset_of!(Why, kind)..][..4].copy_from_slice(&(why.kind as u32).to_ne_bytes());
            copy[offset_of!(Why, what)..][..8].copy_from_slice(&why.what.to_ne_bytes());
            assert_eq!(Why::read(&copy), Some((kind, why.what)));
        }
        assert_eq!(Why::read(&[0; Why::LEN]), None);
        assert_eq!(Why::read(&[0xff; Why::LEN]), None);
    }
}
