//! What belongs to a green thread's worker, and to itself while it runs there.

use super::budget::Budget;
use super::coroutine::Coroutine;
use super::limit::Marks;
use super::seat::Seat;
use super::table::Table;
use crate::stack::{SizeClass, Tag};
use crate::sys::clock::Nanos;
use crate::sys::switch::Suspended;
use crate::sys::tls::Block;
use std::cell::{Cell, UnsafeCell};
use std::ops::Range;
use std::panic::Location;
use std::ptr;

/// What a green thread tells its worker when it suspends: until when it waits.
/// One word, which is also what stands at `Own::frame` meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Suspend(Nanos);

/// It waits without a deadline.
pub(crate) const NEVER: Nanos = Nanos::MAX;

impl Suspend {
    /// It is still runnable: queue it again.
    pub(crate) const YIELD: Suspend = Suspend(NEVER - 1);

    /// Its closure has returned: it never goes on.
    pub(crate) const ENDED: Suspend = Suspend(NEVER - 2);

    /// It is still runnable: it goes on after the one that runs next.
    pub(crate) const NEXT: Suspend = Suspend(NEVER - 3);

    /// It waits for `State::notify`, at most until the deadline. One some centuries
    /// from now is none: there begin the words that mean something else.
    #[inline]
    pub(crate) fn park(deadline: Option<Nanos>) -> Suspend {
        Suspend(deadline.filter(|&deadline| deadline < Suspend::NEXT.0).unwrap_or(NEVER))
    }

    /// Whether it is one of those that `park` makes.
    #[inline]
    pub(crate) fn parks(self) -> bool {
        self.0.wrapping_add(1) < Suspend::NEXT.0.wrapping_add(1)
    }

    #[inline]
    pub(super) fn word(self) -> u64 {
        self.0
    }

    /// The one with this word.
    #[inline]
    pub(crate) fn of_word(word: u64) -> Suspend {
        Suspend(word)
    }

    /// Of one that parks.
    #[inline]
    pub(crate) fn deadline(self) -> Option<Nanos> {
        (self.0 != NEVER).then_some(self.0)
    }
}

/// The unit of `Record::since`: about a millisecond.
pub(crate) const TICK: Nanos = 1 << 20;

/// What a green thread is spawned with.
pub(crate) struct Birth {
    pub(crate) name: Option<Box<str>>,
    /// It runs on an OS thread, and is no green thread at all.
    pub(crate) is_job: bool,
    /// Of its stack.
    pub(crate) class: SizeClass,
    /// Where it was spawned.
    pub(crate) by: &'static Location<'static>,
    /// The number of the green thread that spawned it; 0: an OS thread did.
    pub(crate) parent: u64,
}

impl Birth {
    #[inline]
    pub(crate) fn new(
        name: Option<Box<str>>,
        class: SizeClass,
        by: &'static Location<'static>,
    ) -> Birth {
        Birth { name, is_job: false, class, by, parent: 0 }
    }

    #[cfg(test)]
    pub(crate) fn usual(name: Option<Box<str>>) -> Birth {
        Birth::new(name, SizeClass::DEFAULT, Location::caller())
    }
}

/// What only the worker that runs a green thread touches, and the green thread
/// itself while it runs there; and who wakes it, which then has it, where that is said.
#[repr(C)]
pub(crate) struct Own {
    /// The armed timer, if any: the scheduler's key for it.
    pub(crate) timer: Cell<Option<u32>>,
    /// Operations that may still succeed without blocking before it gives way.
    pub(crate) budget: Budget,
    /// The timer has fired since the last park.
    pub(crate) timed_out: Cell<bool>,
    /// Who woke it last runs on the same worker. For that one as well.
    pub(super) woken_near: Cell<bool>,
    /// What it waits for, if it does, is a lock, as far as a futex's value tells
    /// (`futex/word.rs`). For who wakes it as well.
    pub(crate) awaits_lock: Cell<bool>,
    /// What may end its waits.
    pub(super) marks: Marks,
    /// Its worker, which waits for it while it runs.
    pub(super) worker: Cell<Suspended>,
    /// About where its stack ended when it last suspended: there stands what it
    /// told its worker.
    pub(crate) frame: Cell<*const Suspend>,
    /// Its own thread-locals, if it has them. For who wakes it as well.
    pub(crate) block: Cell<Option<Block>>,
    /// That of its worker, which the scheduler knows it by. For who wakes it as well.
    pub(crate) seat: Cell<*const Seat>,
    /// How often it has found that one of its wakers was woken; see `waker`.
    pub(super) wakes: Cell<u64>,
    pub(crate) coroutine: UnsafeCell<Option<Coroutine>>,
    /// What it has said that it waits for (`why.rs`), or null.
    pub(super) why: Cell<*const ()>,
    /// Above its stack: what others may know of it.
    pub(crate) tag: Cell<Option<&'static Tag>>,
    /// Its green-local values.
    pub(super) table: Cell<*const Table>,
}

impl Own {
    #[inline]
    pub(super) fn new() -> Own {
        Own {
            coroutine: UnsafeCell::new(None),
            worker: Cell::new(Suspended::NOTHING),
            frame: Cell::new(ptr::null()),
            why: Cell::new(ptr::null()),
            tag: Cell::new(None),
            table: Cell::new(ptr::null()),
            block: Cell::new(None),
            seat: Cell::new(ptr::null()),
            timer: Cell::new(None),
            timed_out: Cell::new(false),
            woken_near: Cell::new(false),
            awaits_lock: Cell::new(false),
            budget: Budget::new(),
            marks: Marks::new(),
            wakes: Cell::new(0),
        }
    }

    /// Where the stack ends; empty before there is one.
    pub(super) fn guard(&self) -> Range<usize> {
        self.tag.get().map_or(0..0, Tag::guard)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_deadline_means_something_else() {
        for deadline in [NEVER, NEVER - 1, NEVER - 2, NEVER - 3] {
            assert!(Suspend::park(Some(deadline)) == Suspend::park(None));
        }
        let last = NEVER - 4;
        assert_eq!(Suspend::park(Some(last)).deadline(), Some(last));
        assert!(Suspend::park(Some(last)).parks() && Suspend::park(None).parks());
        assert!(![Suspend::YIELD, Suspend::ENDED, Suspend::NEXT].into_iter().any(Suspend::parks));
        assert_eq!(Suspend::park(None).deadline(), None);
        let all = [Suspend::YIELD, Suspend::ENDED, Suspend::NEXT, Suspend::park(None)];
        assert!((1..4).all(|i| all[..i].iter().all(|other| *other != all[i])));
    }
}
