//! Bytes through pipes.

use super::held::{Held, Owner};
use crate::calls::{iov, plain};
use crate::green::current;
use crate::sched::entry::Dir;
use crate::sys::errno::Errno;
use libc::iovec;
use std::io::{self, IoSlice, IoSliceMut};

/// The most that the kernel moves in one call (MAX_RW_COUNT).
const MOST: usize = 0x7fff_f000;

impl<T: Owner> Held<T> {
    /// `None`: leave it to std.
    pub(crate) fn pull(&self, bufs: &mut [IoSliceMut<'_>]) -> Option<io::Result<usize>> {
        // SAFETY: an `IoSliceMut` has the layout of an iovec; room to write to.
        unsafe { self.transfer(Dir::Read, bufs.as_ptr().cast(), bufs.len()) }
    }

    /// `None`: leave it to std.
    pub(crate) fn push(&self, bufs: &[IoSlice<'_>]) -> Option<io::Result<usize>> {
        // SAFETY: an `IoSlice` has the layout of an iovec.
        unsafe { self.transfer(Dir::Write, bufs.as_ptr().cast(), bufs.len()) }
    }

    /// # Safety
    /// `parts` has `count` parts that the kernel may use.
    unsafe fn transfer(
        &self,
        dir: Dir,
        parts: *const iovec,
        count: usize,
    ) -> Option<io::Result<usize>> {
        current::get()?;
        // SAFETY: the caller's promise.
        let list = unsafe { std::slice::from_raw_parts(parts, count) };
        let list = &list[..count.min(libc::UIO_MAXIOV as usize)];
        let done = match iov::total(list) {
            0 => return None, // of no bytes, nothing waits
            // SAFETY: as above; it moves something.
            1..=MOST => unsafe { self.transfer_some(dir, list) },
            // SAFETY: as above.
            _ => unsafe { self.transfer_some(dir, &iov::prefix(list, MOST)) },
        };
        Some(done?.map_err(io::Error::from))
    }

    /// # Safety
    /// The kernel may use what `list` describes; it moves something.
    unsafe fn transfer_some(&self, dir: Dir, list: &[iovec]) -> Option<Result<usize, Errno>> {
        if let Some(socket) = self.parks() {
            // A child's end may be a socket.
            // SAFETY: the caller's promise.
            return Some(unsafe { socket.vectored(dir, list.as_ptr(), list.len()) });
        }
        // SAFETY: as above.
        unsafe { plain::transfer(self.fd(), dir, list, None, 0) }
    }
}

/// `Read` for a type that is `struct T(Held<$std>)`, by `pull`.
macro_rules! reads {
    ($($type:ty),*) => {$(
        impl std::io::Read for $type {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                let pulled = self.0.pull(&mut [std::io::IoSliceMut::new(buf)]);
                pulled.unwrap_or_else(|| $crate::io::bytes::std_of(&self.0).read(buf))
            }

            fn read_vectored(
                &mut self,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                let pulled = self.0.pull(bufs);
                pulled.unwrap_or_else(|| $crate::io::bytes::std_of(&self.0).read_vectored(bufs))
            }
        }
    )*};
}
pub(crate) use reads;

/// `Write` for a type that is `struct T(Held<$std>)`, by `push`.
macro_rules! writes {
    ($($type:ty),*) => {$(
        impl std::io::Write for $type {
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                let pushed = self.0.push(&[std::io::IoSlice::new(buf)]);
                pushed.unwrap_or_else(|| $crate::io::bytes::std_of(&self.0).write(buf))
            }

            fn write_vectored(
                &mut self,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                let pushed = self.0.push(bufs);
                pushed.unwrap_or_else(|| $crate::io::bytes::std_of(&self.0).write_vectored(bufs))
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
    )*};
}
pub(crate) use writes;

/// The file behind it, as std reads and writes one: with the plain calls, which
/// are those of its pipes too. It does not close it.
pub(crate) fn std_of<T: Owner>(held: &Held<T>) -> std::mem::ManuallyDrop<std::fs::File> {
    use std::os::fd::FromRawFd;
    // SAFETY: open while `held` is borrowed, and not closed by this.
    std::mem::ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(held.fd()) })
}
