//! The record of one green thread: what everybody else knows it by.
//!
//! It heads one allocation that also holds the closure and later the result
//! (`task/body.rs`), is counted by hand, and has its queue link in itself, so
//! that spawning allocates once and waking not at all.
//!
//! One reference belongs to *the scheduler* from spawn to the end. It travels:
//! queue → running → (nobody, while parked) → whoever wins `State::notify` →
//! queue. So a wake-up counts nothing.

use super::id;
pub(crate) use super::own::{Birth, Own, Suspend};
use super::seat::Seat;
use super::state::State;
use crate::stack::{GreenStack, SizeClass};
use crate::sys::atomic::AtomicPtr;
use std::cell::Cell;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering::*, fence};

/// Where a parked green thread is put when it is woken: its worker, which may hand it on
/// to that of its waker.
pub(crate) trait Home: Sync {
    /// Queues `thread`, which is of there, and wakes the worker if need be. Any thread.
    fn enqueue(&self, thread: RecordRef);

    /// As `enqueue`, for one that another worker hands on.
    fn receive(&self, thread: RecordRef);
}

/// What the record's owner type knows about the rest of the allocation.
pub(crate) struct Body {
    /// Runs the closure and stores its result. Once, on the green thread.
    pub(crate) run: unsafe fn(NonNull<Record>),
    /// The closure will never run: stores why. Once, instead of `run`.
    pub(crate) refuse: unsafe fn(NonNull<Record>, io::Error),
    /// Drops what one that was refused was made with. Once, by the handle's owner.
    pub(crate) discard: unsafe fn(NonNull<Record>),
    /// Frees the allocation.
    pub(crate) free: unsafe fn(NonNull<Record>),
    /// Of a pthread: keeps its stack until joined. Once, ended, on its worker.
    pub(crate) ended: Option<KeepStack>,
    /// How far into the allocation lies its joining state, and its place in a group.
    pub(crate) join_at: usize,
    pub(crate) member_at: Option<usize>,
}
type KeepStack = unsafe fn(NonNull<Record>, GreenStack) -> Option<GreenStack>;

/// See the module's head.
#[repr(C)]
pub(crate) struct Record {
    // First what a switch and a wake-up need, in as few cache lines as it goes.
    pub(crate) state: State,
    /// Its worker's: when it parked, in units of `TICK`.
    pub(crate) since: Cell<u32>,
    /// Written by the worker that has it, in a queue or running, then read by wakers, who
    /// have seen `PARKED` and so that write; and written by the one that wakes it, who asks
    /// that worker to hand it on there.
    home: Cell<Option<&'static dyn Home>>,
    /// Its worker's.
    pub(crate) own: Own,
    /// Used by the inbox it stands in.
    pub(crate) link: AtomicPtr<Record>,
    refs: AtomicUsize,
    /// Itself, but as a pointer to the whole allocation: one that comes from a
    /// `&Record` may neither reach what lies behind the record nor free it.
    whole: Cell<NonNull<Record>>,
    pub(crate) body: &'static Body,
    pub(super) id: u64,
    pub(crate) birth: Birth,
}

// SAFETY: `state`, `refs`, `link` are atomic; `home` and `own` are handed from
// thread to thread by the state's orderings and the inboxes', as their comments say.
unsafe impl Send for Record {}
// SAFETY: as above.
unsafe impl Sync for Record {}

impl Record {
    /// A fresh record with two references: the scheduler's and the handle's.
    #[inline]
    pub(crate) fn new(body: &'static Body, birth: Birth) -> Record {
        Record {
            state: State::fresh(),
            since: Cell::new(0),
            refs: AtomicUsize::new(2),
            whole: Cell::new(NonNull::dangling()),
            link: AtomicPtr::new(ptr::null_mut()),
            body,
            id: id::next(),
            birth,
            home: Cell::new(None),
            own: Own::new(),
        }
    }

    /// Tells it what it heads.
    /// # Safety
    /// `this` is where it lies, and may be used for the whole allocation. Once,
    /// before anybody else knows it.
    pub(crate) unsafe fn lies_at(&self, this: NonNull<Record>) {
        self.whole.set(this);
    }

    /// The allocation that it heads.
    #[inline]
    pub(crate) fn whole(&self) -> NonNull<Record> {
        self.whole.get()
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.birth.name.as_deref()
    }

    pub(crate) fn class(&self) -> SizeClass {
        self.birth.class
    }

    /// Whether `pthread_create` made it.
    #[inline]
    pub(crate) fn is_pthread(&self) -> bool {
        self.body.ended.is_some()
    }

    /// Its stack, if that is free.
    /// # Safety
    /// Once, by the worker that ran it to its end.
    pub(crate) unsafe fn ended(&self, stack: GreenStack) -> Option<GreenStack> {
        match self.body.ended {
            None => Some(stack),
            // SAFETY: the caller's promise.
            Some(ended) => unsafe { ended(NonNull::from(self), stack) },
        }
    }

    /// Where its stack ends; empty before it has one. Async-signal-safe.
    pub(crate) fn guard(&self) -> std::ops::Range<usize> {
        self.own.guard()
    }

    /// Says which worker runs it from now on, `seat` being a pointer to all of that,
    /// which is never freed. By that worker, which has it, before it runs.
    #[inline]
    pub(crate) fn settle(&self, home: &'static dyn Home, seat: *const Seat) {
        self.home.set(Some(home));
        self.own.seat.set(seat);
    }

    /// Asks its worker to hand it on to `home`. By who has woken it, and not queued it.
    pub(crate) fn pull(&self, home: &'static dyn Home) {
        self.home.set(Some(home));
    }

    /// Where it is to go, if not to `home`. By its worker, which has it.
    #[inline]
    pub(crate) fn wanted_elsewhere(&self, home: &dyn Home) -> Option<&'static dyn Home> {
        self.home.get().filter(|to| !ptr::addr_eq(*to, home))
    }

    /// Runs its closure.
    /// # Safety
    /// Once, on its own stack.
    pub(super) unsafe fn run(&self) {
        // SAFETY: the caller's promise.
        unsafe { (self.body.run)(self.whole()) }
    }

    /// Runs its closure as a job: on an OS thread, or amid another green thread.
    /// # Safety
    /// Once, of one made for that, which stands in no queue of green threads.
    pub(crate) unsafe fn run_as_job(&self) {
        self.state.begin_run();
        // SAFETY: the caller's promise.
        unsafe { (self.body.run)(self.whole()) }
        self.state.finish();
    }

    /// Says that it will never run.
    /// # Safety
    /// Once, by whoever would have started it, and does not.
    pub(crate) unsafe fn refuse(&self, why: io::Error) {
        // SAFETY: once, by the caller's promise.
        unsafe { (self.body.refuse)(self.whole(), why) }
    }

    /// Drops the closure of one that was refused.
    /// # Safety
    /// Once, by the owner of the handle, which has taken the result.
    pub(crate) unsafe fn discard(&self) {
        // SAFETY: the caller's promise.
        unsafe { (self.body.discard)(self.whole()) }
    }
}

/// One that was woken, and is in no queue yet. Holds the scheduler's reference.
pub(crate) struct Woken(pub(super) RecordRef);

impl Woken {
    /// To be queued in another way.
    pub(crate) fn into_ref(self) -> RecordRef {
        self.0
    }

    /// Hands it back to its worker.
    #[inline]
    pub(crate) fn queue(self) {
        let home = self.0.home.get().expect("it ran before it parked");
        home.enqueue(self.0);
    }
}

/// A counted reference to a record.
pub(crate) struct RecordRef(NonNull<Record>);

// SAFETY: as `Record`.
unsafe impl Send for RecordRef {}
// SAFETY: as `Record`.
unsafe impl Sync for RecordRef {}

impl RecordRef {
    /// Takes over one reference.
    /// # Safety
    /// The caller owns one, and gives it up.
    pub(crate) unsafe fn from_raw(record: NonNull<Record>) -> RecordRef {
        RecordRef(record)
    }

    /// Gives up the reference without counting down.
    pub(crate) fn into_raw(self) -> NonNull<Record> {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }
}

impl Clone for RecordRef {
    #[inline]
    fn clone(&self) -> RecordRef {
        // Relaxed, as in `Arc`: whoever clones has a reference already. And as there, no
        // panic: it could be caught, and the count overflowed all the same.
        if self.refs.fetch_add(1, Relaxed) > usize::MAX / 2 {
            std::process::abort();
        }
        RecordRef(self.0)
    }
}

impl Drop for RecordRef {
    #[inline]
    fn drop(&mut self) {
        // The only reference cannot be cloned meanwhile: no atomic write needed.
        // Else Release, and Acquire by the last: all uses come before the end.
        if self.refs.load(Acquire) == 1 || self.refs.fetch_sub(1, Release) == 1 {
            fence(Acquire);
            let free = self.body.free;
            // SAFETY: that was the last reference.
            unsafe { free(self.0) }
        }
    }
}

impl std::ops::Deref for RecordRef {
    type Target = Record;
    #[inline]
    fn deref(&self) -> &Record {
        // SAFETY: alive while counted.
        unsafe { self.0.as_ref() }
    }
}

#[cfg(test)]
#[path = "record_fake.rs"]
mod fake;
