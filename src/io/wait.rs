//! Waiting until a descriptor is ready, whatever it is.

use super::held::close;
use crate::calls::masked::Mask;
use crate::calls::poll;
use crate::green::current;
use crate::sched::entry::KNOWN;
use crate::sched::{fds, start};
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use crate::sys::{raw, real};
use libc::{POLLIN, POLLNVAL, POLLOUT, c_int, pollfd};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Waits until `fd` can be read without blocking, or has come to its end or
/// failed; at most for `timeout`. True if so, false if the time was over.
///
/// A green thread parks, a plain OS thread blocks. Of any descriptor: one of
/// another crate's or of a C library's, too. A regular file is always ready.
///
/// # Errors
/// EBADF if `fd` is closed meanwhile, EMFILE or ENOMEM if the kernel has no
/// room to watch it.
///
/// ```
/// use std::io::Write;
/// use std::time::Duration;
/// let (reader, mut writer) = greenroom::io::pipe()?;
/// let waiting = greenroom::spawn(move || {
///     let soon = Some(Duration::from_millis(5));
///     assert!(!greenroom::io::wait_readable(&reader, soon)?);
///     greenroom::io::wait_readable(&reader, None)
/// });
/// greenroom::sleep(Duration::from_millis(20));
/// writer.write_all(b"x")?;
/// assert!(waiting.join()??);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait_readable<F: AsFd>(fd: F, timeout: Option<Duration>) -> io::Result<bool> {
    wait(fd.as_fd().as_raw_fd(), POLLIN, timeout)
}

/// As [`wait_readable`], until `fd` can be written.
///
/// # Errors
/// As [`wait_readable`].
///
/// ```
/// let (_reader, writer) = greenroom::io::pipe()?;
/// assert!(greenroom::io::wait_writable(&writer, None)?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn wait_writable<F: AsFd>(fd: F, timeout: Option<Duration>) -> io::Result<bool> {
    wait(fd.as_fd().as_raw_fd(), POLLOUT, timeout)
}

fn wait(fd: i32, events: i16, timeout: Option<Duration>) -> io::Result<bool> {
    let deadline = timeout.map(clock::after);
    let watched = if current::get().is_some() { Some(Watched::new(fd)?) } else { None };
    let fd = watched.as_ref().map_or(fd, Watched::fd);
    let mut one = [pollfd { fd, events, revents: 0 }];
    wait_any(&mut one, deadline)?;
    if one[0].revents & POLLNVAL != 0 {
        return Err(Errno::BADF.into());
    }
    Ok(one[0].revents != 0)
}

/// Waits for any of `list`, all of which the table knows, or will be told of.
///
/// # Errors
/// As `poll`, but for EINTR.
pub(crate) fn wait_any(list: &mut [pollfd], deadline: Option<Nanos>) -> Result<(), Errno> {
    if current::get().is_some() {
        // SAFETY: a list of so many; no mask.
        return unsafe { poll::poll(list.as_mut_ptr(), list.len(), deadline, Mask::NONE) }
            .map(drop);
    }
    loop {
        let left = deadline.map(|at| at.saturating_sub(clock::now()).div_ceil(1_000_000));
        let millis = left.map_or(-1, |left| c_int::try_from(left).unwrap_or(c_int::MAX));
        // SAFETY: a list of so many.
        match unsafe { real::poll(list.as_mut_ptr(), list.len() as _, millis) } {
            0 if deadline.is_some_and(|at| clock::now() >= at) => return Ok(()),
            1.. => return Ok(()),
            -1 if Errno::last() != Errno(libc::EINTR) => return Err(Errno::last()),
            _ => {}
        }
    }
}

/// What is waited for. Nobody tells the table when a descriptor that it does
/// not know is closed, and its number used again; so that one is watched under
/// a number of ours.
enum Watched {
    Known(i32),
    Ours(Option<OwnedFd>),
}

impl Watched {
    fn new(fd: i32) -> Result<Watched, Errno> {
        if fds::entry(fd)?.flags() & KNOWN != 0 {
            return Ok(Watched::Known(fd));
        }
        start::watch_forks();
        let args = [fd as usize, libc::F_DUPFD_CLOEXEC as usize, 0, 0, 0, 0];
        // SAFETY: takes no pointer.
        let new = unsafe { raw::syscall(libc::SYS_fcntl, args) }? as i32;
        fds::duplicated(fd, new);
        // SAFETY: just made, and nobody else knows it.
        Ok(Watched::Ours(Some(unsafe { OwnedFd::from_raw_fd(new) })))
    }

    fn fd(&self) -> i32 {
        match self {
            Watched::Known(fd) => *fd,
            Watched::Ours(owned) => owned.as_ref().map_or(-1, OwnedFd::as_raw_fd),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Watched::Ours(owned) = self {
            owned.take().into_iter().for_each(close);
        }
    }
}
