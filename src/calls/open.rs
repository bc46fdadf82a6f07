//! Opening a FIFO, which waits for somebody at its other end.
//!
//! All other files are opened on the worker: with the names in the kernel's
//! cache that takes a microsecond or two, where a thread of the pool would take
//! ten; the same goes for `stat`, `rename` and directories.

use crate::offload::everyone::try_apart;
use crate::sched::fds;
use crate::sys::errno::Errno;
use crate::sys::raw;
use crate::time;
use libc::{O_NONBLOCK, O_PATH, c_char, c_int, mode_t};
use std::ffi::CStr;
use std::time::Duration;

/// Between two tries when all threads wait.
const PAUSE: Duration = Duration::from_millis(5);

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
    loop {
        let path = path.clone();
        let opened = try_apart(move || {
            let args = [dir as usize, path.as_ptr() as usize, flags as usize, mode as usize, 0, 0];
            // SAFETY: a string that lives here.
            unsafe { raw::syscall(libc::SYS_openat, args) }
        });
        if let Some(opened) = opened {
            // The number may have been closed behind our back.
            return Some(opened.map(|fd| fd as c_int).inspect(|fd| fds::appeared(*fd)));
        }
        time::sleep(PAUSE);
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
