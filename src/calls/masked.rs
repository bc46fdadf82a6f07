//! Signal masks of `ppoll`, `pselect` and `epoll_pwait`.
//!
//! The mask belongs to the worker's OS thread, and cannot stay there while the
//! green thread is parked. So each look at the kernel is made with it, which
//! delivers what it lets through and says EINTR; and a signalfd, watched beside
//! the rest, tells when a look is due for a signal that is blocked otherwise.
//! A signal that is not blocked goes to any thread of the process, as ever; no
//! parked green thread is interrupted by it.

use crate::sched::fds;
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{SFD_CLOEXEC, SFD_NONBLOCK, SIG_BLOCK, sigset_t, timespec};

/// The kernel is only to look.
pub(super) const NO_TIME: timespec = timespec { tv_sec: 0, tv_nsec: 0 };

/// A mask of the caller's, or none.
#[derive(Clone, Copy)]
pub(crate) struct Mask(*const sigset_t);

impl Mask {
    /// The kernel's sets have 64 signals.
    pub(crate) const SIZE: usize = 8;
    pub(crate) const NONE: Mask = Mask(std::ptr::null());

    /// # Safety
    /// `mask` is null, or valid as long as this is used.
    pub(crate) unsafe fn new(mask: *const sigset_t) -> Mask {
        Mask(mask)
    }

    pub(crate) fn address(self) -> usize {
        self.0.addr()
    }

    /// Delivers what it lets through.
    ///
    /// # Errors
    /// EINTR if there was any.
    pub(super) fn let_in(self) -> Result<(), Errno> {
        if self.0.is_null() {
            return Ok(());
        }
        let mut time = NO_TIME; // the kernel writes what is left of it
        let args = [0, 0, &raw mut time as usize, self.address(), Mask::SIZE, 0];
        // SAFETY: polls nothing; the mask is valid by the promise of `new`.
        unsafe { raw::syscall(libc::SYS_ppoll, args) }.map(drop)
    }
}

/// Tells of signals that the mask lets through and the thread blocks.
pub(super) struct Pending(i32);

impl Pending {
    /// `None` if there are no such signals.
    ///
    /// # Errors
    /// No descriptors or memory left.
    pub(super) fn behind(mask: Mask) -> Result<Option<Pending>, Errno> {
        if mask.0.is_null() {
            return Ok(None);
        }
        let mut blocked = 0_u64;
        let args = [SIG_BLOCK as usize, 0, &raw mut blocked as usize, Mask::SIZE, 0, 0];
        // SAFETY: only asks, into a set of the kernel's size.
        unsafe { raw::syscall(libc::SYS_rt_sigprocmask, args) }?;
        // SAFETY: by the promise of `new`; a look has been made with it.
        let let_through = blocked & !unsafe { self::first(mask.0) };
        if let_through == 0 {
            return Ok(None);
        }
        let flags = (SFD_CLOEXEC | SFD_NONBLOCK) as usize;
        let args = [usize::MAX, &raw const let_through as usize, Mask::SIZE, flags, 0, 0];
        // SAFETY: makes a new descriptor for a set of the kernel's size.
        let fd = unsafe { raw::syscall(libc::SYS_signalfd4, args) }? as i32;
        // The number may have been closed behind our back.
        fds::appeared(fd);
        Ok(Some(Pending(fd)))
    }

    pub(super) fn fd(&self) -> i32 {
        self.0
    }
}

/// The signals that the kernel looks at.
///
/// # Safety
/// `set` is valid.
unsafe fn first(set: *const sigset_t) -> u64 {
    // SAFETY: the caller's promise; libc's sets begin with the kernel's.
    unsafe { set.cast::<u64>().read_unaligned() }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let args = [self.0 as usize, 0, 0, 0, 0, 0];
        // SAFETY: its own, and nobody else knows it.
        let _ = fds::close(self.0, || unsafe { raw::syscall(libc::SYS_close, args) });
    }
}
