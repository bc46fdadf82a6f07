//! Green threads that wait for one direction of one descriptor, in the order
//! in which they came. A doubly linked list of nodes on their own stacks.
//!
//! Everything here is used under the lock of the entry that holds the line,
//! except for the look whether it is empty, and a waiter's look whether it was
//! woken: that is the waker's last touch of it, so it needs no lock to go on.

use crate::green::record::Record;
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering::*};

/// One green thread's place. Lies on its stack; it returns only after it has
/// left the line, or has been told that it was woken.
pub(crate) struct Waiter {
    thread: *const Record,
    /// Wants to know, takes nothing.
    looks_only: bool,
    /// Written under the lock.
    status: AtomicU8,
    next: Cell<*const Waiter>,
    prev: Cell<*const Waiter>,
}

/// Whether a waiter stands in line, or why no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Status {
    Idle,
    Queued,
    Notified,
    Closed,
}

impl Status {
    fn from_raw(raw: u8) -> Status {
        [Status::Idle, Status::Queued, Status::Notified, Status::Closed][usize::from(raw & 3)]
    }
}

impl Waiter {
    pub(crate) fn new(thread: &Record, looks_only: bool) -> Waiter {
        Waiter {
            thread,
            looks_only,
            status: AtomicU8::new(Status::Idle as u8),
            next: Cell::new(ptr::null()),
            prev: Cell::new(ptr::null()),
        }
    }

    pub(crate) fn looks_only(&self) -> bool {
        self.looks_only
    }

    /// What became of it. Without the lock `Notified` and `Closed` are final;
    /// otherwise somebody may be about to wake it, and the lock has to be asked.
    #[inline]
    pub(crate) fn status(&self) -> Status {
        // Acquire pairs with `wake_first`: the waker is done with it.
        Status::from_raw(self.status.load(Acquire))
    }

    fn set(&self, status: Status) {
        self.status.store(status as u8, Release);
    }
}

/// Whom a wake-up is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whom {
    /// One that will take what there is.
    Taker,
    /// One that only looks.
    Looker,
    Anybody,
}

/// The line. All zero is empty.
pub(crate) struct Line {
    /// Whether it is null may be read without the lock.
    first: AtomicPtr<Waiter>,
    last: Cell<*const Waiter>,
}

impl Line {
    #[cfg(test)]
    const fn new() -> Line {
        Line { first: AtomicPtr::new(ptr::null_mut()), last: Cell::new(ptr::null()) }
    }

    /// A hint without the lock.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.load(Relaxed).is_null()
    }

    /// The first, who may have gone by now.
    #[inline]
    pub(crate) fn first(&self) -> *const Waiter {
        self.first.load(Relaxed)
    }

    /// Stands `waiter` at the end.
    ///
    /// # Safety
    /// Under the lock. `waiter` stays where it is for as long as its status,
    /// read under the lock, says `Queued`.
    pub(crate) unsafe fn push(&self, waiter: &Waiter) {
        waiter.set(Status::Queued);
        waiter.next.set(ptr::null());
        let last = self.last.replace(waiter);
        waiter.prev.set(last);
        // SAFETY: those in line are alive, by the promise of their `push`.
        match unsafe { last.as_ref() } {
            Some(last) => last.next.set(waiter),
            None => self.first.store(ptr::from_ref(waiter).cast_mut(), Relaxed),
        }
    }

    /// Takes `waiter` out if it is still in this line.
    ///
    /// # Safety
    /// Under the lock; `waiter` was pushed to this line or to none.
    pub(crate) unsafe fn remove(&self, waiter: &Waiter) {
        if waiter.status() != Status::Queued {
            return;
        }
        waiter.set(Status::Idle);
        let (next, prev) = (waiter.next.get(), waiter.prev.get());
        // SAFETY: as in `push`.
        match unsafe { prev.as_ref() } {
            Some(prev) => prev.next.set(next),
            None => self.first.store(next.cast_mut(), Relaxed),
        }
        // SAFETY: as in `push`.
        match unsafe { next.as_ref() } {
            Some(next) => next.prev.set(prev),
            None => self.last.set(prev),
        }
    }

    /// Shows who stands here.
    ///
    /// # Safety
    /// Under the lock.
    pub(crate) unsafe fn each(&self, mut show: impl FnMut(*const Record)) {
        let mut at = self.first.load(Relaxed).cast_const();
        // SAFETY: as in `push`.
        while let Some(waiter) = unsafe { at.as_ref() } {
            show(waiter.thread);
            at = waiter.next.get();
        }
    }

    /// Wakes the first that the wake-up is for; false if there is none.
    ///
    /// # Safety
    /// Under the lock.
    pub(crate) unsafe fn wake_first(&self, whom: Whom, why: Status) -> bool {
        let mut at = self.first.load(Relaxed).cast_const();
        // SAFETY: as in `push`.
        while let Some(waiter) = unsafe { at.as_ref() } {
            if whom == Whom::Anybody || (whom == Whom::Looker) == waiter.looks_only {
                // SAFETY: it stands in this line.
                unsafe { self.remove(waiter) };
                // SAFETY: it returns only after the status says so, or after it
                // has taken the lock that is held here: its record is alive.
                unsafe { (*waiter.thread).unpark() };
                // Last: from here on the waiter may be gone.
                waiter.set(why);
                return true;
            }
            at = waiter.next.get();
        }
        false
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::green::record::{Birth, Body};
    use crate::stack::SizeClass;

    static BODY: Body = Body {
        run: |_| {},
        refuse: |_, _| {},
        discard: |_| {},
        free: |_| {},
        ended: None,
        join_at: 0,
        member_at: None,
    };

    /// Fresh: waking it only sets its state.
    fn record() -> Record {
        let by = std::panic::Location::caller();
        Record::new(&BODY, Birth::new(None, SizeClass::DEFAULT, by))
    }

    fn statuses<const N: usize>(waiters: &[Waiter; N]) -> [Status; N] {
        std::array::from_fn(|i| waiters[i].status())
    }

    #[test]
    fn wakes_the_first_of_its_sort() {
        use Status::*;
        let (line, thread) = (Line::new(), record());
        let waiters = [true, false, true, false].map(|looks| Waiter::new(&thread, looks));
        // SAFETY: one thread stands for the lock; the waiters outlive the line.
        unsafe {
            waiters.iter().for_each(|w| line.push(w));
            assert!(!line.is_empty());
            assert!(line.wake_first(Whom::Taker, Notified));
            assert_eq!(statuses(&waiters), [Queued, Notified, Queued, Queued]);
            assert!(line.wake_first(Whom::Looker, Notified));
            assert_eq!(statuses(&waiters), [Notified, Notified, Queued, Queued]);
            assert!(line.wake_first(Whom::Anybody, Closed));
            assert_eq!(statuses(&waiters), [Notified, Notified, Closed, Queued]);
            assert!(!line.wake_first(Whom::Looker, Notified));
            assert!(line.wake_first(Whom::Anybody, Closed));
            assert!(line.is_empty() && !line.wake_first(Whom::Anybody, Closed));
        }
    }

    #[test]
    fn anyone_may_leave_from_anywhere() {
        let (line, thread) = (Line::new(), record());
        for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0], [1, 2, 0]] {
            let waiters = [(); 3].map(|()| Waiter::new(&thread, false));
            // SAFETY: as above.
            unsafe {
                waiters.iter().for_each(|w| line.push(w));
                for i in order {
                    line.remove(&waiters[i]);
                    line.remove(&waiters[i]);
                }
                assert!(line.is_empty());
            }
        }
    }
}
