//! A `Waker` is a counted reference to the green thread that waits for a future,
//! so making one allocates nothing, and it may outlive what it wakes.
//!
//! A wake leaves `WOKEN` in the state beside the notification. The notification
//! alone will not do: the poll itself may wait for something, and eat it. The
//! bit is the green thread's, not the future's. So one that has waited for a
//! future inside the poll of another leaves the bit behind, and the outer one
//! polls once too often rather than never.

use super::record::{Record, RecordRef, Woken};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// For the calling green thread, `record`. Its own copy counts nothing: it is
/// used while that runs.
pub(crate) fn of(record: &Record) -> ManuallyDrop<Waker> {
    let data = record.whole().as_ptr().cast_const().cast();
    // SAFETY: the functions do as `RawWakerVTable` asks; clones are counted, and
    // this one is never dropped.
    ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) })
}

/// The reference that a waker is.
///
/// # Safety
/// `data` is of `of` or `clone`. Not to be dropped unless the waker is used up.
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
    if record.state.notify_woken() {
        // SAFETY: as in `Record::wake`: this wake won the right to queue it.
        Woken(unsafe { RecordRef::from_raw(record.whole()) }).queue();
    }
}

/// While it lives, the calling green thread waits for a future.
pub(crate) struct Polling<'a> {
    record: &'a Record,
    inside_another: bool,
}

impl Polling<'_> {
    pub(crate) fn begin(record: &Record) -> Polling<'_> {
        Polling { record, inside_another: record.own.polling.replace(true) }
    }

    /// Whether a waker was woken since the last look.
    #[inline]
    pub(crate) fn take_woken(&self) -> bool {
        self.record.state.take_woken()
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.record.own.polling.set(self.inside_another);
        if self.inside_another {
            self.record.state.leave_woken();
        }
    }
}
