//! Interrupting an OS thread of this process by a signal, to look at it from
//! inside while it stands still.
//!
//! The signal says by its value that it is ours. One that is not goes on to who
//! handled it before. A handler that was installed once stays: a late signal must
//! not fall to the default action, which may be to end the process.
//!
//! It is installed and asked for by libc's name, as the program does it: so it does
//! not matter whether the patch, which puts a trampoline before handlers, was
//! before or comes after.

use super::errno::Errno;
use super::lock::Lock;
use super::unwind::Registers;
use super::{fault, peek, raw, tasks};
use libc::{c_int, c_void, sigaction, siginfo_t, ucontext_t};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

/// The highest signal of Linux, and one.
const SIGNALS: usize = 65;

/// What the program had, for each signal that is handled here.
static BEFORE: [AtomicPtr<sigaction>; SIGNALS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; SIGNALS];

/// What was interrupted.
pub(crate) struct Interrupted {
    pub(crate) registers: Registers,
    /// What a system call has just returned, if it has.
    pub(crate) result: isize,
}

/// Runs in the handler, on the interrupted OS thread.
pub(crate) type Look = fn(&Interrupted);

/// The one there is, as a pointer.
static LOOK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Whose value a signal of ours carries.
static OURS: u8 = 0;

/// As the kernel lays it out for a signal with a value.
#[repr(C)]
struct Sent {
    signal: c_int,
    error: c_int,
    code: c_int,
    _gap: c_int,
    pid: i32,
    uid: u32,
    value: usize,
    _rest: [usize; 12],
}

const _: () = assert!(size_of::<Sent>() == size_of::<siginfo_t>());

/// Handles `signal` from here on: `look` runs on each thread that `send` names. It
/// must be async-signal-safe, and always the same.
///
/// # Errors
/// There is no such signal, or it cannot be handled or means a fault.
pub(crate) fn install(signal: c_int, look: Look) -> io::Result<()> {
    static ONCE: Lock<()> = Lock::new(());
    let faults = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP];
    let before = usize::try_from(signal).ok().and_then(|nth| BEFORE.get(nth));
    let Some(before) = before.filter(|_| !faults.contains(&signal)) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    let _once = ONCE.lock();
    if !before.load(Acquire).is_null() {
        return Ok(());
    }
    let mut action = empty();
    // SAFETY: asks, into one that lives here.
    check(unsafe { libc::sigaction(signal, ptr::null(), &mut action) })?;
    // Both before the kernel may call the handler.
    LOOK.store(look as *mut (), Release);
    let kept = Box::into_raw(Box::new(action));
    before.store(kept, Release);
    let mut ours = empty();
    ours.sa_sigaction = address();
    // Calls that can be taken up again are, unless that is what the program's own
    // handler is there to prevent.
    let had_one = ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction);
    let restarts = if had_one { action.sa_flags & libc::SA_RESTART } else { libc::SA_RESTART };
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | restarts;
    // SAFETY: a handler that touches atomics and what `look` may.
    check(unsafe { libc::sigaction(signal, &ours, ptr::null_mut()) }).inspect_err(|_| {
        before.store(ptr::null_mut(), Release);
        // SAFETY: from the box above, and no handler has seen it.
        drop(unsafe { Box::from_raw(kept) });
    })?;
    if !had_one {
        tasks::wakes_nobody(signal);
    }
    Ok(())
}

/// Whether the program has let `on_signal` handle it since.
fn is_installed(signal: c_int) -> bool {
    let mut action = empty();
    // SAFETY: asks, into one that lives here.
    let asked = unsafe { libc::sigaction(signal, ptr::null(), &mut action) };
    asked == 0 && action.sa_sigaction == address()
}

fn address() -> usize {
    let handler: unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_signal;
    handler as *const () as usize
}

/// Sends `signal`, for which `install` was called, to an OS thread of this process.
///
/// # Errors
/// It is gone, or too many signals are under way, or the program handles the signal
/// otherwise now: its handler does not expect ours, and by default it may end.
pub(crate) fn send(thread: u32, signal: c_int) -> Result<(), Errno> {
    if !is_installed(signal) {
        return Err(Errno(libc::EBUSY));
    }
    let process = std::process::id();
    // SAFETY: takes no arguments.
    let uid = unsafe { libc::getuid() };
    let value = (&raw const OURS).addr();
    let sent = Sent {
        signal,
        error: 0,
        code: libc::SI_QUEUE,
        _gap: 0,
        pid: process.cast_signed(),
        uid,
        value,
        _rest: [0; 12],
    };
    let args = [process as usize, thread as usize, signal as usize, (&raw const sent).addr(), 0, 0];
    // SAFETY: the kernel reads what `sent` is.
    unsafe { raw::syscall(libc::SYS_rt_tgsigqueueinfo, args) }.map(drop)
}

/// # Safety
/// Only the kernel calls this, with what it gives to a handler with `SA_SIGINFO`.
unsafe extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let look = LOOK.load(Acquire);
    // SAFETY: what `install` stored.
    let look: Look = unsafe { std::mem::transmute(look) };
    // Also if the signal is another's: of two that are alike the kernel may keep one.
    // SAFETY: the kernel passes the state of the thread that it interrupted.
    look(&unsafe { interrupted(context.cast()) });
    // SAFETY: the kernel passes a valid structure; one with a value has it there.
    let is_ours = unsafe {
        let sent = &*info.cast::<Sent>();
        sent.code == libc::SI_QUEUE && sent.value == (&raw const OURS).addr()
    };
    if is_ours {
        // SAFETY: as above; the interrupted thread stands still.
        unsafe { take_up(context.cast()) }
    }
    // SAFETY: stored before this handler was installed, and never freed then.
    let before = unsafe { BEFORE[signal as usize].load(Acquire).as_ref() };
    if let Some(before) = before.filter(|before| !is_ours && !ignored(before, signal)) {
        // SAFETY: the arguments are those of the kernel.
        unsafe { fault::forward(before, false, signal, info, context) }
    }
}

/// Lets a call that waits for some time begin once more, if it is that which was
/// interrupted: the kernel itself would let it fail. Whoever sends looks whether a
/// thread waits, so the call has only just begun; and it is none that lets signals
/// in while it waits, so that another's might as well have come before it.
///
/// # Safety
/// `context` is what the kernel passed to a handler.
unsafe fn take_up(context: *mut ucontext_t) {
    const FAILED: i64 = -(libc::EINTR as i64);
    const WAITS: [i64; 4] =
        [libc::SYS_poll, libc::SYS_nanosleep, libc::SYS_clock_nanosleep, libc::SYS_epoll_wait];
    // SAFETY: the caller's promise.
    let all = unsafe { &mut (*context).uc_mcontext.gregs };
    let (ip, result) = (all[libc::REG_RIP as usize], all[libc::REG_RAX as usize]);
    // `mov eax, number` and `syscall`, which leaves the arguments as they were.
    let mut code = [0; 7];
    if result != FAILED || peek::copy((ip as usize).wrapping_sub(7), &mut code).is_err() {
        return;
    }
    let [0xb8, number @ .., 0x0f, 0x05] = code else { return };
    let number = i64::from(u32::from_ne_bytes(number));
    if WAITS.contains(&number) {
        all[libc::REG_RAX as usize] = number;
        all[libc::REG_RIP as usize] = ip - 2;
    }
}

/// Whether the kernel would have done nothing.
fn ignored(before: &sigaction, signal: c_int) -> bool {
    let unminded = [libc::SIGURG, libc::SIGCHLD, libc::SIGWINCH, libc::SIGCONT];
    match before.sa_sigaction {
        libc::SIG_IGN => true,
        libc::SIG_DFL => unminded.contains(&signal),
        _ => false,
    }
}

/// # Safety
/// `context` is what the kernel passed to a handler.
unsafe fn interrupted(context: *const ucontext_t) -> Interrupted {
    // SAFETY: the caller's promise.
    let all = unsafe { &(*context).uc_mcontext.gregs };
    let one = |nth: c_int| all[nth as usize] as usize;
    let kept =
        [libc::REG_RBX, libc::REG_RBP, libc::REG_R12, libc::REG_R13, libc::REG_R14, libc::REG_R15];
    let kept = kept.map(|nth| Some(one(nth)));
    let registers = Registers { ip: one(libc::REG_RIP), sp: one(libc::REG_RSP), kept };
    Interrupted { registers, result: one(libc::REG_RAX).cast_signed() }
}

fn empty() -> sigaction {
    // SAFETY: integers, an optional pointer and a set of bits: all zero is the default.
    unsafe { std::mem::zeroed() }
}

fn check(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(all(test, not(miri), not(loom)))]
#[path = "interrupt_tests.rs"]
mod tests;
