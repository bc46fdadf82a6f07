//! Which green thread runs on this OS thread.
//!
//! Two words: the green thread itself, and the one that the patch goes by,
//! which is null as well while the runtime itself executes. Neither has a
//! destructor or lazy initialisation, so each is one load, also in a signal
//! handler and in a thread that is ending.

use super::record::{Birth, Record, RecordRef};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{Ordering::SeqCst, compiler_fence};

thread_local! {
    /// How many `Native` a plain OS thread is in.
    static NATIVES: Cell<u32> = const { Cell::new(0) };
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

/// What stands for the calling thread where it holds something: the address of a
/// green one's record, or an odd number.
#[inline]
pub(crate) fn mark() -> usize {
    CURRENT.with(|current| match current.get().addr() {
        0 => ptr::from_ref(current).addr() | 1,
        green => green,
    })
}

/// What stands for the worker that this green thread runs on, and for its OS thread; 0
/// elsewhere.
#[inline]
pub(crate) fn worker() -> u32 {
    // SAFETY: null, or of a worker, which is never freed.
    get().and_then(|record| unsafe { record.own.seat.get().as_ref() }).map_or(0, |seat| seat.number)
}

/// That birth, given here.
#[inline]
pub(crate) fn gives(birth: Birth) -> Birth {
    Birth { parent: get().map_or(0, Record::id), ..birth }
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
    PATCHED.set(if record.own.marks.natives.get() > 0 { ptr::null() } else { record });
}

/// Called by a worker when that has suspended or ended.
#[inline]
pub(crate) fn leave() {
    CURRENT.set(ptr::null());
    PATCHED.set(ptr::null());
}

/// What a green thread with thread-locals of its own has hidden; see `hide`.
pub(super) struct Hidden(*const Record);

/// Called by one that is about to suspend, or to end: its worker has its thread-locals
/// for a while, and is no green thread. A signal handler in between finds that calls
/// are not caught before it finds nobody.
#[inline(always)]
pub(super) fn hide() -> Hidden {
    let patched = PATCHED.replace(ptr::null());
    compiler_fence(SeqCst);
    CURRENT.set(ptr::null());
    Hidden(patched)
}

impl Hidden {
    /// `record` runs again.
    #[inline(always)]
    pub(super) fn show(self, record: &Record) {
        CURRENT.set(record);
        compiler_fence(SeqCst);
        PATCHED.set(self.0);
    }
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
        None => NATIVES.get() > 0,
    }
}

/// How many `Native` the calling thread is in.
#[inline]
pub(super) fn natives() -> u32 {
    get().map_or_else(|| NATIVES.get(), |record| record.own.marks.natives.get())
}

/// Makes it so many, as if `Native`s had been entered or left.
pub(super) fn set_natives(natives: u32) {
    let before = match get() {
        Some(record) => record.own.marks.natives.replace(natives),
        None => NATIVES.replace(natives),
    };
    if (before > 0) != (natives > 0) {
        PATCHED.set(if natives > 0 { ptr::null() } else { CURRENT.get() });
    }
}

/// Until dropped, no call of this thread is caught, green or not, and what it
/// spawns are plain OS threads. It may be suspended meanwhile, and in a generator
/// whoever resumes it may have entered or left one in between: so they are
/// counted, and nobody remembers what was before.
pub(crate) struct Native {
    /// The runtime itself has entered it.
    inside: bool,
}

impl Native {
    pub(crate) fn enter() -> Native {
        let before = natives();
        let inside = before == 0 && PATCHED.get() != CURRENT.get();
        set_natives(before + 1);
        Native { inside }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        set_natives(natives() - 1);
        if self.inside {
            PATCHED.set(ptr::null());
        }
    }
}
