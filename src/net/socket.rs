//! What blocks, of all sockets: on green threads by `calls`, and `None` where
//! std is to do it.

use super::address::Address;
use crate::calls::accept::accept_os;
use crate::calls::call::{Limit, Socket};
use crate::calls::vector;
use crate::io::held::{Held, Owner};
use crate::sched::entry::{Dir, Kind};
use crate::sys::clock;
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{MSG_NOSIGNAL, SOCK_CLOEXEC, c_int, iovec};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

type Answer<T> = Option<io::Result<T>>;

impl<T: Owner> Held<T> {
    pub(super) fn recv(&self, buf: &mut [u8], flags: c_int) -> Answer<usize> {
        let socket = self.parks()?;
        let (at, len) = (buf.as_mut_ptr(), buf.len());
        // SAFETY: room for as much; no address is asked for.
        let got = unsafe { socket.recv(at, len, flags, ptr::null_mut(), ptr::null_mut()) };
        Some(got.map_err(io::Error::from))
    }

    pub(super) fn recv_from(&self, buf: &mut [u8], flags: c_int) -> Answer<(usize, Address)> {
        let socket = self.parks()?;
        let mut from = Address::room();
        let (address, room) = from.place();
        // SAFETY: room for as much, and for an address.
        let got = unsafe { socket.recv(buf.as_mut_ptr(), buf.len(), flags, address, room) };
        Some(got.map(|n| (n, from)).map_err(io::Error::from))
    }

    pub(super) fn send(&self, buf: &[u8]) -> Answer<usize> {
        let socket = self.parks()?;
        // SAFETY: so many bytes; no address.
        let sent = unsafe { socket.send(buf.as_ptr(), buf.len(), MSG_NOSIGNAL, ptr::null(), 0) };
        Some(sent.map_err(io::Error::from))
    }

    pub(super) fn send_to(&self, buf: &[u8], to: &Address) -> Answer<usize> {
        let socket = self.parks()?;
        let (address, len) = to.as_ptr();
        // SAFETY: so many bytes, and an address.
        let sent = unsafe { socket.send(buf.as_ptr(), buf.len(), MSG_NOSIGNAL, address, len) };
        Some(sent.map_err(io::Error::from))
    }

    pub(super) fn recv_parts(&self, bufs: &mut [IoSliceMut<'_>]) -> Answer<usize> {
        // SAFETY: an `IoSliceMut` has the layout of an iovec; room to write to.
        unsafe { self.parts(Dir::Read, bufs.as_ptr().cast(), bufs.len()) }
    }

    pub(super) fn send_parts(&self, bufs: &[IoSlice<'_>]) -> Answer<usize> {
        // SAFETY: an `IoSlice` has the layout of an iovec.
        unsafe { self.parts(Dir::Write, bufs.as_ptr().cast(), bufs.len()) }
    }

    /// # Safety
    /// `list` has `count` parts that the kernel may use.
    unsafe fn parts(&self, dir: Dir, list: *const iovec, count: usize) -> Answer<usize> {
        let socket = self.parks()?;
        let count = count.min(libc::UIO_MAXIOV as usize);
        // SAFETY: the caller's promise.
        if !unsafe { vector::moves(list, count as c_int) } {
            return None;
        }
        // SAFETY: as above.
        Some(unsafe { socket.vectored(dir, list, count) }.map_err(io::Error::from))
    }

    /// The next connection; the table knows it.
    pub(super) fn accept_any<S: Owner>(&self) -> io::Result<(Held<S>, Address)> {
        let mut from = Address::room();
        let (address, room) = from.place();
        let accepted = match self.parks() {
            // SAFETY: room for an address.
            Some(socket) => unsafe { socket.accept(address, room, SOCK_CLOEXEC) }?,
            // SAFETY: as above.
            None => loop {
                // SAFETY: as above.
                match unsafe { accept_os(self.fd(), address, room, SOCK_CLOEXEC) } {
                    -1 if Errno::last() == Errno(libc::EINTR) => {}
                    -1 => return Err(Errno::last().into()),
                    fd => break fd,
                }
            },
        };
        // SAFETY: just made, and nobody else knows it.
        let accepted = unsafe { OwnedFd::from_raw_fd(accepted) };
        Ok((Held::found(S::from(accepted)), from))
    }
}

impl<T: Owner> Held<T> {
    /// The socket, whatever mode its user chose, for the calls below.
    ///
    /// # Errors
    /// ENOMEM: the table has no room for it.
    pub(super) fn socket(&self) -> io::Result<Socket> {
        Ok(Socket::any(self.fd()).ok_or(Errno(libc::ENOMEM))?)
    }

    /// As `accept_any` on a green thread, but before each attempt `admit` is
    /// asked, and its error is the answer.
    ///
    /// # Panics
    /// On a plain OS thread, if it has to wait.
    pub(super) fn accept_if<S: Owner, G>(
        &self,
        admit: impl FnMut() -> Result<G, Errno>,
    ) -> io::Result<(Held<S>, Address, G)> {
        let mut from = Address::room();
        let (address, room) = from.place();
        // SAFETY: room for an address.
        let accepted = unsafe { self.socket()?.accept_if(address, room, SOCK_CLOEXEC, admit) };
        let (fd, given) = accepted?;
        // SAFETY: just made, and nobody else knows it.
        let stream = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok((Held::found(S::from(stream)), from, given))
    }

    /// What `accept_if` would give at once.
    pub(super) fn accept_now<S: Owner>(&self) -> io::Result<(Held<S>, Address)> {
        let mut from = Address::room();
        let (address, room) = from.place();
        // SAFETY: room for an address.
        let fd = unsafe { self.socket()?.accept_now(address, room, SOCK_CLOEXEC) }?;
        // SAFETY: just made, and nobody else knows it.
        let stream = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok((Held::found(S::from(stream)), from))
    }

    /// As `recv_from` on a green thread, asking as `accept_if` does.
    ///
    /// # Panics
    /// As `accept_if`.
    pub(super) fn recv_from_if<G>(
        &self,
        buf: &mut [u8],
        mut admit: impl FnMut() -> Result<G, Errno>,
    ) -> io::Result<(usize, Address, G)> {
        let received = self.socket()?.retry(Dir::Read, &Limit::new(), |_| {
            let given = admit()?;
            self.recv_from_now(buf).map(|(n, from)| (n, from, given))
        });
        Ok(received?)
    }

    /// What `recv_from_if` would give at once, or EAGAIN.
    pub(super) fn recv_from_now(&self, buf: &mut [u8]) -> Result<(usize, Address), Errno> {
        let mut from = Address::room();
        let (address, room) = from.place();
        let (at, flags) = (buf.as_mut_ptr() as usize, libc::MSG_DONTWAIT as usize);
        let args = [self.fd() as usize, at, buf.len(), flags, address as usize, room as usize];
        // SAFETY: room for as much, and for an address.
        let n = unsafe { raw::syscall(libc::SYS_recvfrom, args) }?;
        Ok((n, from))
    }
}

/// A new stream socket, connected to `to` by the current green thread.
///
/// # Errors
/// Those of `socket` and `connect`; TimedOut when `timeout` is over.
pub(super) fn connect<T: Owner>(
    to: &Address,
    kind: Kind,
    timeout: Option<Duration>,
) -> io::Result<Held<T>> {
    let ty = libc::SOCK_STREAM | SOCK_CLOEXEC;
    // SAFETY: takes no pointer.
    let fd =
        unsafe { raw::syscall(libc::SYS_socket, [to.family() as usize, ty as usize, 0, 0, 0, 0]) };
    // SAFETY: just made, and nobody else knows it.
    let new = unsafe { OwnedFd::from_raw_fd(fd? as i32) };
    let held = Held::made(T::from(new), kind);
    let socket = Socket::any(held.fd()).ok_or(Errno(libc::ENOMEM))?;
    // Nobody else knows the socket, and the kernel need not be told.
    let nanos = timeout.map_or(0, |limit| clock::nanos(limit).max(1));
    socket.entry.set_timeout(Dir::Write, nanos);
    let (address, len) = to.as_ptr();
    // SAFETY: an address of that length.
    let connected = unsafe { socket.connect(address, len) };
    socket.entry.set_timeout(Dir::Write, 0);
    match connected {
        Err(Errno::INPROGRESS | Errno::AGAIN) if timeout.is_some() => {
            Err(io::Error::new(io::ErrorKind::TimedOut, "connection timed out"))
        }
        other => Ok(other.map(|()| held)?),
    }
}
