//! The calling thread's `errno`, and error numbers as values.

/// A kernel error number, positive, as `errno` holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    pub(crate) const AGAIN: Errno = Errno(libc::EAGAIN);
    pub(crate) const ALREADY: Errno = Errno(libc::EALREADY);
    pub(crate) const BADF: Errno = Errno(libc::EBADF);
    pub(crate) const CANCELED: Errno = Errno(libc::ECANCELED);
    pub(crate) const FAULT: Errno = Errno(libc::EFAULT);
    pub(crate) const INPROGRESS: Errno = Errno(libc::EINPROGRESS);
    pub(crate) const INVAL: Errno = Errno(libc::EINVAL);
    pub(crate) const ISCONN: Errno = Errno(libc::EISCONN);
    pub(crate) const NOSYS: Errno = Errno(libc::ENOSYS);
    pub(crate) const NOTSUP: Errno = Errno(libc::EOPNOTSUPP);
    pub(crate) const NOTSOCK: Errno = Errno(libc::ENOTSOCK);
    pub(crate) const PERM: Errno = Errno(libc::EPERM);

    /// The calling thread's `errno`.
    #[inline]
    pub(crate) fn last() -> Errno {
        // SAFETY: libc's errno location is valid for the calling thread.
        Errno(unsafe { *libc::__errno_location() })
    }

    /// Stores this number as the calling thread's `errno`.
    #[inline]
    pub(crate) fn set(self) {
        // SAFETY: as in `last`.
        unsafe { *libc::__errno_location() = self.0 }
    }
}

/// Stores the calling thread's `h_errno`.
pub(crate) fn set_h_errno(value: i32) {
    unsafe extern "C" {
        fn __h_errno_location() -> *mut i32;
    }
    // SAFETY: libc's location is valid for the calling thread.
    unsafe { *__h_errno_location() = value }
}

impl From<Errno> for std::io::Error {
    fn from(e: Errno) -> Self {
        std::io::Error::from_raw_os_error(e.0)
    }
}

impl From<std::io::Error> for Errno {
    fn from(e: std::io::Error) -> Self {
        Errno(e.raw_os_error().unwrap_or(libc::EIO))
    }
}
