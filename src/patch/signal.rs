//! Signal handlers: while one runs, this thread's calls are not caught.
//!
//! A handler may come in the middle of anything, on whichever stack was in use:
//! were a call of it to park, its green thread would be left in the middle of
//! what was interrupted. So handlers are installed behind a trampoline, which
//! says for their time that the runtime is inside; then they block, as they
//! would without greenroom, and what they wake goes by the inboxes. Who asks
//! which handler is installed is told of his own.
//!
//! Two threads that set handlers of one signal at the same time may leave the
//! one's handler with the other's flags. A handler that leaves by `longjmp`
//! leaves its thread's calls uncaught.

use super::family::is_any_patched;
use super::gate::Shim;
use crate::green::current;
use crate::sys::{real, tasks};
use libc::{SIG_DFL, SIG_ERR, SIG_IGN, c_int, c_void, sighandler_t, siginfo_t};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::*};

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(sigaction as *const ()),
    Shim::new(signal as *const ()),
    Shim::new(bsd_signal as *const ()),
    Shim::new(sysv_signal as *const ()),
    Shim::new(__sysv_signal as *const ()),
];

/// The highest signal of Linux, and one.
const SIGNALS: usize = 65;

/// The program's handler of each signal for which the trampoline is installed.
static HANDLERS: [AtomicUsize; SIGNALS] = [const { AtomicUsize::new(SIG_DFL) }; SIGNALS];

/// What the kernel calls.
extern "C" fn trampoline(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let handler = HANDLERS[signal as usize].load(Acquire);
    if matches!(handler, SIG_DFL | SIG_IGN) {
        return; // taken away as the signal came
    }
    let _inside = current::Inside::enter();
    // SAFETY: a handler that the program has installed. One that takes fewer
    // arguments does not look at the others.
    unsafe {
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
            std::mem::transmute(handler);
        handler(signal, info, context);
    }
}

fn at_trampoline() -> sighandler_t {
    trampoline as *const () as sighandler_t
}

/// What to install for `handler`.
fn stand_in(handler: sighandler_t) -> sighandler_t {
    match handler {
        SIG_DFL | SIG_IGN => handler,
        _ => at_trampoline(),
    }
}

/// The handler that `installed` stands for, when `mine` was the program's.
fn unmasked(installed: sighandler_t, mine: sighandler_t) -> sighandler_t {
    if installed == at_trampoline() { mine } else { installed }
}

/// Installs `handler` by `install`, which is given what the kernel is to call,
/// and says whether it did. The program's handler until then.
fn replace(
    signal: c_int,
    handler: sighandler_t,
    install: impl FnOnce(sighandler_t) -> bool,
) -> sighandler_t {
    let Some(mine) = usize::try_from(signal).ok().and_then(|s| HANDLERS.get(s)) else {
        install(handler); // libc's to refuse
        return SIG_ERR;
    };
    // Before the kernel may call it.
    let before = match stand_in(handler) {
        own if own == handler => mine.load(Acquire),
        _ => mine.swap(handler, AcqRel),
    };
    if !install(stand_in(handler)) {
        mine.store(before, Release);
    }
    before
}

/// Puts the trampoline before the handlers that are there already. Those of
/// memory faults stay: no call of ours faults, and the runtime adds its own.
pub(super) fn adopt() {
    for (signal, mine) in (0..).zip(&HANDLERS).skip(1) {
        // SAFETY: all zero is an empty one.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: asks, into one that lives here.
        let known = unsafe { real::sigaction(signal, ptr::null(), &mut action) } == 0;
        let handler = action.sa_sigaction;
        let faults = matches!(signal, libc::SIGSEGV | libc::SIGBUS);
        if known && !faults && stand_in(handler) != handler {
            mine.store(handler, Release); // before the kernel may call it
            action.sa_sigaction = at_trampoline();
            // SAFETY: what was installed, behind the trampoline.
            unsafe { real::sigaction(signal, &action, ptr::null_mut()) };
        }
    }
}

/// See sigaction(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sigaction(
    signal: c_int,
    new: *const libc::sigaction,
    old: *mut libc::sigaction,
) -> c_int {
    // SAFETY: the caller's promise; null or valid.
    let wanted = unsafe { new.as_ref() }.copied();
    if wanted.is_some() {
        tasks::may_wake(signal);
    }
    if !is_any_patched() {
        // SAFETY: as above.
        return unsafe { real::sigaction(signal, new, old) };
    }
    let mut result = -1;
    let before = match wanted {
        None => {
            // SAFETY: as above.
            result = unsafe { real::sigaction(signal, new, old) };
            usize::try_from(signal).ok().and_then(|s| HANDLERS.get(s)).map(|h| h.load(Acquire))
        }
        Some(mut action) => Some(replace(signal, action.sa_sigaction, |handler| {
            action.sa_sigaction = handler;
            // SAFETY: as above.
            result = unsafe { real::sigaction(signal, &action, old) };
            result == 0
        })),
    };
    // SAFETY: as above; libc has filled it in.
    if let (0, Some(old), Some(before)) = (result, unsafe { old.as_mut() }, before) {
        old.sa_sigaction = unmasked(old.sa_sigaction, before);
    }
    result
}

/// As `signal`, by one of libc's forms of it.
fn set(
    signal: c_int,
    handler: sighandler_t,
    libcs: impl Fn(c_int, sighandler_t) -> sighandler_t,
) -> sighandler_t {
    tasks::may_wake(signal);
    if !is_any_patched() {
        return libcs(signal, handler);
    }
    let mut installed = SIG_ERR;
    let before = replace(signal, handler, |handler| {
        installed = libcs(signal, handler);
        installed != SIG_ERR
    });
    unmasked(installed, before)
}

/// See signal(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    // SAFETY: the caller's promise.
    set(signal, handler, |s, h| unsafe { real::signal(s, h) })
}

/// See bsd_signal(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn bsd_signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    // SAFETY: the caller's promise. The two are one in glibc.
    set(signal, handler, |s, h| unsafe { real::signal(s, h) })
}

/// See sysv_signal(3).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sysv_signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    // SAFETY: the caller's promise.
    set(signal, handler, |s, h| unsafe { real::sysv_signal(s, h) })
}

/// What C programs call for `signal` where System V's is asked for.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn __sysv_signal(
    signal: c_int,
    handler: sighandler_t,
) -> sighandler_t {
    // SAFETY: the caller's promise.
    set(signal, handler, |s, h| unsafe { real::sysv_signal(s, h) })
}
