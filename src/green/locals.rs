//! Own thread-locals: giving each green thread a block, on its stack's slot.
//!
//! While one runs, its block is the OS thread's; once it has suspended the worker has
//! its own again, but on the short way to the next (`sched/lane.rs`). What a
//! green thread finds through thread-locals is its own for its whole life, and
//! the state of its *worker* is reached through its record.

use super::current;
use super::record::Record;
use super::storage;
use crate::stack::{self, GreenStack};
use crate::sys::tls::Layout;
use crate::sys::tls_probe;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

/// Set if green threads have their own thread-locals. Lives for ever.
static LAYOUT: AtomicPtr<Layout> = AtomicPtr::new(ptr::null_mut());

fn layout() -> Option<&'static Layout> {
    // SAFETY: null, or leaked by `enable`.
    unsafe { LAYOUT.load(Acquire).as_ref() }
}

/// Whether green threads have their own thread-locals.
pub(crate) fn are_own() -> bool {
    layout().is_some()
}

/// Where libc's number of the green thread with that block is, if it is its own.
pub(crate) fn number_at(block: usize) -> Option<usize> {
    layout().map(|layout| layout.number_at(block))
}

/// Gives all green threads their own, from the first stack on.
///
/// # Errors
/// The C library is not as we know it.
pub(crate) fn enable() -> io::Result<()> {
    if are_own() {
        return Ok(());
    }
    let _native = current::Native::enter();
    let layout = tls_probe::probe().map_err(|e| io::Error::new(io::ErrorKind::Unsupported, e))?;
    if !stack::reserve(layout.reserve()) {
        return Err(io::Error::other("there are stacks already, without room for thread-locals"));
    }
    LAYOUT.store(Box::leak(Box::new(layout)), Release);
    Ok(())
}

/// Readies the block of one that will run on `stack`; `number` is what libc is to tell it by.
///
/// # Errors
/// No memory.
#[inline]
pub(super) fn attach(
    record: &Record,
    stack: &GreenStack,
    number: impl FnOnce() -> u32,
) -> io::Result<()> {
    let Some(layout) = layout() else { return Ok(()) };
    let end = stack.end();
    // SAFETY: the slot is this stack's; what `stack::reserve` keeps free above
    // the stack is for this, zero at first, and used by nothing else.
    let block = unsafe {
        match layout.made(end) {
            Some(block) => {
                layout.renew(block, number());
                block
            }
            None => layout.make(end, number()).ok_or(io::ErrorKind::OutOfMemory)?,
        }
    };
    record.own.block.set(Some(block));
    Ok(())
}

/// On the green thread, before its closure.
pub(super) fn begin(record: &Record) {
    if let Some(layout) = layout() {
        current::enter(record);
        layout.begin();
    }
}

/// On the green thread, after its closure: runs the destructors of its
/// green-local values and of its thread-locals, which may wait.
pub(crate) fn end(record: &Record) {
    storage::end(record);
    // One that runs without a stack, in a test, leaves its OS thread's alone.
    if record.own.block.get().is_some()
        && let Some(layout) = layout()
    {
        // Destructors that unwind abort: no kill unwinds their waits.
        record.own.marks.shield();
        layout.end();
    }
}
