//! Memory faults: SIGSEGV and SIGBUS, offered to the runtime first (is it the guard of a green
//! thread's stack?) and else passed to whoever handled them before, as the kernel would have.
//!
//! The handler runs at any instruction, so it touches nothing but one atomic pointer, the
//! stack it is on, and system calls that POSIX calls async-signal-safe.

use std::io;
use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::lock::Lock;
use super::mem as pages;
use super::real;

/// Stack that a handler may use beyond what the kernel puts there. std's own alternate stacks
/// (8 KiB) leave less, of which a signal frame with AVX-512 takes half: workers replace them.
const HANDLER_ROOM: usize = 16 << 10;
/// The usual size of an alternate stack of ours. Only touched pages cost memory.
const ALT_STACK_SIZE: usize = 64 << 10;

/// An access to memory that failed.
pub(crate) struct Fault {
    /// What was accessed.
    pub(crate) address: usize,
    /// The stack pointer of the code that did.
    pub(crate) stack_pointer: usize,
}

/// What the handler knows. Set once, then never changed or freed.
struct Installed {
    report: fn(&Fault) -> bool,
    segv: libc::sigaction,
    bus: libc::sigaction,
}

static INSTALLED: AtomicPtr<Installed> = AtomicPtr::new(ptr::null_mut());

/// Handles memory faults from here on. `report` gets each: when it returns
/// true (it has written a message) the process aborts, otherwise the fault goes to the
/// handler that was there before. A second call changes nothing.
///
/// `report` runs inside the signal handler: it must neither allocate nor lock nor panic.
///
/// # Errors
/// The kernel refused to install the handler.
pub(crate) fn install(report: fn(&Fault) -> bool) -> io::Result<()> {
    static ONCE: Lock<()> = Lock::new(());
    let _once = ONCE.lock();
    if !INSTALLED.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    let (segv, bus) = (action(libc::SIGSEGV)?, action(libc::SIGBUS)?);
    // Known to the handler before the handler is known to the kernel.
    let installed = Box::leak(Box::new(Installed { report, segv, bus }));
    INSTALLED.store(installed, Ordering::Release);
    let handler: Handler = on_fault;
    for (signal, previous) in [(libc::SIGSEGV, &installed.segv), (libc::SIGBUS, &installed.bus)] {
        let mut ours = default_action();
        ours.sa_sigaction = handler as usize;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | previous.sa_flags & libc::SA_RESTART;
        set_action(signal, &ours)?;
    }
    Ok(())
}

/// Whether faults that `report` does not take go to a handler of the program.
/// Async-signal-safe.
pub(crate) fn is_chained() -> bool {
    // SAFETY: null, or what `install` leaked.
    let installed = unsafe { INSTALLED.load(Ordering::Acquire).as_ref() };
    installed.is_some_and(|i| !matches!(i.segv.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN))
}

type Handler = unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
type PlainHandler = unsafe extern "C" fn(libc::c_int);

/// # Safety
/// Only the kernel calls this, with what it gives to a handler with `SA_SIGINFO`.
unsafe extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: set before this handler was installed, and never freed.
    let installed = unsafe { &*INSTALLED.load(Ordering::Acquire) };
    // SAFETY: the kernel passes a valid structure. Positive codes are the kernel's own: a
    // fault. With the others somebody sent the signal, and there is no address.
    let (is_fault, address) = unsafe { ((*info).si_code > 0, (*info).si_addr().addr()) };
    // SAFETY: the kernel passes the state of the thread that it interrupted.
    let stack_pointer = unsafe { stack_pointer(context.cast()) };
    if is_fault && (installed.report)(&Fault { address, stack_pointer }) {
        die();
    }
    let previous = if signal == libc::SIGBUS { &installed.bus } else { &installed.segv };
    // SAFETY: the arguments are those of the kernel.
    unsafe { forward(previous, is_fault, signal, info, context) };
}

/// The stack pointer of the code that was interrupted.
///
/// # Safety
/// `context` is what the kernel passed to a handler.
unsafe fn stack_pointer(context: *const libc::ucontext_t) -> usize {
    // SAFETY: the caller's promise.
    unsafe { (*context).uc_mcontext.gregs[libc::REG_RSP as usize] as usize }
}

/// Aborts as std does, whatever the program makes of SIGABRT.
fn die() -> ! {
    let _ = set_action(libc::SIGABRT, &default_action());
    // SAFETY: abort has no preconditions.
    unsafe { libc::abort() }
}

/// Does what the kernel would have done, had `previous` still been in place.
///
/// # Safety
/// `info` and `context` are what the kernel passed to our handler for `signal`.
pub(super) unsafe fn forward(
    previous: &libc::sigaction,
    is_fault: bool,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    match previous.sa_sigaction {
        libc::SIG_IGN if !is_fault => {}
        // The kernel does not let a program ignore its own fault.
        libc::SIG_DFL | libc::SIG_IGN => {
            // On return the fault repeats, and kills. A signal that was sent does not repeat:
            // raised here, it is delivered on return.
            let _ = set_action(signal, &default_action());
            if !is_fault {
                // SAFETY: raise may be called from a handler.
                unsafe { libc::raise(signal) };
            }
        }
        handler => {
            if previous.sa_flags & libc::SA_RESETHAND != 0 {
                let _ = set_action(signal, &default_action());
            }
            mask_for(previous, signal);
            // SAFETY: the program installed this address as a handler of this kind, and the
            // arguments are those of the kernel.
            unsafe {
                if previous.sa_flags & libc::SA_SIGINFO != 0 {
                    mem::transmute::<usize, Handler>(handler)(signal, info, context);
                } else {
                    mem::transmute::<usize, PlainHandler>(handler)(signal);
                }
            }
        }
    }
}

/// Blocks what `previous` wants blocked while it runs. The kernel undoes this when our
/// handler returns.
fn mask_for(previous: &libc::sigaction, signal: libc::c_int) {
    // SAFETY: all sets are initialized, and pthread_sigmask changes this thread's mask only.
    unsafe {
        if previous.sa_flags & libc::SA_NODEFER != 0 {
            let mut own = default_action().sa_mask;
            libc::sigaddset(&mut own, signal);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &own, ptr::null_mut());
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &previous.sa_mask, ptr::null_mut());
    }
}

/// An alternate signal stack for the thread that made it. Dropped, it goes away.
pub(crate) struct AltStack {
    /// The mapping, and what the thread had before. `None`: what it had was large enough.
    own: Option<(usize, usize, libc::stack_t)>,
    /// A thread can change no alternate stack but its own.
    _not_send: PhantomData<*mut ()>,
}

/// Sees to it that the calling thread has an alternate signal stack with room for our handler
/// and for what it may forward to. Without one, an overflow kills the process silently.
///
/// # Errors
/// No memory for the stack.
pub(crate) fn ensure_alt_stack() -> io::Result<AltStack> {
    let previous = current_alt_stack()?;
    let needed = min_signal_stack() + HANDLER_ROOM;
    if previous.ss_flags & libc::SS_DISABLE == 0 && previous.ss_size >= needed {
        return Ok(AltStack { own: None, _not_send: PhantomData });
    }
    let page = pages::page_size();
    let size = needed.max(ALT_STACK_SIZE).next_multiple_of(page);
    let low = pages::reserve(page + size)?.get();
    // From here on `stack` unmaps on an early return.
    let stack = AltStack { own: Some((low, page + size, previous)), _not_send: PhantomData };
    // SAFETY: the lowest page of a mapping that nobody else knows.
    unsafe { pages::protect(low, page)? };
    let ss_sp = ptr::with_exposed_provenance_mut(low + page);
    set_alt_stack(&libc::stack_t { ss_sp, ss_flags: 0, ss_size: size })?;
    Ok(stack)
}

impl Drop for AltStack {
    fn drop(&mut self) {
        let Some((low, len, previous)) = self.own.take() else {
            return;
        };
        let ours = low + pages::page_size();
        // Somebody may have installed another one since: theirs stays.
        if current_alt_stack().is_ok_and(|current| current.ss_sp.addr() == ours)
            && set_alt_stack(&previous).is_err()
        {
            return; // Still in use, so it must stay mapped.
        }
        // SAFETY: our own mapping, and no longer any thread's alternate stack.
        let _ = unsafe { pages::release(low, len) };
    }
}

/// What the kernel itself may put on a signal stack: with AVX-512 or AMX more than the
/// constant from the days of smaller registers.
fn min_signal_stack() -> usize {
    #[cfg(target_os = "linux")]
    // SAFETY: getauxval reads a table that never changes; an unknown entry is 0.
    let dynamic = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    #[cfg(not(target_os = "linux"))]
    let dynamic = 0;
    dynamic.max(libc::MINSIGSTKSZ)
}

/// Where this thread's alternate signal stack begins, and its size, if it has one that stays.
#[inline]
pub(crate) fn alt_stack() -> Option<(usize, usize)> {
    let stack = current_alt_stack().ok().filter(|stack| stack.ss_flags == 0)?;
    Some((stack.ss_sp.expose_provenance(), stack.ss_size))
}

fn current_alt_stack() -> io::Result<libc::stack_t> {
    let mut stack = MaybeUninit::zeroed();
    // SAFETY: with a null first argument the call only writes to the second.
    check(unsafe { libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) })?;
    // SAFETY: filled in by the call.
    Ok(unsafe { stack.assume_init() })
}

fn set_alt_stack(stack: &libc::stack_t) -> io::Result<()> {
    // SAFETY: callers pass memory that stays mapped while it is the alternate stack.
    check(unsafe { libc::sigaltstack(stack, ptr::null_mut()) })
}

fn action(signal: libc::c_int) -> io::Result<libc::sigaction> {
    let mut action = default_action();
    // SAFETY: with a null second argument the call only writes to the third.
    check(unsafe { real::sigaction(signal, ptr::null(), &mut action) })?;
    Ok(action)
}

fn set_action(signal: libc::c_int, action: &libc::sigaction) -> io::Result<()> {
    // SAFETY: callers pass either the default or a handler that is safe to run at any time.
    check(unsafe { real::sigaction(signal, action, ptr::null_mut()) })
}

/// The default action, which is all zeros: `SIG_DFL`, no flags, an empty mask.
fn default_action() -> libc::sigaction {
    // SAFETY: the structure consists of integers, an optional pointer and a set of bits.
    unsafe { mem::zeroed() }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(all(test, not(miri)))]
#[path = "fault_tests.rs"]
mod tests;
