//! The first run of a green thread.

use super::coroutine::Coroutine;
use super::record::{Record, Suspend};
use super::{current, locals};
use crate::stack::GreenStack;
use crate::sys::clock::Nanos;
use crate::sys::switch::{Suspended, switch};
use std::io;
use std::ptr;

/// Gives `record` the stack on which it will run, from about `now` on; with thread-locals of
/// its own, `number` is what libc tells it by.
///
/// # Errors
/// No memory for its thread-locals; it can still be refused.
///
/// # Safety
/// Only who has it to itself: the worker that took it fresh from a queue, or
/// its creator. Once.
#[inline(always)] // into the one worker loop
pub(crate) unsafe fn start(
    record: &Record,
    stack: GreenStack,
    now: Nanos,
    number: impl FnOnce() -> u32,
) -> io::Result<()> {
    locals::attach(record, &stack, number)?;
    let this = record.whole();
    let tag = stack.tag();
    tag.begin(stack.guard().start, this.as_ptr().cast(), record.id(), now);
    record.own.tag.set(Some(tag));
    // SAFETY: nobody else touches the coroutine of a fresh one.
    unsafe { *record.own.coroutine.get() = Some(Coroutine::new(stack, main)) };
    Ok(())
}

/// The first frame on its stack. `word` is where its record lies.
///
/// # Safety
/// By its worker, which is `from`.
unsafe extern "sysv64" fn main(word: u64, from: Suspended) -> ! {
    let record = ptr::with_exposed_provenance::<Record>(word as usize);
    // SAFETY: the scheduler's reference keeps the record alive until its worker has
    // been told that it has ended; this is its first and only run.
    unsafe {
        let record = &*record;
        record.own.worker.set(from);
        locals::begin(record);
        record.run();
        if record.own.block.get().is_some() {
            let _ = current::hide();
        }
        switch(record.own.worker.get(), Suspend::ENDED.word());
    }
    unreachable!("it has ended")
}
