//! Which green thread runs on this OS thread.
//!
//! Two words: the green thread itself, and the one that the patch goes by,
//! which is null as well while the runtime itself executes. Neither has a
//! destructor or lazy initialisation, so each is one load, also in a signal
//! handler and in a thread that is ending.

use super::record::{Record, RecordRef};
use std::cell::Cell;
use std::ptr;

thread_local! {
    static NATIVE: Cell<bool> = const { Cell::new(false) };
    static CURRENT: Cell<*const Record> = const { Cell::new(ptr::null()) };
    static PATCHED: Cell<*const Record> = const { Cell::new(ptr::null()) };
}

/// The green thread that runs here, for the time of `f`'s caller.
///
/// The reference is valid while that green thread runs: do not let it outlive
/// the current call.
#[inline]
pub(crate) fn get<'a>() -> Option<&'a Record> {
    // SAFETY: set by `enter` for as long as the record's stack is the running
    // one, and the scheduler holds a reference meanwhile.
    unsafe { CURRENT.get().as_ref() }
}

/// As `get`, but `None` also inside the runtime: what a shim asks.
#[inline]
pub(crate) fn patched<'a>() -> Option<&'a Record> {
    // SAFETY: as in `get`.
    unsafe { PATCHED.get().as_ref() }
}

/// A counted reference to the green thread that runs here.
pub(crate) fn counted() -> Option<RecordRef> {
    let record = get()?;
    // SAFETY: forgotten again at once, so no reference is given up.
    let borrowed = unsafe { RecordRef::from_raw(record.whole()) };
    let counted = borrowed.clone();
    std::mem::forget(borrowed);
    Some(counted)
}

/// Called by a worker right before it resumes `record`.
#[inline]
pub(crate) fn enter(record: &Record) {
    CURRENT.set(record);
    PATCHED.set(if record.own.native.get() { ptr::null() } else { record });
}

/// Called by a worker when that has suspended or ended.
#[inline]
pub(crate) fn leave() {
    CURRENT.set(ptr::null());
    PATCHED.set(ptr::null());
}

/// Marks "inside the runtime" until dropped: libc calls pass straight through.
/// For runtime code on a green thread that calls what may call libc.
pub(crate) struct Inside(*const Record);

impl Inside {
    pub(crate) fn enter() -> Inside {
        Inside(PATCHED.replace(ptr::null()))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        PATCHED.set(self.0);
    }
}

/// Whether a thread that is made here is to be a plain OS thread: the caller
/// asked for it, or is the runtime.
#[inline]
pub(crate) fn spawns_native() -> bool {
    match get() {
        Some(_) => patched().is_none(),
        None => NATIVE.get(),
    }
}

/// Whether the calling thread is in a `Native`.
#[inline]
pub(super) fn is_native() -> bool {
    get().map_or_else(|| NATIVE.get(), |record| record.own.native.get())
}

/// Makes it so, or not, as if a `Native` had been entered or left.
pub(super) fn set_native(native: bool) {
    if native == is_native() {
        return;
    }
    match get() {
        Some(record) => record.own.native.set(native),
        None => NATIVE.set(native),
    }
    PATCHED.set(if native { ptr::null() } else { CURRENT.get() });
}

/// Until dropped, no call of this thread is caught, green or not, and what it
/// spawns are plain OS threads. It may be suspended meanwhile.
pub(crate) struct Native {
    before: bool,
    patched: *const Record,
}

impl Native {
    pub(crate) fn enter() -> Native {
        let before = match get() {
            Some(record) => record.own.native.replace(true),
            None => NATIVE.replace(true),
        };
        Native { before, patched: PATCHED.replace(ptr::null()) }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        match get() {
            Some(record) => record.own.native.set(self.before),
            None => NATIVE.set(self.before),
        }
        PATCHED.set(self.patched);
    }
}
