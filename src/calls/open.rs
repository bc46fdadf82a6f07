//! Opening a FIFO, which waits for somebody at its other end.
//!
//! An opening reader cannot be asked to try: O_NONBLOCK would let it in at once,
//! and writers that wait with it. So a thread apart waits for it. A writer is
//! refused at once (ENXIO) while no reader is there or waits to be, so it tries
//! first, and then waits on threads that are apart from the readers': were they
//! the same, as many readers as there are threads could keep out the writers
//! that they wait for. With all its threads taken either sort tries again and
//! again; only if 128 readers wait for writers that wait for a further reader,
//! in an order of the program's own making, nobody gets on.
//!
//! All other files are opened on the worker, and `stat`, `rename` and reading
//! directories are not patched at all. Measured on ext4 with the names in the
//! kernel's cache: `open` and `close` 1.6 µs, `stat` 0.7 µs, `rename` 14 µs,
//! listing 61 names 23 µs; going to another thread and back takes 30 µs, so
//! handing them over would keep the worker longer than they do. Asking whether
//! it is a FIFO costs `open` one `stat`.
//!
//! Devices that wait when they are opened (a modem line without a carrier) keep
//! their worker: use O_NONBLOCK, or [`offload`](crate::offload()).

use super::call::Socket;
use crate::offload::everyone::{Apart, PAUSE, try_apart};
use crate::sched::fds;
use crate::sys::errno::Errno;
use crate::sys::raw;
use crate::time;
use libc::{O_NONBLOCK, O_PATH, c_char, c_int, mode_t};
use std::ffi::CStr;

/// As `openat`; `None`: it does not wait for anybody.
///
/// # Safety
/// `path` is as `openat` wants it.
pub(crate) unsafe fn fifo(
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> Option<Result<c_int, Errno>> {
    let either = flags & libc::O_ACCMODE == libc::O_RDWR;
    // SAFETY: the caller's promise.
    if flags & (O_NONBLOCK | O_PATH) != 0 || either || !unsafe { is_fifo(dir, path, flags) } {
        return None;
    }
    // SAFETY: the kernel has just read it.
    let path = unsafe { CStr::from_ptr(path) }.to_owned();
    let writes = flags & libc::O_ACCMODE == libc::O_WRONLY;
    let from = if path.as_bytes().starts_with(b"/") { None } else { Socket::any(dir) };
    // While it waits its turn, the number of `dir` may come to mean another one.
    let open = move |path: &CStr, flags| match from.is_none_or(Socket::is_open) {
        true => open(dir, path, flags, mode),
        false => Err(Errno::BADF),
    };
    let whose = if writes { Apart::Writers } else { Apart::Others };
    let opened = loop {
        if writes {
            match open(&path, flags | O_NONBLOCK) {
                Err(Errno(libc::ENXIO)) => {}
                other => break other.inspect(|fd| wait_from_now_on(*fd)),
            }
        }
        let path = path.clone();
        match try_apart(whose, move || open(&path, flags)) {
            Some(opened) => break opened,
            None => {
                if let Err(e) = time::pause(PAUSE) {
                    break Err(e);
                }
            }
        }
    };
    // The number may have been closed behind our back.
    Some(opened.inspect(|fd| fds::appeared(*fd)))
}

fn open(dir: c_int, path: &CStr, flags: c_int, mode: mode_t) -> Result<c_int, Errno> {
    let args = [dir as usize, path.as_ptr() as usize, flags as usize, mode as usize, 0, 0];
    // SAFETY: a string that lives until it returns.
    unsafe { raw::syscall(libc::SYS_openat, args) }.map(|fd| fd as c_int)
}

/// Takes O_NONBLOCK back from a file that was just opened, by nobody else.
fn wait_from_now_on(fd: c_int) {
    let control = |cmd: c_int, arg: usize| {
        // SAFETY: neither command takes a pointer.
        unsafe { raw::syscall(libc::SYS_fcntl, [fd as usize, cmd as usize, arg, 0, 0, 0]) }
    };
    if let Ok(status) = control(libc::F_GETFL, 0) {
        let _ = control(libc::F_SETFL, status & !(O_NONBLOCK as usize));
    }
}

/// # Safety
/// As `fifo`.
unsafe fn is_fifo(dir: c_int, path: *const c_char, flags: c_int) -> bool {
    // SAFETY: all zero is an empty one.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    let follow = if flags & libc::O_NOFOLLOW != 0 { libc::AT_SYMLINK_NOFOLLOW } else { 0 };
    let args = [dir as usize, path as usize, &raw mut stat as usize, follow as usize, 0, 0];
    // SAFETY: the caller's promise; an out pointer.
    let found = unsafe { raw::syscall(libc::SYS_newfstatat, args) };
    found.is_ok() && stat.st_mode & libc::S_IFMT == libc::S_IFIFO
}
