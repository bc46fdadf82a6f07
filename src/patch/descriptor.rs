//! The family *socket*: what keeps the table of descriptors true. These never
//! wait, and do their bookkeeping on OS threads as well.
//!
//! `fcntl` and `ioctl` are variadic in C. Rust cannot define such a function,
//! but on x86-64 a variadic caller passes integers in the same registers as
//! any other, so a fixed third argument receives what was passed.

use super::family::Family;
use super::gate::{Shim, int, parks, remembers, tracks};
use crate::calls::call::Socket;
use crate::sched::entry::{
    Dir, Entry, FORCED_NONBLOCK, LINGERS, LOW_WATER, NO_INFERENCE, USER_NONBLOCK,
};
use crate::sched::{fds, kinds};
use crate::sys::{raw, real};
use libc::{
    O_NONBLOCK, SO_RCVTIMEO, SO_SNDTIMEO, SYS_close, c_int, c_ulong, c_void, socklen_t, timeval,
};

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(close as *const ()),
    Shim::new(dup as *const ()),
    Shim::new(dup2 as *const ()),
    Shim::new(dup3 as *const ()),
    Shim::new(fcntl as *const ()),
    Shim::new(fcntl64 as *const ()),
    Shim::new(ioctl as *const ()),
    Shim::new(setsockopt as *const ()),
];

/// See close(2). Green threads that wait for the descriptor get EBADF.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn close(fd: c_int) -> c_int {
    if tracks() {
        // Not libc's, which is a cancellation point: it would unwind from here.
        // SAFETY: the caller's promise.
        let kernels = || unsafe { raw::syscall(SYS_close, [fd as usize, 0, 0, 0, 0, 0]) };
        return int(fds::close(fd, kernels).map(|_| 0));
    }
    abandoned(fd);
    // SAFETY: as above.
    unsafe { real::close(fd) }
}

/// See dup(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn dup(fd: c_int) -> c_int {
    // SAFETY: the caller's promise.
    note_duplicate(fd, unsafe { real::dup(fd) })
}

/// See dup2(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn dup2(old: c_int, new: c_int) -> c_int {
    // SAFETY: the caller's promise.
    let libc = || unsafe { real::dup2(old, new) };
    if tracks() { fds::replace(old, new, libc) } else { abandoning(old, new, libc) }
}

/// See dup3(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    // SAFETY: the caller's promise.
    let libc = || unsafe { real::dup3(old, new, flags) };
    if tracks() { fds::replace(old, new, libc) } else { abandoning(old, new, libc) }
}

/// In a fork's child, the number means something else from now on.
fn abandoned(fd: c_int) {
    if remembers() {
        fds::abandon(fd);
    }
}

fn abandoning(old: c_int, new: c_int, dup: impl FnOnce() -> c_int) -> c_int {
    let made = dup();
    if made >= 0 && old != new {
        abandoned(new);
    }
    made
}

fn note_duplicate(old: c_int, new: c_int) -> c_int {
    if new >= 0 && tracks() {
        fds::duplicated(old, new);
    }
    new
}

/// See fcntl(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn fcntl(fd: c_int, cmd: c_int, arg: usize) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { control(fd, cmd, arg, real::fcntl) }
}

/// See fcntl(2): the name under which programs with 64-bit offsets call it.
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn fcntl64(fd: c_int, cmd: c_int, arg: usize) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { control(fd, cmd, arg, real::fcntl64) }
}

/// # Safety
/// As `fcntl`, of which `libc` is one.
unsafe fn control(
    fd: c_int,
    cmd: c_int,
    arg: usize,
    libc: unsafe fn(c_int, c_int, usize) -> c_int,
) -> c_int {
    // SAFETY (all): the caller's promise.
    match cmd {
        _ if !remembers() => {}
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => {
            // SAFETY: as above.
            return note_duplicate(fd, unsafe { libc(fd, cmd, arg) });
        }
        libc::F_SETLKW | libc::F_OFD_SETLKW if parks(Family::File) => {
            if let Some(file) = Socket::any(fd) {
                // SAFETY: as above.
                return int(unsafe { file.set_lock(cmd, std::ptr::with_exposed_provenance(arg)) });
            }
        }
        libc::F_GETFL => {
            // SAFETY: as above.
            return as_its_user_set_it(fd, unsafe { libc(fd, cmd, arg) });
        }
        libc::F_SETFL => {
            let on = arg as c_int & O_NONBLOCK != 0;
            // SAFETY: as above.
            return set_mode(fd, on, |forced| unsafe {
                libc(fd, cmd, arg | if forced { O_NONBLOCK as usize } else { 0 })
            });
        }
        _ => {}
    }
    // SAFETY: as above.
    unsafe { libc(fd, cmd, arg) }
}

/// The status flags with O_NONBLOCK as the user knows it.
fn as_its_user_set_it(fd: c_int, status: c_int) -> c_int {
    let flags = fds::entry(fd).map_or(0, Entry::flags);
    if status < 0 || flags & FORCED_NONBLOCK == 0 || flags & USER_NONBLOCK != 0 {
        return status;
    }
    status & !O_NONBLOCK
}

/// The user turns O_NONBLOCK on or off by `change`, which is told if the file
/// has to stay non-blocking whatever he says.
fn set_mode(fd: c_int, on: bool, change: impl FnOnce(bool) -> c_int) -> c_int {
    let Ok(entry) = fds::entry(fd) else {
        return change(false);
    };
    // A fork's child has the file to itself as far as it knows, and no locks.
    let forked = !tracks();
    let _locked = (!forked).then(|| entry.lock());
    let result = change(entry.flags() & FORCED_NONBLOCK != 0);
    if result >= 0 {
        let (set, clear) = if on { (USER_NONBLOCK, 0) } else { (0, USER_NONBLOCK) };
        if forked {
            entry.note_mode(set, clear);
        } else {
            fds::for_file(fd, |e| e.note_mode(set, clear));
        }
    }
    result
}

/// See ioctl(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, arg: usize) -> c_int {
    if request != libc::FIONBIO || arg == 0 || !remembers() {
        // SAFETY: the caller's promise.
        return unsafe { real::ioctl(fd, request, arg) };
    }
    // SAFETY: FIONBIO points to an int.
    let on = unsafe { *std::ptr::with_exposed_provenance::<c_int>(arg) } != 0;
    set_mode(fd, on, |forced| {
        let on = c_int::from(on || forced);
        // SAFETY: as above.
        unsafe { real::ioctl(fd, request, (&raw const on).expose_provenance()) }
    })
}

/// See setsockopt(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn setsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    // SAFETY: the caller's promise.
    let result = unsafe { real::setsockopt(fd, level, name, value, len) };
    if result == 0 && tracks() {
        match (level, name) {
            (libc::SOL_SOCKET, SO_RCVTIMEO | SO_SNDTIMEO) => {
                // SAFETY: the kernel has accepted it as a timeval.
                let nanos = kinds::timeout(unsafe { value.cast::<timeval>().read_unaligned() });
                let dir = if name == SO_RCVTIMEO { Dir::Read } else { Dir::Write };
                fds::tell(fd, |e| e.set_timeout(dir, nanos));
            }
            (libc::SOL_SOCKET, libc::SO_RCVLOWAT) => {
                let flags = kinds::low_water_flags(kinds::low_water(fd));
                fds::tell(fd, |e| e.note_mode(flags, LOW_WATER & !flags));
            }
            (libc::SOL_SOCKET, libc::SO_LINGER) => {
                let flags = kinds::lingers(fd);
                fds::tell(fd, |e| e.note_mode(flags, LINGERS & !flags));
            }
            (libc::SOL_TCP, libc::TCP_ULP) => {
                fds::tell(fd, |e| e.note_mode(NO_INFERENCE, 0));
            }
            _ => {}
        }
    }
    result
}
