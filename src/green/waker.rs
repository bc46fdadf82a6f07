//! A `Waker` is a counted reference to the green thread that waits for a future,
//! so making one allocates nothing, and it may outlive what it wakes. That holds
//! for the one that a poll is lent as well: a generator may suspend in the middle
//! of the poll and be forgotten, and scoped threads in there go on using it when
//! the green thread has ended.
//!
//! A wake leaves `WOKEN` in the state beside the notification. The notification
//! alone will not do: the poll itself may wait for something, and eat it. Nor
//! would the bit, which is the green thread's and not the future's: it may wait
//! for several futures at a time, one in the poll of another, or in generators
//! and greenlets that are suspended, in any order. So whoever finds the bit
//! counts it for all (`Own::wakes`), and each compares the count with what he
//! has seen: for each wake each polls once, the others once too often rather
//! than never.

use super::record::{Record, RecordRef};
use super::state::Mark;
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// For the green thread of `record`.
pub(crate) fn of(record: &Record) -> Waker {
    let data = record.whole().as_ptr().cast_const().cast();
    // SAFETY: the caller's reference to the record keeps it while this counts.
    let counted = unsafe { clone(data) };
    // SAFETY: the functions do as `RawWakerVTable` asks, with what they count.
    unsafe { Waker::from_raw(counted) }
}

/// The reference that a waker is.
///
/// # Safety
/// `data` is of `clone`, or of a record that is counted meanwhile. Not to be dropped unless the waker is used up.
unsafe fn reference(data: *const ()) -> ManuallyDrop<RecordRef> {
    // SAFETY: the caller's promise.
    let record = unsafe { NonNull::new_unchecked(data.cast_mut().cast::<Record>()) };
    // SAFETY: likewise.
    ManuallyDrop::new(unsafe { RecordRef::from_raw(record) })
}

/// # Safety
/// As `RawWakerVTable` says; the same for the others.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the caller's promise.
    let counted = unsafe { reference(data) }.clone();
    std::mem::forget(ManuallyDrop::into_inner(counted));
    RawWaker::new(data, &VTABLE)
}

/// # Safety
/// As `clone`.
unsafe fn wake(data: *const ()) {
    // SAFETY: the caller's promise, and the waker is used up.
    let record = ManuallyDrop::into_inner(unsafe { reference(data) });
    notify(&record);
}

/// # Safety
/// As `clone`.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the caller's promise.
    notify(&*unsafe { reference(data) });
}

/// # Safety
/// As `clone`.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the caller's promise, and the waker is used up.
    drop(ManuallyDrop::into_inner(unsafe { reference(data) }));
}

fn notify(record: &Record) {
    record.unpark_with(Mark::WOKEN);
}

/// One future that the calling green thread waits for.
pub(crate) struct Polling<'a> {
    record: &'a Record,
    /// As many of its thread's wakes as this one knows of.
    seen: Cell<u64>,
}

impl Polling<'_> {
    pub(crate) fn begin(record: &Record) -> Polling<'_> {
        Polling { record, seen: Cell::new(record.own.wakes.get()) }
    }

    /// Whether a waker was woken since the last look.
    #[inline]
    pub(crate) fn take_woken(&self) -> bool {
        let wakes = &self.record.own.wakes;
        if self.record.state.take_woken() {
            wakes.set(wakes.get() + 1);
        }
        self.seen.replace(wakes.get()) != wakes.get()
    }
}
