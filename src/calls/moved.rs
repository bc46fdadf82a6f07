//! A job's own copy of what a call moves. The caller's memory may be gone by
//! the time that the job runs, so the job never touches it.
//!
//! The kernel does the copying: what the caller points to may be wrong, and is
//! then answered with EFAULT, as in any call.

use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::iovec;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
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
    /// Of `len` bytes, not 0.
    pub(super) fn new(len: usize) -> Moved {
        let layout = Layout::from_size_align(len.max(1), ALIGN).expect("pieces are small");
        // SAFETY: of a size.
        match NonNull::new(unsafe { alloc(layout) }) {
            Some(at) => Moved { at, layout },
            None => handle_alloc_error(layout),
        }
    }

    /// With a copy of what `list` describes, which is as long.
    ///
    /// # Errors
    /// EFAULT.
    pub(super) fn copy_of(list: &[iovec], len: usize) -> Result<Moved, Errno> {
        let copy = Moved::new(len);
        let mine = [iovec { iov_base: copy.start().cast(), iov_len: len }];
        copy_all(libc::SYS_process_vm_readv, &mine, list, len)?;
        Ok(copy)
    }

    /// Copies the first `len` bytes to what `list` describes.
    ///
    /// # Errors
    /// EFAULT.
    pub(super) fn copy_to(&self, list: &[iovec], len: usize) -> Result<(), Errno> {
        let mine = [iovec { iov_base: self.start().cast(), iov_len: len }];
        if len == 0 { Ok(()) } else { copy_all(libc::SYS_process_vm_writev, &mine, list, len) }
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

/// Copies `len` bytes between two places of this process.
fn copy_all(
    call: libc::c_long,
    mine: &[iovec; 1],
    theirs: &[iovec],
    len: usize,
) -> Result<(), Errno> {
    let me = std::process::id() as usize;
    let args = [me, mine.as_ptr() as usize, 1, theirs.as_ptr() as usize, theirs.len(), 0];
    // SAFETY: `mine` is valid; what is not in `theirs`, the kernel refuses.
    match unsafe { raw::syscall(call, args) } {
        Ok(n) if n == len => Ok(()),
        Ok(_) => Err(Errno::FAULT),
        // A sandbox may forbid this call; the plain copy trusts the caller.
        Err(Errno(libc::EPERM | libc::ENOSYS)) => {
            copy_plainly(call == libc::SYS_process_vm_writev, mine[0].iov_base.cast(), theirs, len);
            Ok(())
        }
        Err(e) => Err(e),
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
