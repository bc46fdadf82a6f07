//! What servers need of sockets beyond std's methods: to wait under a
//! condition, and to be roused from it.

use super::address::Address;
use super::names::{ToSocketAddrs, resolve};
use super::tcp_listener::TcpListener;
use super::tcp_stream::TcpStream;
use super::udp::UdpSocket;
use super::unix_datagram::UnixDatagram;
use super::unix_listener::UnixListener;
use super::unix_stream::UnixStream;
use crate::calls::accept::set_nonblocking;
use crate::calls::call::Socket;
use crate::io::held::Held;
use crate::sched::entry::{Kind, USER_NONBLOCK};
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::c_int;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::SocketAddr as UnixAddr;

/// What a listener gives: a connection, whose it is, and what admitted it.
pub(crate) type Accepted<S, A, G> = io::Result<(S, A, G)>;

macro_rules! listener {
    ($listener:ident, $stream:ident, $addr:ty, $address:ident) => {
        impl $listener {
            /// As `accept` on a green thread, whatever the mode; but before each
            /// attempt `admit` is asked, and its error is the answer.
            ///
            /// # Errors
            /// Those of `accept`, and of `admit`.
            pub(crate) fn accept_if<G>(
                &self,
                mut admit: impl FnMut() -> io::Result<G>,
            ) -> Accepted<$stream, $addr, G> {
                let (stream, from, given) = self.0.accept_if(|| {
                    let given = admit()?;
                    keep_nonblocking(self)?;
                    Ok(given)
                })?;
                Ok(($stream(stream), from.$address()?, given))
            }

            /// What `accept_if` would give at once.
            ///
            /// # Errors
            /// Those of `accept`; WouldBlock if there is none.
            pub(crate) fn accept_now(&self) -> io::Result<($stream, $addr)> {
                keep_nonblocking(self)?;
                let (stream, from) = self.0.accept_now()?;
                Ok(($stream(stream), from.$address()?))
            }

            /// Has it block for its user, in whatever mode its file is, and stays:
            /// other processes may have it too.
            ///
            /// # Errors
            /// There is no memory left to know it.
            pub(crate) fn block_anyway(&self) -> io::Result<()> {
                let socket = self.0.socket()?;
                if socket.entry.flags() & USER_NONBLOCK != 0 {
                    socket.force_nonblocking()?;
                    self.0.set_nonblocking(false)?;
                }
                Ok(())
            }
        }
    };
}
listener!(TcpListener, TcpStream, SocketAddr, inet);
listener!(UnixListener, UnixStream, UnixAddr, unix);

macro_rules! mailbox {
    ($socket:ident, $addr:ty, $address:ident) => {
        impl $socket {
            /// As `recv_from` on a green thread, whatever the mode; but before
            /// each attempt `admit` is asked, and its error is the answer.
            ///
            /// # Errors
            /// Those of `recvfrom`, and of `admit`.
            pub(crate) fn recv_from_if<G>(
                &self,
                buf: &mut [u8],
                mut admit: impl FnMut() -> io::Result<G>,
            ) -> Accepted<usize, $addr, G> {
                let (n, from, given) = self.0.recv_from_if(buf, || Ok(admit()?))?;
                Ok((n, from.$address()?, given))
            }

            /// What `recv_from_if` would give at once.
            ///
            /// # Errors
            /// Those of `recvfrom`; WouldBlock if there is none.
            pub(crate) fn recv_from_now(&self, buf: &mut [u8]) -> io::Result<(usize, $addr)> {
                let (n, from) = self.0.recv_from_now(buf)?;
                Ok((n, from.$address()?))
            }
        }
    };
}
mailbox!(UdpSocket, SocketAddr, inet);
mailbox!(UnixDatagram, UnixAddr, unix);

/// What can be roused, or hung up.
///
/// # Errors
/// It is not open, or there is no memory left to know it.
pub(crate) fn socket_of(held: &impl AsRawFd) -> io::Result<Socket> {
    Ok(Socket::any(held.as_raw_fd()).ok_or(Errno(libc::ENOMEM))?)
}

/// Makes a listener that servers accept from non-blocking once more: another
/// process that has it too may have made it blocking, and then an accept that
/// finds nobody would hold the worker for good.
fn keep_nonblocking(listener: &impl AsRawFd) -> Result<(), Errno> {
    set_nonblocking(listener.as_raw_fd(), true)
}

/// Sets how many connections may wait on a listener.
///
/// # Errors
/// It is none.
pub(crate) fn set_backlog(listener: &impl AsRawFd, most: u32) -> io::Result<()> {
    let most = c_int::try_from(most).unwrap_or(c_int::MAX);
    let args = [listener.as_raw_fd() as usize, most as usize, 0, 0, 0, 0];
    // SAFETY: takes no pointer; on one that listens it only changes the number.
    unsafe { raw::syscall(libc::SYS_listen, args) }?;
    Ok(())
}

/// As many as the kernel lets wait, `net.core.somaxconn`. std's listeners have
/// 128; with more at once, some who connect are reset, for the kernel goes over
/// to SYN cookies.
pub(crate) const MOST_WAITING: u32 = u32::MAX;

/// `count` listeners on the first of the addresses that is free; the kernel
/// spreads the connections (SO_REUSEPORT).
///
/// # Errors
/// That of the last address, or of the lookup.
pub(crate) fn bind_many<A: ToSocketAddrs>(addr: A, count: usize) -> io::Result<Vec<TcpListener>> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no addresses to listen on");
    for address in resolve(addr)? {
        match bind_shared(address, count) {
            Ok(listeners) => return Ok(listeners),
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn bind_shared(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let first = bind_one(address)?;
    let address = first.local_addr()?; // its port was perhaps any
    let others = (1..count).map(|_| bind_one(address));
    std::iter::once(Ok(first)).chain(others).collect()
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let to = Address::from(&address);
    let ty = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: takes no pointer.
    let fd =
        unsafe { raw::syscall(libc::SYS_socket, [to.family() as usize, ty as usize, 0, 0, 0, 0]) };
    // SAFETY: just made, and nobody else knows it.
    let new = unsafe { OwnedFd::from_raw_fd(fd? as i32) };
    for option in [libc::SO_REUSEADDR, libc::SO_REUSEPORT] {
        switch_on(&new, option)?;
    }
    let (at, len) = to.as_ptr();
    let args = [new.as_raw_fd() as usize, at as usize, len as usize, 0, 0, 0];
    // SAFETY: an address of that length.
    unsafe { raw::syscall(libc::SYS_bind, args) }?;
    set_backlog(&new, MOST_WAITING)?;
    Ok(TcpListener(Held::made(net::TcpListener::from(new), Kind::Tcp)))
}

fn switch_on(socket: &OwnedFd, option: c_int) -> io::Result<()> {
    let on: c_int = 1;
    let level = libc::SOL_SOCKET as usize;
    let value = [&raw const on as usize, size_of::<c_int>()];
    let args = [socket.as_raw_fd() as usize, level, option as usize, value[0], value[1], 0];
    // SAFETY: a number of that size.
    unsafe { raw::syscall(libc::SYS_setsockopt, args) }?;
    Ok(())
}
