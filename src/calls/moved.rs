//! A job's own copy of what a call moves. The caller's memory may be gone by
//! the time that the job runs, so the job never touches it.
//!
//! The kernel does the copying: what the caller points to may be wrong, and is
//! then answered with EFAULT, as in any call.

use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::iovec;
use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;

/// O_DIRECT wants its memory aligned, to a page at most.
const ALIGN: usize = 4096;

/// Aligned memory of a fixed length.
pub(super) struct Moved {
    at: NonNull<u8>,
    layout: Layout,
}

// SAFETY: it owns its memory.
unsafe impl Send for Moved {}

impl Moved {
    /// Of `len` bytes, not 0, or of as many as there is memory for: a call that
    /// moves less is right.
    ///
    /// # Errors
    /// ENOMEM: not even for a page.
    pub(super) fn up_to(len: usize) -> Result<Moved, Errno> {
        let mut len = len.max(1);
        loop {
            let layout = Layout::from_size_align(len, ALIGN).map_err(|_| Errno(libc::ENOMEM))?;
            // SAFETY: of a size.
            match NonNull::new(unsafe { alloc(layout) }) {
                Some(at) => return Ok(Moved { at, layout }),
                None if len <= ALIGN => return Err(Errno(libc::ENOMEM)),
                None => len = (len / 2).next_multiple_of(ALIGN),
            }
        }
    }

    /// With a copy of what `list` describes, which is as long.
    ///
    /// # Errors
    /// EFAULT.
    pub(super) fn fill(self, list: &[iovec]) -> Result<Moved, Errno> {
        match copy_all(libc::SYS_process_vm_readv, self.start(), list, self.len())? {
            n if n == self.len() => Ok(self),
            _ => Err(Errno::FAULT),
        }
    }

    /// Copies the first `len` bytes to what `list` describes, as far as it goes:
    /// how many.
    ///
    /// # Errors
    /// EFAULT.
    pub(super) fn copy_to(&self, list: &[iovec], len: usize) -> Result<usize, Errno> {
        if len == 0 {
            Ok(0)
        } else {
            copy_all(libc::SYS_process_vm_writev, self.start(), list, len)
        }
    }

    pub(super) fn start(&self) -> *mut u8 {
        self.at.as_ptr()
    }

    pub(super) fn len(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout.
        unsafe { dealloc(self.at.as_ptr(), self.layout) }
    }
}

/// Copies `len` bytes between two places of this process, as far as it goes.
fn copy_all(
    call: libc::c_long,
    mine: *mut u8,
    theirs: &[iovec],
    len: usize,
) -> Result<usize, Errno> {
    let list = [iovec { iov_base: mine.cast(), iov_len: len }];
    let me = std::process::id() as usize;
    let args = [me, list.as_ptr() as usize, 1, theirs.as_ptr() as usize, theirs.len(), 0];
    // SAFETY: `mine` is valid; what is not in `theirs`, the kernel refuses.
    match unsafe { raw::syscall(call, args) } {
        // A sandbox may forbid this call; the plain copy trusts the caller.
        Err(Errno(libc::EPERM | libc::ENOSYS)) => {
            copy_plainly(call == libc::SYS_process_vm_writev, mine, theirs, len);
            Ok(len)
        }
        other => other,
    }
}

fn copy_plainly(out: bool, mut mine: *mut u8, theirs: &[iovec], mut left: usize) {
    for part in theirs {
        let n = part.iov_len.min(left);
        let (from, to) =
            if out { (mine, part.iov_base.cast()) } else { (part.iov_base.cast(), mine) };
        // SAFETY: the caller of the patched call promised that they are valid.
        unsafe { to.copy_from_nonoverlapping(from, n) };
        mine = mine.wrapping_add(n);
        left -= n;
    }
}
