//! Reading memory that another thread may change, free or unmap meanwhile: the
//! kernel copies it. To the program that is no access of its own, so there is
//! no data race, and what is not mapped is an error and no fault.

use super::errno::Errno;
use super::raw;
use std::ptr;

/// Copies what lies at `address`; all of `into`, or nothing that may be used.
///
/// # Errors
/// EFAULT if some of it is not mapped, others if the process may not ask.
pub(crate) fn copy(address: usize, into: &mut [u8]) -> Result<(), Errno> {
    copy_all([(address, into)])
}

/// As `copy`, one after the other in the order given.
///
/// # Errors
/// As `copy`.
pub(crate) fn copy_all<const N: usize>(parts: [(usize, &mut [u8]); N]) -> Result<(), Errno> {
    let part = |start: *mut u8, len: usize| libc::iovec { iov_base: start.cast(), iov_len: len };
    let there = parts.each_ref().map(|(at, to)| part(ptr::without_provenance_mut(*at), to.len()));
    let mut parts = parts;
    let here = parts.each_mut().map(|(_, to)| part(to.as_mut_ptr(), to.len()));
    let wanted = here.iter().map(|part| part.iov_len).sum();
    let me = std::process::id() as usize;
    let args = [me, here.as_ptr().addr(), N, there.as_ptr().addr(), N, 0];
    // SAFETY: the kernel writes to the parts alone, as far as they are long; it
    // reads elsewhere, or says that it cannot.
    match unsafe { raw::syscall(libc::SYS_process_vm_readv, args) } {
        Ok(done) if done == wanted => Ok(()),
        // A sandbox may forbid it, as it lets processes read others.
        Err(Errno(libc::EPERM | libc::ENOSYS)) => {
            parts.into_iter().try_for_each(|(address, into)| copy_from_file(address, into))
        }
        _ => Err(Errno(libc::EFAULT)),
    }
}

/// As `copy`, by way of a file, which is slower.
#[cold]
fn copy_from_file(address: usize, into: &mut [u8]) -> Result<(), Errno> {
    let path = c"/proc/self/mem".as_ptr().addr();
    let how = (libc::O_RDONLY | libc::O_CLOEXEC) as usize;
    let at = libc::AT_FDCWD as usize;
    // SAFETY: a C string.
    let fd = unsafe { raw::syscall(libc::SYS_openat, [at, path, how, 0, 0, 0]) }?;
    let args = [fd, into.as_mut_ptr().addr(), into.len(), address, 0, 0];
    // SAFETY: the kernel writes to `into` alone, as far as it is long.
    let done = unsafe { raw::syscall(libc::SYS_pread64, args) };
    // SAFETY: opened above, and nobody else knows it.
    let _ = unsafe { raw::syscall(libc::SYS_close, [fd, 0, 0, 0, 0, 0]) };
    if done == Ok(into.len()) { Ok(()) } else { Err(Errno(libc::EFAULT)) }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_is_copied_and_the_rest_is_an_error() {
        let text = *b"something to read";
        let mut copied = [0; 17];
        copy(text.as_ptr().addr(), &mut copied).unwrap();
        assert_eq!(copied, text);
        let mut copied = [0; 17];
        copy_from_file(text.as_ptr().addr(), &mut copied).unwrap();
        assert_eq!(copied, text, "the other way");
        assert!(copy_from_file(8, &mut copied).is_err());
        assert_eq!(copy(8, &mut copied), Err(Errno(libc::EFAULT)));
        assert_eq!(copy(usize::MAX - 7, &mut copied), Err(Errno(libc::EFAULT)));
    }
}
