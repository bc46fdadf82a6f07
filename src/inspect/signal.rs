//! A dump when a signal comes.
//!
//! The handler may come in the middle of anything, so it only counts up an
//! eventfd, by a system call of our own; an OS thread waits for that and does
//! the rest. A forked child shares the eventfd, but not the thread: its handler
//! does nothing until it asks for dumps itself, and has both of its own.

use super::take::dump;
use crate::green::current::Native;
use crate::green::report::say;
use crate::sys::lock::Lock;
use crate::sys::tasks::{self, Mark, Role};
use crate::sys::{raw, real};
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::*};
use std::thread;

/// The process that has the thread; 0 before the first.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// What the handler writes to, there.
static BELL: AtomicI32 = AtomicI32::new(-1);

extern "C" fn ring(_signal: i32) {
    // Acquire: the bell is that of this process.
    if process::id() == PROCESS.load(Acquire) {
        let (bell, one) = (BELL.load(Relaxed), 1_u64);
        let args = [bell as usize, (&raw const one).addr(), size_of::<u64>(), 0, 0, 0];
        // SAFETY: eight bytes to read. Fails only if the counter is full, and
        // then it is read soon.
        let _ = unsafe { raw::syscall(libc::SYS_write, args) };
    }
}

/// From now on the signal `signum` writes a [`dump`] to stderr, for example
/// `kill -QUIT`. It replaces what the signal did before. Signals that come while
/// a dump is made give one more, all together.
///
/// The dump is made on an OS thread of its own, so it comes also when every
/// worker is busy. In a forked child the signal does nothing, unless that calls
/// this as well.
///
/// # Errors
/// `signum` is no signal or cannot be handled; no descriptors, threads or memory
/// left.
///
/// ```
/// greenroom::inspect::dump_on_signal(3)?; // SIGQUIT
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn dump_on_signal(signum: i32) -> io::Result<()> {
    static STARTING: Lock<()> = Lock::new(());
    {
        let _starting = STARTING.lock();
        if PROCESS.load(Relaxed) != process::id() {
            BELL.store(hang_bell()?, Relaxed);
            PROCESS.store(process::id(), Release);
        }
    }
    // SAFETY: all zero is an empty one.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(i32) = ring;
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: a handler that does nothing but a system call.
    let set = unsafe { real::sigaction(signum, &action, ptr::null_mut()) };
    if set == 0 {
        tasks::wakes_nobody(signum);
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// Starts the thread that writes a dump each time that the bell rings.
fn hang_bell() -> io::Result<i32> {
    use rustix::event::{EventfdFlags, eventfd};
    let _native = Native::enter();
    let bell = eventfd(0, EventfdFlags::CLOEXEC)?;
    let fd = bell.as_raw_fd();
    let answer = move || answer(bell);
    thread::Builder::new().name("greenroom-dump".into()).spawn(answer)?;
    Ok(fd)
}

fn answer(bell: OwnedFd) {
    let _native = Native::enter();
    let _mark = Mark::new(Role::Ours);
    let bell = bell.into_raw_fd(); // never closed: the handler writes to it
    let mut count = [0_u8; 8];
    loop {
        let args = [bell as usize, count.as_mut_ptr().addr(), count.len(), 0, 0, 0];
        // SAFETY: eight bytes to write to.
        if unsafe { raw::syscall(libc::SYS_read, args) }.is_ok() {
            // Not by std's, whose lock somebody may hold who waits.
            say(dump().to_string().as_bytes());
        }
    }
}
