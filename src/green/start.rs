//! The first run of a green thread.

use super::locals;
use super::record::{Record, Suspend};
use crate::stack::GreenStack;
use crate::sys::clock::Nanos;
use corosensei::{Coroutine, Yielder};
use std::io;

/// Gives `record` the stack on which it will run, from about `now` on.
///
/// # Errors
/// No memory for its thread-locals; it can still be refused.
///
/// # Safety
/// Only who has it to itself: the worker that took it fresh from a queue, or
/// its creator. Once.
#[inline(always)] // into the one worker loop
pub(crate) unsafe fn start(record: &Record, stack: GreenStack, now: Nanos) -> io::Result<()> {
    locals::attach(record, &stack)?;
    let this = record.whole();
    let tag = stack.tag();
    tag.begin(stack.guard().start, this.as_ptr().cast(), record.id(), now);
    record.own.tag.set(Some(tag));
    let main = move |yielder: &Yielder<(), Suspend>, (): ()| {
        // SAFETY: the scheduler's reference keeps the record alive until the
        // coroutine has returned; this is its first and only run.
        unsafe {
            let record = this.as_ref();
            record.own.yielder.set(yielder);
            locals::begin(record);
            record.run();
        }
    };
    // SAFETY: nobody else touches the coroutine of a fresh one.
    unsafe { *record.own.coroutine.get() = Some(Coroutine::with_stack(stack, main)) };
    Ok(())
}
