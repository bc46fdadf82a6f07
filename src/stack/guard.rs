//! The guard page below each stack, and which of two ways installs it.
//!
//! `MADV_GUARD_INSTALL` (Linux 6.13) leaves the slab one mapping. Older kernels need
//! `mprotect`, which costs two mappings for each stack, of which the kernel allows a process
//! only `vm.max_map_count`. Running into that limit breaks the whole program, as `malloc`
//! needs mappings too, so we stop short of it with an error that says what to do.
//!
//! `GREENROOM_STACK_GUARD=auto|madvise|mprotect` overrides the choice, for tests and for
//! kernels that lie.

use std::env::{self, VarError};
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use crate::sys::mem::{self, page_size};

const VARIABLE: &str = "GREENROOM_STACK_GUARD";

/// Mappings left to the rest of the program: heap arenas, libraries, thread stacks.
const RESERVED_MAPPINGS: usize = 4096;
/// What the kernel allows where it cannot be asked: Linux's own default.
const STOCK_MAX_MAPPINGS: usize = 65_530;

/// How guard pages are to be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuardMode {
    /// `madvise` where the kernel knows it, else `mprotect`.
    Auto,
    /// Only `madvise(MADV_GUARD_INSTALL)`.
    Madvise,
    /// Only `mprotect`, as on kernels before Linux 6.13.
    Mprotect,
}

/// What `GREENROOM_STACK_GUARD` asks for; `Auto` where it is not set, or empty.
///
/// # Errors
/// The variable holds something else, with the text to show.
pub(crate) fn guard_mode_from_env() -> Result<GuardMode, String> {
    match env::var(VARIABLE) {
        Ok(text) => parse(&text),
        Err(VarError::NotPresent) => Ok(GuardMode::Auto),
        Err(VarError::NotUnicode(text)) => parse(&text.to_string_lossy()),
    }
}

fn parse(text: &str) -> Result<GuardMode, String> {
    match text {
        "" | "auto" => Ok(GuardMode::Auto),
        "madvise" => Ok(GuardMode::Madvise),
        "mprotect" => Ok(GuardMode::Mprotect),
        other => Err(format!("{VARIABLE} is {other:?}: set it to auto, madvise or mprotect")),
    }
}

/// The way that was decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Method {
    Madvise = 1,
    Mprotect = 2,
}

/// 0 until decided, then a [`Method`]. Relaxed: the number stands for itself, and two threads
/// that decide at once come to the same decision.
static METHOD: AtomicU8 = AtomicU8::new(0);

/// Stacks that ever got a guard. Slots are never unmapped, so this never falls.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// How many guarded stacks this process has made.
pub(crate) fn made() -> usize {
    MADE.load(Ordering::Relaxed)
}

/// Installs the guard of the slot at `low`.
///
/// # Errors
/// The kernel's refusal, or in `mprotect` mode the bound on guarded stacks.
///
/// # Safety
/// `low` is a slot of a slab that nobody uses yet.
pub(super) unsafe fn install(low: NonZeroUsize) -> io::Result<()> {
    match method()? {
        Method::Madvise => {
            // SAFETY: the lowest page of a slot that nobody uses.
            unsafe { mem::install_guard(low.get(), page_size()) }.map_err(refused)?;
            MADE.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        Method::Mprotect => {
            let mappings = max_mappings();
            claim(&MADE, mappings)?;
            // SAFETY: the lowest page of a slot that nobody uses.
            unsafe { mem::protect(low.get(), page_size()) }.map_err(|error| {
                MADE.fetch_sub(1, Ordering::Relaxed);
                match error.raw_os_error() {
                    // Something else has used up the mappings we left.
                    Some(libc::ENOMEM) => out_of_mappings(made(), mappings),
                    _ => refused(error),
                }
            })
        }
    }
}

fn method() -> io::Result<Method> {
    match METHOD.load(Ordering::Relaxed) {
        1 => Ok(Method::Madvise),
        2 => Ok(Method::Mprotect),
        _ => decide(),
    }
}

#[cold]
fn decide() -> io::Result<Method> {
    let mode =
        guard_mode_from_env().map_err(|text| io::Error::new(io::ErrorKind::InvalidInput, text))?;
    let method = match mode {
        GuardMode::Madvise => Method::Madvise,
        GuardMode::Mprotect => Method::Mprotect,
        GuardMode::Auto if probe()? => Method::Madvise,
        GuardMode::Auto => Method::Mprotect,
    };
    METHOD.store(method as u8, Ordering::Relaxed);
    Ok(method)
}

/// Whether the kernel installs guards by `madvise`, tried on a page of our own.
fn probe() -> io::Result<bool> {
    let page = mem::reserve(page_size())?.get();
    // SAFETY: the page was mapped for this, and is used by nobody.
    unsafe {
        let known = mem::install_guard(page, page_size()).is_ok();
        mem::release(page, page_size())?;
        Ok(known)
    }
}

/// Counts one more stack, unless `mappings` mappings allow no more.
fn claim(made: &AtomicUsize, mappings: usize) -> io::Result<()> {
    let bound = bound(mappings);
    let one_more = |made| (made < bound).then_some(made + 1);
    match made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
        Ok(_) => Ok(()),
        Err(made) => Err(out_of_mappings(made, mappings)),
    }
}

/// How many stacks `mprotect` may guard where the process may have `mappings` mappings.
fn bound(mappings: usize) -> usize {
    mappings.saturating_sub(RESERVED_MAPPINGS) / 2
}

fn max_mappings() -> usize {
    // Kept, as reading the file for each new stack would cost more than the stack. Relaxed as
    // for METHOD.
    static LIMIT: AtomicUsize = AtomicUsize::new(0);
    match LIMIT.load(Ordering::Relaxed) {
        0 => {
            let limit = mem::max_map_count().unwrap_or(STOCK_MAX_MAPPINGS).max(1);
            LIMIT.store(limit, Ordering::Relaxed);
            limit
        }
        limit => limit,
    }
}

fn out_of_mappings(made: usize, mappings: usize) -> io::Error {
    let wanted = mappings.max(STOCK_MAX_MAPPINGS).saturating_mul(4);
    io::Error::new(
        io::ErrorKind::OutOfMemory,
        format!(
            "{made} green threads have stacks and no more can be guarded: without \
             MADV_GUARD_INSTALL (Linux 6.13 or newer) each stack takes two memory mappings, and \
             vm.max_map_count allows this process {mappings}. Allow more, for example with \
             `sysctl -w vm.max_map_count={wanted}` (two for each green thread and \
             {RESERVED_MAPPINGS} for the rest), or use a newer kernel"
        ),
    )
}

fn refused(error: io::Error) -> io::Error {
    let text = format!(
        "the kernel refused to guard a green thread's stack ({error}); \
         {VARIABLE}=auto chooses the way it knows"
    );
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_takes_three_words() {
        assert_eq!(parse("auto"), Ok(GuardMode::Auto));
        assert_eq!(parse(""), Ok(GuardMode::Auto), "as the other variables");
        assert_eq!(parse("madvise"), Ok(GuardMode::Madvise));
        assert_eq!(parse("mprotect"), Ok(GuardMode::Mprotect));
        for rubbish in ["Auto", " mprotect", "1"] {
            let text = parse(rubbish).unwrap_err();
            assert!(text.contains(VARIABLE) && text.contains("auto, madvise or mprotect"));
            assert!(text.contains(&format!("{rubbish:?}")), "{text}");
        }
    }

    #[test]
    fn the_bound_leaves_mappings_for_the_rest_of_the_program() {
        assert_eq!(bound(65_530), (65_530 - 4096) / 2);
        assert_eq!(bound(RESERVED_MAPPINGS), 0);
        assert_eq!(bound(1), 0);
    }

    #[test]
    fn at_the_bound_a_claim_fails_and_counts_nothing() {
        let made = AtomicUsize::new(0);
        let mappings = RESERVED_MAPPINGS + 5;
        claim(&made, mappings).unwrap();
        claim(&made, mappings).unwrap();
        let error = claim(&made, mappings).unwrap_err();
        assert_eq!(made.into_inner(), 2);
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        let text = error.to_string();
        assert!(text.starts_with("2 green threads have stacks"), "{text}");
        assert!(text.contains("vm.max_map_count allows this process 4101"), "{text}");
        assert!(text.contains("sysctl -w vm.max_map_count="), "{text}");
    }
}
