//! Where green-local values lie: a table per thread, reached through its record,
//! or on an OS thread through a thread-local of that one.
//!
//! | table | means | left by |
//! |---|---|---|
//! | null | no value yet | the thread, at its first value; before it runs, its creator, with what it inherits |
//! | a table | | the thread, at its end |
//! | `ENDED` | the values are gone, and no new ones come | nobody |
//!
//! A table is only touched by its thread, and before that one runs by its
//! creator. Values go in the reverse order of their first use, each marked
//! as gone before; what their destructors make anew goes as well, once, so this
//! ends.

use super::current;
use super::record::Record;
#[cfg(feature = "tracing")]
use super::spans;
use super::table::{Kind, Table};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// See the table of tables.
struct Ended(Table);
// SAFETY: nobody writes to it.
unsafe impl Sync for Ended {}
static ENDED: Ended = Ended(Table::new());

/// On a line of its own: each spawn reads it.
#[repr(align(64))]
struct Inherits(AtomicBool);
/// Some key's values are inherited.
static INHERITS: Inherits = Inherits(AtomicBool::new(false));

thread_local! {
    /// An OS thread's table. Without a destructor, so reached to the very end.
    static OS_TABLE: Cell<*const Table> = const { Cell::new(ptr::null()) };
    static REAPER: Reaper = const { Reaper };
}

/// Ends the values of an OS thread that has some.
struct Reaper;

impl Drop for Reaper {
    fn drop(&mut self) {
        finish(OS_TABLE.get());
        OS_TABLE.set(&ENDED.0);
    }
}

/// The values of this thread are gone, or this one is.
pub(super) struct Gone;

fn table() -> *const Table {
    match current::get() {
        Some(record) => record.own.table.get(),
        None => OS_TABLE.get(),
    }
}

/// This thread's value for key `number`, if it has one.
#[inline]
pub(super) fn find(number: usize) -> Option<NonNull<()>> {
    // SAFETY: this thread's own.
    unsafe { table().as_ref()?.get(number) }
}

/// Whether this thread may have a value for key `number`.
pub(super) fn admit(number: usize) -> Result<(), Gone> {
    let table = table();
    if table.is_null() {
        let made = Box::into_raw(Box::new(Table::new()));
        match current::get() {
            Some(record) => record.own.table.set(made),
            None => {
                OS_TABLE.set(made);
                // Already gone, it comes too late to end what we made now.
                if REAPER.try_with(|_| ()).is_err() {
                    finish(OS_TABLE.replace(&ENDED.0));
                    return Err(Gone);
                }
            }
        }
        return Ok(());
    }
    // SAFETY: as in `find`.
    if unsafe { (*table).is_gone(number) } || ptr::eq(table, &ENDED.0) { Err(Gone) } else { Ok(()) }
}

/// Keeps `value` for key `number`, which was admitted. If there is one by now,
/// gives that one, and `value` back.
///
/// # Safety
/// `value` is of `kind`, and the table's from now on, unless it comes back.
pub(super) unsafe fn keep(
    number: usize,
    value: NonNull<()>,
    kind: &'static Kind,
) -> Result<(), NonNull<()>> {
    if find(number).is_some() {
        return Err(value);
    }
    // SAFETY: admitted, so this thread's own.
    unsafe { (*table()).put(number, value, kind) };
    Ok(())
}

/// Says that there are keys whose values are inherited.
pub(crate) fn inherits() {
    INHERITS.0.store(true, Relaxed);
}

/// Ends the values of a table, and the table. What they do on the way has this
/// thread's other values still.
fn finish(table: *const Table) {
    if table.is_null() || ptr::eq(table, &ENDED.0) {
        return;
    }
    // SAFETY: the thread's own, or one that was not given away.
    unsafe { (*table).begin_end() };
    // SAFETY: likewise.
    while let Some((value, kind)) = unsafe { (*table).pop() } {
        // The hook has reported it, and nobody is left to hear of it.
        // SAFETY: of this kind, and taken out.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| unsafe { (kind.drop)(value) })) {
            // Its own destructor might panic once more.
            std::mem::forget(payload);
        }
    }
    // SAFETY: made by `Box::into_raw`, and nobody's any more.
    let table = unsafe { Box::from_raw(table.cast_mut()) };
    #[cfg(feature = "tracing")]
    let _ = spans::quietly(|| drop(table.span.take()));
    drop(table);
}

/// Ends the values of the green thread that runs here. On its stack, after its
/// closure.
#[inline]
pub(super) fn end(record: &Record) {
    if !record.own.table.get().is_null() {
        end_values(record);
    }
    record.own.table.set(&ENDED.0);
}

#[cold]
fn end_values(record: &Record) {
    // A kill that comes now comes too late: nothing unwinds any more.
    record.own.marks.shield();
    finish(record.own.table.get());
}

/// Whether the values of `record`, which runs here, go or are gone.
#[inline]
pub(crate) fn is_ending(record: &Record) -> bool {
    let table = record.own.table.get();
    // SAFETY: this thread's own, as in `find`.
    unsafe { table.as_ref() }.is_some_and(|it| it.is_ending() || ptr::eq(it, &ENDED.0))
}

/// The values of a table are being cloned, until dropped.
struct Cloning<'a>(&'a Table);

impl Cloning<'_> {
    /// `None`: they are already.
    fn begin(table: &Table) -> Option<Cloning<'_>> {
        (!table.set_cloning(true)).then(|| Cloning(table))
    }
}

impl Drop for Cloning<'_> {
    fn drop(&mut self) {
        self.0.set_cloning(false);
    }
}

/// Calls `f` in the span that `record`, which runs here, has inherited.
#[inline(always)]
pub(crate) fn within_span<T>(record: &Record, f: impl FnOnce() -> T) -> T {
    #[cfg(feature = "tracing")]
    // SAFETY: this thread's own.
    let _entered = unsafe { record.own.table.get().as_ref() }
        .filter(|table| !ptr::eq(*table, &ENDED.0))
        .and_then(|table| table.span.take())
        .and_then(spans::Within::enter);
    #[cfg(not(feature = "tracing"))]
    let _ = record;
    f()
}

/// What a thread that is made now inherits.
#[derive(Default)]
pub(crate) struct Inherited(Option<NonNull<Table>>);
// SAFETY: nobody else has the table, and what is inherited is `Send`.
unsafe impl Send for Inherited {}

impl Inherited {
    /// Of the calling thread's values. Runs the users' `Clone`.
    #[inline]
    pub(crate) fn capture() -> Inherited {
        if INHERITS.0.load(Relaxed) { Inherited::clone_values() } else { Inherited(None) }
    }

    #[cold]
    fn clone_values() -> Inherited {
        let mut inherited = Inherited(None);
        #[cfg(feature = "tracing")]
        if let Some(span) = spans::to_take_along() {
            // SAFETY: ours alone.
            unsafe { inherited.table().as_ref() }.span.set(Some(span));
        }
        // SAFETY: this thread's own, which stays until it ends.
        let Some(from) = (unsafe { table().as_ref() }).filter(|it| !ptr::eq(*it, &ENDED.0)) else {
            return inherited;
        };
        // A clone that spawns would come here again, and never come to an end.
        let Some(_cloning) = Cloning::begin(from) else { return inherited };
        let mut at = 0;
        loop {
            // A clone may make further values: nothing is borrowed while it runs.
            // SAFETY: this thread's own.
            let Some(heirloom) = (unsafe { from.heirloom(at) }) else { return inherited };
            at += 1;
            let Some((number, value, kind, clone)) = heirloom else { continue };
            // SAFETY: alive, of this kind; and the new table is ours.
            unsafe { inherited.table().as_ref().put(number, clone(value), kind) };
        }
    }

    /// Where it lies.
    fn table(&mut self) -> NonNull<Table> {
        *self.0.get_or_insert_with(|| NonNull::from(Box::leak(Box::new(Table::new()))))
    }

    /// Gives it to a green thread that nobody else knows yet.
    #[inline]
    pub(crate) fn give_to(self, record: &Record) {
        if let Some(table) = self.0 {
            record.own.table.set(table.as_ptr());
            std::mem::forget(self);
        }
    }
}

impl Drop for Inherited {
    #[inline]
    fn drop(&mut self) {
        if let Some(table) = self.0 {
            finish(table.as_ptr());
        }
    }
}

/// Ends what `record` has inherited, which will never run.
pub(crate) fn disinherit(record: &Record) {
    finish(record.own.table.replace(ptr::null()));
}
