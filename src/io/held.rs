//! A descriptor of ours that the table knows, in an object of std's.
//!
//! **Protocol.** With nothing patched, only these objects tell the table what
//! becomes of a number, so: it *describes* a number from when one of them has
//! it to when it gives it away, and says nothing of all others.
//!
//! | move | by | the table |
//! |---|---|---|
//! | made here | `made` | is told what it is |
//! | came from elsewhere | `found` | asks the kernel at first use, unless the patch told it |
//! | duplicated | `cloned` | joins both numbers |
//! | given away | `into_inner` | forgets it, and its mode is the user's again; unless the patch goes on telling |
//! | closed | `Drop` | forgets it in the same step, and wakes who waits |
//!
//! Getters and setters are std's; only what blocks is ours, and only on green
//! threads.

use crate::calls::accept::set_nonblocking;
use crate::calls::call::Socket;
use crate::green::current;
use crate::sched::entry::{FORCED_NONBLOCK, Kind, USER_NONBLOCK};
use crate::sched::{fds, kinds, start};
use crate::sys::raw;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

/// One of std's objects with a descriptor.
pub(crate) trait Owner: AsRawFd + Into<OwnedFd> + From<OwnedFd> {}
impl<T: AsRawFd + Into<OwnedFd> + From<OwnedFd>> Owner for T {}

/// Its descriptor is in the table while it lives.
pub(crate) struct Held<T: Owner>(ManuallyDrop<T>);

impl<T: Owner> Held<T> {
    /// Fresh from the kernel, and blocking.
    pub(crate) fn made(new: T, kind: Kind) -> Held<T> {
        if !start::is_forked() {
            start::watch_forks();
            fds::created(new.as_raw_fd(), kind, false);
        }
        Held::found(new)
    }

    /// From elsewhere, in whatever state. What the patch knows of it stays.
    pub(crate) fn found(from: T) -> Held<T> {
        Held(ManuallyDrop::new(from))
    }

    /// `new` is another number for the same file.
    pub(crate) fn cloned(&self, new: T) -> Held<T> {
        if !start::is_forked() {
            fds::duplicated(self.fd(), new.as_raw_fd());
        }
        Held::found(new)
    }

    pub(crate) fn fd(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// Gives it away.
    pub(crate) fn into_inner(self) -> T {
        let fd = self.fd();
        fds::release(fd, || {
            let _ = set_nonblocking(fd, false);
        });
        let mut kept = ManuallyDrop::new(self);
        // SAFETY: taken once: `kept` is not used or dropped any more.
        unsafe { ManuallyDrop::take(&mut kept.0) }
    }

    /// The socket, if the caller is a green thread and the call is to block.
    #[inline]
    pub(crate) fn parks(&self) -> Option<Socket> {
        current::get()?;
        let socket = Socket::any(self.fd())?;
        let blocks = socket.entry.flags() & USER_NONBLOCK == 0;
        (blocks && socket.entry.kind().is_socket()).then_some(socket)
    }

    /// Sets the mode that the user sees.
    pub(crate) fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        let fd = self.fd();
        if start::is_forked() {
            return Ok(set_nonblocking(fd, on)?);
        }
        let entry = fds::known(fd)?;
        let _locked = entry.lock();
        set_nonblocking(fd, on || entry.flags() & FORCED_NONBLOCK != 0)?;
        let (set, clear) = if on { (USER_NONBLOCK, 0) } else { (0, USER_NONBLOCK) };
        fds::for_file(fd, |e| e.note_mode(set, clear));
        Ok(())
    }

    /// After a timeout was set: green threads go by what the table says.
    pub(crate) fn note_timeouts(&self, set: io::Result<()>) -> io::Result<()> {
        set?;
        if !start::is_forked() {
            let fd = self.fd();
            fds::tell(fd, |e| kinds::read_timeouts(fd, e));
        }
        Ok(())
    }
}

impl<T: Owner> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Owner> Drop for Held<T> {
    fn drop(&mut self) {
        // SAFETY: taken once: this is the end of it.
        let owned: OwnedFd = unsafe { ManuallyDrop::take(&mut self.0) }.into();
        close(owned);
    }
}

/// Closes it; those who wait for it wake.
pub(crate) fn close(owned: OwnedFd) {
    let fd = owned.into_raw_fd();
    let args = [fd as usize, 0, 0, 0, 0, 0];
    // SAFETY: it was owned here, and nobody else closes it.
    let kernels = || unsafe { raw::syscall(libc::SYS_close, args) };
    if start::is_forked() {
        fds::abandon(fd);
        let _ = kernels();
        return;
    }
    let _ = fds::close(fd, kernels);
}

/// Conversions of a type that is `struct T(Held<$std>)`.
macro_rules! conversions {
    ($type:ident, $std:ty) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                (*self.0).fmt(f)
            }
        }

        /// Takes it over as it is: descriptor, mode, options and timeouts.
        impl From<$std> for $type {
            fn from(from: $std) -> $type {
                $type($crate::io::held::Held::found(from))
            }
        }

        /// Gives it back as it is: descriptor, mode, options and timeouts. Only a
        /// listener that has a clone, and on which green threads have accepted,
        /// comes back non-blocking, unless sockets are patched.
        impl From<$type> for $std {
            fn from(from: $type) -> $std {
                from.0.into_inner()
            }
        }

        impl From<std::os::fd::OwnedFd> for $type {
            fn from(from: std::os::fd::OwnedFd) -> $type {
                <$std>::from(from).into()
            }
        }

        impl From<$type> for std::os::fd::OwnedFd {
            fn from(from: $type) -> std::os::fd::OwnedFd {
                from.0.into_inner().into()
            }
        }

        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                std::os::fd::AsFd::as_fd(&*self.0)
            }
        }

        impl std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.0.fd()
            }
        }

        impl std::os::fd::IntoRawFd for $type {
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                std::os::fd::IntoRawFd::into_raw_fd(std::os::fd::OwnedFd::from(self))
            }
        }

        impl std::os::fd::FromRawFd for $type {
            // SAFETY: to be promised: `fd` is open, and the caller's to give.
            unsafe fn from_raw_fd(fd: std::os::fd::RawFd) -> $type {
                // SAFETY: the caller's promise.
                let owned = unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) };
                owned.into()
            }
        }
    };
}
pub(crate) use conversions;
