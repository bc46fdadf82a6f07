//! Stacks for generators and greenlets: pooled, guarded, with a name on them.

use crate::config;
use crate::green::current;
use crate::green::warn::warn;
use crate::sched::{stacks, start};
use crate::stack::{LabelledStack, Name, SizeClass};
use crate::sys::fault::{AltStack, ensure_alt_stack};
use crate::sys::thread_end;
use std::io;
use std::panic::Location;

/// What somebody asked for.
#[derive(Debug, Default)]
pub(super) struct Wish {
    pub(super) name: Option<String>,
    pub(super) stack_size: Option<usize>,
}

thread_local! {
    /// Where the fault handler of an OS thread runs, when it has been given a
    /// stack that can overflow. Workers have their own.
    static FOR_FAULTS: Option<AltStack> = ensure_alt_stack().ok();
}

/// A stack for the `what` that runs a closure of type `F`.
///
/// # Errors
/// A size beyond the maximum, wrong settings, no memory.
pub(super) fn take<F>(
    wish: Wish,
    what: &'static str,
    by: &'static Location<'static>,
) -> io::Result<LabelledStack> {
    start::stacks(by)?;
    if !thread_end::watch() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "another library defines `__cxa_thread_atexit_impl` first; link greenroom into the \
             executable itself",
        ));
    }
    let bytes = wish.stack_size.unwrap_or_else(config::stack_size);
    let class =
        SizeClass::for_size(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    if current::get().is_none() {
        // Without one, an overflow ends the process with no message.
        let _ = FOR_FAULTS.try_with(|_| ());
    }
    let name = match wish.name {
        Some(name) => Name::Given(name.into_boxed_str()),
        None => Name::Static(std::any::type_name::<F>()),
    };
    Ok(LabelledStack::new(stacks::take(class)?, what, name))
}

/// Whether a closure of type `F` is to be boxed: corosensei puts it on the stack
/// before anything runs there, and refuses, by a panic, what takes 1 KiB with what
/// we add.
pub(super) const fn is_large<F>() -> bool {
    size_of::<F>() > 512
}

/// Takes back a stack on which nothing runs.
pub(super) fn give(stack: LabelledStack) {
    stacks::give(stack.into_inner());
}

/// Says why a stack was left as it is, with all that is on it.
pub(super) fn say_leaked(what: &str, why: &str) {
    warn(format!("greenroom: a {what} was dropped {why}; its stack is leaked"));
}
