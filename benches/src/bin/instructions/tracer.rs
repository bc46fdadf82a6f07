//! Counts the instructions of a child's thread by stepping through them.
//!
//! The thread asks to be traced (`PTRACE_TRACEME`: its parent is this thread)
//! and stops itself by SIGSTOP: once at the start, once after a short run, once
//! after a long one. From stop to stop it is single-stepped: each instruction
//! ends in a SIGTRAP, system calls included, which count as one. It is never
//! traced again after the third stop.

use std::io;
use std::process::Child;
use std::ptr::null_mut;

use greenroom_bench::protocol::Outcome;

/// Far more than any case takes.
const ENDLESS: u64 = 100_000_000;

pub(super) enum Counted {
    /// In a run of no operations, and in one of all.
    Between(u64, u64),
    /// The kernel does not let us.
    Impossible(io::Error),
}

/// In the child: has the calling thread traced from now on.
///
/// # Errors
/// The kernel does not let us.
pub(super) fn trace_me() -> io::Result<()> {
    // SAFETY: no pointers are followed.
    let asked =
        unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<u8>(), null_mut::<u8>()) };
    if asked == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// In the child: stops the calling thread until its tracer goes on.
pub(super) fn mark() {
    // SAFETY: the calling thread's own number.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), libc::SIGSTOP) };
}

/// Steps through what `child` does between its marks, and waits for its end.
///
/// # Errors
/// It fails, or never comes to an end.
pub(super) fn count(mut child: Child) -> Outcome<Counted> {
    let counted = between_marks();
    if !matches!(counted, Ok(Counted::Between(..))) {
        // It may be stopped.
        let _ = child.kill();
        let _ = child.wait();
        return counted;
    }
    let status = child.wait()?;
    if status.success() { counted } else { Err(format!("a case ends: {status}").into()) }
}

fn between_marks() -> Outcome<Counted> {
    // The first stop says which thread it is.
    let (thread, _) = next_stop(-1)?;
    let mut counts = [0_u64; 2];
    for count in &mut counts {
        let mut deliver = 0;
        loop {
            if let Err(why) = go_on(libc::PTRACE_SINGLESTEP, thread, deliver) {
                return Ok(Counted::Impossible(why));
            }
            let (_, signal) = next_stop(thread)?;
            deliver = match signal {
                libc::SIGSTOP => break,
                libc::SIGTRAP => 0,
                other => other,
            };
            *count += 1;
            if *count > ENDLESS {
                return Err("a case does not come to an end".into());
            }
        }
    }
    go_on(libc::PTRACE_DETACH, thread, 0)?;
    Ok(Counted::Between(counts[0], counts[1]))
}

/// Waits until that thread (-1: any) stops; which one, and by which signal.
fn next_stop(thread: libc::pid_t) -> Outcome<(libc::pid_t, libc::c_int)> {
    let mut status = 0;
    // SAFETY: a valid out pointer.
    let who = unsafe { libc::waitpid(thread, &mut status, libc::__WALL) };
    if who < 0 {
        return Err(io::Error::last_os_error().into());
    }
    if !libc::WIFSTOPPED(status) {
        return Err("a case ended before it was counted".into());
    }
    Ok((who, libc::WSTOPSIG(status)))
}

fn go_on(how: libc::c_uint, thread: libc::pid_t, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: no memory of ours is touched; the last word is a signal's number.
    let went = unsafe { libc::ptrace(how, thread, null_mut::<u8>(), signal as usize) };
    if went == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
