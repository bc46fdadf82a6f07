//! The family *file*: reading and writing what is no socket, and what waits for
//! disks and for other processes' locks. `read`, `write`, `readv`, `writev`
//! come here from `transfer`, `fcntl` from `descriptor`.

use super::family::{Family, is_patched};
use super::gate::{Shim, count, int, parks};
use crate::calls::call::Socket;
use crate::calls::{plain, vector};
use crate::sched::entry::Dir;
use crate::sys::real;
use libc::{LOCK_NB, LOCK_UN, SYS_fdatasync, SYS_fsync, SYS_sync_file_range, c_int, c_long};
use libc::{c_uint, c_void, iovec, off64_t, size_t, ssize_t};

pub(super) static SHIMS: &[Shim] = &[
    Shim::new(pread as *const ()),
    Shim::new(pread64 as *const ()),
    Shim::new(pwrite as *const ()),
    Shim::new(pwrite64 as *const ()),
    Shim::new(preadv as *const ()),
    Shim::new(preadv64 as *const ()),
    Shim::new(pwritev as *const ()),
    Shim::new(pwritev64 as *const ()),
    Shim::new(preadv2 as *const ()),
    Shim::new(preadv64v2 as *const ()),
    Shim::new(pwritev2 as *const ()),
    Shim::new(pwritev64v2 as *const ()),
    Shim::new(fsync as *const ()),
    Shim::new(fdatasync as *const ()),
    Shim::new(sync_file_range as *const ()),
    Shim::new(flock as *const ()),
];

/// Whether the caller may park on `fd`. std reads stdin under a lock, for which
/// the next green thread would stop the worker, unless locks are patched too.
#[inline]
fn may_park(fd: c_int) -> bool {
    parks(Family::File) && (fd != libc::STDIN_FILENO || is_patched(Family::Sync))
}

/// Moves bytes on a green thread, and else by `libc`.
///
/// # Safety
/// As `pread` and `pwrite`.
#[inline]
pub(super) unsafe fn bytes(
    fd: c_int,
    dir: Dir,
    buf: *mut c_void,
    len: size_t,
    at: Option<i64>,
    libc: impl FnOnce() -> ssize_t,
) -> ssize_t {
    if len == 0 || !may_park(fd) {
        return libc();
    }
    // What is longer, the kernel cuts likewise.
    let list = [iovec { iov_base: buf, iov_len: len.min(MOST) }];
    // SAFETY: the caller's promise.
    unsafe { plain::transfer(fd, dir, &list, at, 0) }.map_or_else(libc, count)
}

/// The most that the kernel moves in one call (MAX_RW_COUNT).
const MOST: usize = 0x7fff_f000;

/// Moves parts on a green thread, and else by `libc`.
///
/// # Safety
/// As `preadv2` and `pwritev2`.
#[inline]
pub(super) unsafe fn parts(
    fd: c_int,
    dir: Dir,
    list: *const iovec,
    parts: c_int,
    at: Option<i64>,
    flags: c_int,
    libc: impl FnOnce() -> ssize_t,
) -> ssize_t {
    // SAFETY (all): the caller's promise.
    // SAFETY: as above.
    if !may_park(fd) || !unsafe { vector::moves(list, parts) } {
        return libc();
    }
    // SAFETY: as above; `moves` says that there are some.
    let list = unsafe { std::slice::from_raw_parts(list, parts as usize) };
    if list.iter().any(|part| part.iov_len > MOST) {
        return libc(); // the kernel cuts or refuses it
    }
    // SAFETY: as above.
    unsafe { plain::transfer(fd, dir, list, at, flags) }.map_or_else(libc, count)
}

/// See pread(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pread(
    fd: c_int,
    buf: *mut c_void,
    len: size_t,
    at: off64_t,
) -> ssize_t {
    // SAFETY: the caller's promise.
    unsafe { bytes(fd, Dir::Read, buf, len, Some(at), || real::pread(fd, buf, len, at)) }
}

/// See pwrite(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pwrite(
    fd: c_int,
    buf: *const c_void,
    len: size_t,
    at: off64_t,
) -> ssize_t {
    let libc = || {
        // SAFETY: the caller's promise.
        unsafe { real::pwrite(fd, buf, len, at) }
    };
    // SAFETY: as above.
    unsafe { bytes(fd, Dir::Write, buf.cast_mut(), len, Some(at), libc) }
}

/// See preadv(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn preadv(
    fd: c_int,
    list: *const iovec,
    count: c_int,
    at: off64_t,
) -> ssize_t {
    // SAFETY: the caller's promise.
    let libc = || unsafe { real::preadv(fd, list, count, at) };
    // SAFETY: as above.
    unsafe { parts(fd, Dir::Read, list, count, Some(at), 0, libc) }
}

/// See pwritev(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pwritev(
    fd: c_int,
    list: *const iovec,
    count: c_int,
    at: off64_t,
) -> ssize_t {
    // SAFETY: the caller's promise.
    let libc = || unsafe { real::pwritev(fd, list, count, at) };
    // SAFETY: as above.
    unsafe { parts(fd, Dir::Write, list, count, Some(at), 0, libc) }
}

/// Where `preadv2` and `pwritev2` begin: -1 is the file's own position.
fn place(at: off64_t) -> Option<i64> {
    (at != -1).then_some(at)
}

/// See preadv2(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn preadv2(
    fd: c_int,
    list: *const iovec,
    count: c_int,
    at: off64_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise.
    let libc = || unsafe { real::preadv2(fd, list, count, at, flags) };
    // SAFETY: as above.
    unsafe { parts(fd, Dir::Read, list, count, place(at), flags, libc) }
}

/// See pwritev2(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn pwritev2(
    fd: c_int,
    list: *const iovec,
    count: c_int,
    at: off64_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise.
    let libc = || unsafe { real::pwritev2(fd, list, count, at, flags) };
    // SAFETY: as above.
    unsafe { parts(fd, Dir::Write, list, count, place(at), flags, libc) }
}

macro_rules! same {
    ($($name:ident = $as:ident($($arg:ident: $ty:ty),*);)*) => {$(
        /// The name under which programs with 64-bit offsets call it.
        ///
        /// # Safety
        /// As libc's.
        #[cfg_attr(not(miri), unsafe(no_mangle))]
        pub(super) unsafe extern "C" fn $name($($arg: $ty),*) -> ssize_t {
            // SAFETY: the caller's promise.
            unsafe { $as($($arg),*) }
        }
    )*};
}

same! {
    pread64 = pread(fd: c_int, buf: *mut c_void, len: size_t, at: off64_t);
    pwrite64 = pwrite(fd: c_int, buf: *const c_void, len: size_t, at: off64_t);
    preadv64 = preadv(fd: c_int, list: *const iovec, count: c_int, at: off64_t);
    pwritev64 = pwritev(fd: c_int, list: *const iovec, count: c_int, at: off64_t);
    preadv64v2 = preadv2(fd: c_int, list: *const iovec, count: c_int, at: off64_t, flags: c_int);
    pwritev64v2 = pwritev2(fd: c_int, list: *const iovec, count: c_int, at: off64_t, flags: c_int);
}

/// `fd` on a green thread, whatever it is.
fn green(fd: c_int) -> Option<Socket> {
    if parks(Family::File) { Socket::any(fd) } else { None }
}

fn sync(fd: c_int, call: c_long, args: [usize; 3], libc: impl FnOnce() -> c_int) -> c_int {
    green(fd).map_or_else(libc, |file| int(file.sync(call, args)))
}

/// See fsync(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    // SAFETY: the caller's promise.
    sync(fd, SYS_fsync, [0; 3], || unsafe { real::fsync(fd) })
}

/// See fdatasync(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    // SAFETY: the caller's promise.
    sync(fd, SYS_fdatasync, [0; 3], || unsafe { real::fdatasync(fd) })
}

/// See sync_file_range(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn sync_file_range(
    fd: c_int,
    from: off64_t,
    bytes: off64_t,
    flags: c_uint,
) -> c_int {
    // SAFETY: the caller's promise.
    let libc = || unsafe { real::sync_file_range(fd, from, bytes, flags) };
    sync(fd, SYS_sync_file_range, [from as usize, bytes as usize, flags as usize], libc)
}

/// See flock(2).
///
/// # Safety
/// As libc's.
#[cfg_attr(not(miri), unsafe(no_mangle))]
pub(super) unsafe extern "C" fn flock(fd: c_int, how: c_int) -> c_int {
    match green(fd) {
        Some(file) if how & (LOCK_NB | LOCK_UN) == 0 => int(file.flock(how)),
        // SAFETY: the caller's promise.
        _ => unsafe { real::flock(fd, how) },
    }
}
