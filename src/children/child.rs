//! Waiting for children: look; if none has changed, wait; look again.
//!
//! One child is waited for through its pidfd, which the reactor watches. For
//! *any* child, and for stops and continuations, the kernel has no descriptor:
//! an OS thread apart waits, without reaping, and tells. Either
//! way the look that reaps is the caller's own, so none is reaped for somebody
//! who does not want it any more.

use crate::green::cancel::refused;
use crate::offload::everyone::{Apart, PAUSE, try_apart};
use crate::sched::entry::Dir;
use crate::sched::fds;
use crate::sched::wait::{Target, wait};
use crate::sys::errno::Errno;
use crate::sys::raw;
use crate::time;
use libc::{POLLIN, WCONTINUED, WEXITED, WNOHANG, WNOWAIT, WSTOPPED, WUNTRACED};
use libc::{c_int, id_t, idtype_t, pid_t, pollfd, rusage, siginfo_t};
use std::mem::zeroed;
use std::ptr;

/// As `wait4`, on a green thread.
///
/// # Safety
/// The pointers are as `wait4` wants them.
pub(crate) unsafe fn wait4(
    pid: pid_t,
    status: *mut c_int,
    options: c_int,
    usage: *mut rusage,
) -> Result<pid_t, Errno> {
    let look = || {
        let how = (options | WNOHANG) as usize;
        let args = [pid as usize, status as usize, how, usage as usize, 0, 0];
        // SAFETY: the caller's promise.
        unsafe { raw::syscall(libc::SYS_wait4, args) }.map(|pid| pid as pid_t)
    };
    let events = WEXITED | (options & !(WNOHANG | WUNTRACED)) | stops(options & WUNTRACED != 0);
    let whom = match pid {
        1.. => (libc::P_PID, pid as id_t),
        -1 => (libc::P_ALL, 0),
        0 => (libc::P_PGID, 0),
        group => (libc::P_PGID, group.unsigned_abs()),
    };
    until_some(options, whom, events, || look().map(|pid| (pid, pid != 0)))
}

fn stops(wanted: bool) -> c_int {
    if wanted { WSTOPPED } else { 0 }
}

/// As `waitid`, on a green thread.
///
/// # Safety
/// `info` is as `waitid` wants it.
pub(crate) unsafe fn waitid(
    which: idtype_t,
    id: id_t,
    info: *mut siginfo_t,
    options: c_int,
) -> Result<c_int, Errno> {
    // SAFETY: all zero is one that says nothing.
    let mut own: siginfo_t = unsafe { zeroed() };
    let info = if info.is_null() { &raw mut own } else { info };
    let look = || {
        let how = (options | WNOHANG) as usize;
        let args = [which as usize, id as usize, info as usize, how, 0, 0];
        // SAFETY: the caller's promise, or one that lives here.
        unsafe { raw::syscall(libc::SYS_waitid, args) }?;
        // SAFETY: the kernel has written it; zero where nothing changed.
        Ok((0, unsafe { (*info).si_pid() } != 0))
    };
    until_some(options, (which, id), options & !(WNOHANG | WNOWAIT), look)
}

/// Repeats `look` until it finds something; once, if the caller does not wait.
fn until_some<T>(
    options: c_int,
    (which, id): (idtype_t, id_t),
    events: c_int,
    mut look: impl FnMut() -> Result<(T, bool), Errno>,
) -> Result<T, Errno> {
    loop {
        let (answer, found) = look()?;
        if found || options & WNOHANG != 0 {
            return Ok(answer);
        }
        let ends_only = events & (WSTOPPED | WCONTINUED) == 0;
        let watched = match which {
            libc::P_PID if ends_only => open(id).and_then(|child| child.ended()),
            libc::P_PIDFD if ends_only => watch(id as i32),
            _ => Err(Errno::INVAL),
        };
        if watched.is_ok() {
            continue;
        }
        refused()?;
        // No descriptors left, or no such child, which that thread is told then.
        if let Err(why) = wait_apart(which, id, events) {
            return match look()? {
                (answer, true) => Ok(answer),
                _ => Err(why),
            };
        }
    }
}

/// Returns when it is time to look: mostly it will find something then, or say
/// that there is no child. The child may need an offloaded call before it ends,
/// so this does not take the thread of one.
fn wait_apart(which: idtype_t, id: id_t, events: c_int) -> Result<(), Errno> {
    // A group of 0 is the caller's, which is that of all threads.
    let waited = try_apart(Apart::Children, move || {
        let how = (events | WNOWAIT) as usize;
        let args = [which as usize, id as usize, 0, how, 0, 0];
        // SAFETY: no information is asked for; nothing is reaped.
        unsafe { raw::syscall(libc::SYS_waitid, args) }.map(drop)
    });
    waited.unwrap_or_else(|| time::pause(PAUSE))
}

/// A descriptor for a child; closed when dropped.
struct Pidfd(i32);

fn open(pid: id_t) -> Result<Pidfd, Errno> {
    // SAFETY: takes no pointer.
    let fd = unsafe { raw::syscall(libc::SYS_pidfd_open, [pid as usize, 0, 0, 0, 0, 0]) }? as i32;
    // The number may have been closed behind our back.
    fds::appeared(fd);
    Ok(Pidfd(fd))
}

impl Pidfd {
    fn ended(&self) -> Result<(), Errno> {
        watch(self.0)
    }
}

impl Drop for Pidfd {
    fn drop(&mut self) {
        let args = [self.0 as usize, 0, 0, 0, 0, 0];
        // SAFETY: its own, and nobody else knows it.
        let _ = fds::close(self.0, || unsafe { raw::syscall(libc::SYS_close, args) });
    }
}

/// Waits until the child behind `pidfd` has ended.
fn watch(pidfd: i32) -> Result<(), Errno> {
    let entry = fds::known(pidfd)?;
    let seen = entry.look(Dir::Read);
    // What comes after this look changes what was seen.
    let mut one = pollfd { fd: pidfd, events: POLLIN, revents: 0 };
    let args = [ptr::from_mut(&mut one) as usize, 1, 0, 0, 0, 0];
    // SAFETY: one valid pollfd, timeout zero.
    if unsafe { raw::syscall(libc::SYS_poll, args) }? > 0 {
        return Ok(());
    }
    wait(&[Target::new(pidfd, entry, Dir::Read, seen, true)], None).map(drop)
}
