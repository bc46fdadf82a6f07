//! Datagrams of Unix sockets.

use super::address::Address;
use super::shared::{asks, every_socket, timeouts};
use crate::io::held::{Held, conversions};
use crate::sched::entry::Kind;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

/// A Unix datagram socket; as [`std::os::unix::net::UnixDatagram`].
///
/// ```
/// use greenroom::net::UnixDatagram;
/// let (here, there) = UnixDatagram::pair()?;
/// let receiving = greenroom::spawn(move || {
///     let mut buf = [0; 64];
///     there.recv(&mut buf).map(|n| buf[..n].to_vec())
/// });
/// here.send(b"hello")?;
/// assert_eq!(receiving.join()??, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct UnixDatagram(pub(super) Held<net::UnixDatagram>);

conversions!(UnixDatagram, net::UnixDatagram);

impl UnixDatagram {
    fn made(socket: net::UnixDatagram) -> UnixDatagram {
        UnixDatagram(Held::made(socket, Kind::Datagram))
    }

    /// A socket at `path`, which must not exist.
    ///
    /// # Errors
    /// Those of `bind`; InvalidInput if `path` is too long or has a NUL.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        net::UnixDatagram::bind(path).map(UnixDatagram::made)
    }

    /// A socket of that address.
    ///
    /// # Errors
    /// Those of `bind`.
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<UnixDatagram> {
        net::UnixDatagram::bind_addr(socket_addr).map(UnixDatagram::made)
    }

    /// A socket without an address.
    ///
    /// # Errors
    /// EMFILE without a descriptor left.
    pub fn unbound() -> io::Result<UnixDatagram> {
        net::UnixDatagram::unbound().map(UnixDatagram::made)
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    /// EMFILE without a descriptor left.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = net::UnixDatagram::pair()?;
        Ok((UnixDatagram::made(one), UnixDatagram::made(other)))
    }

    /// Fixes the peer of `send` and `recv`.
    ///
    /// # Errors
    /// Those of `connect`.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.0.connect(path) // only remembers it
    }

    /// As `connect`, to the socket of that address.
    ///
    /// # Errors
    /// Those of `connect`.
    pub fn connect_addr(&self, socket_addr: &SocketAddr) -> io::Result<()> {
        self.0.connect_addr(socket_addr)
    }

    /// Receives a datagram, and whose it is.
    ///
    /// # Errors
    /// Those of `recvfrom`.
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self.0.recv_from(buf, 0) {
            Some(got) => got.and_then(|(n, from)| Ok((n, from.unix()?))),
            None => (*self.0).recv_from(buf),
        }
    }

    /// Receives a datagram.
    ///
    /// # Errors
    /// Those of `recv`.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buf, 0).unwrap_or_else(|| (*self.0).recv(buf))
    }

    /// Sends a datagram to the socket at `path`; waits for room in its queue.
    ///
    /// # Errors
    /// Those of `sendto`; InvalidInput if `path` is too long or has a NUL.
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        let to = Address::at(path.as_ref())?;
        self.0.send_to(buf, &to).unwrap_or_else(|| (*self.0).send_to(buf, path))
    }

    /// As `send_to`, to the socket of that address.
    ///
    /// # Errors
    /// Those of `sendto`.
    pub fn send_to_addr(&self, buf: &[u8], socket_addr: &SocketAddr) -> io::Result<usize> {
        let to = Address::from(socket_addr);
        self.0.send_to(buf, &to).unwrap_or_else(|| self.0.send_to_addr(buf, socket_addr))
    }

    /// Sends to the peer; waits for room in its queue.
    ///
    /// # Errors
    /// Those of `send`.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.0.send(buf).unwrap_or_else(|| (*self.0).send(buf))
    }

    asks! {
        /// The address of the peer.
        peer_addr() -> SocketAddr;
        /// The address of this socket.
        local_addr() -> SocketAddr;
        /// Ends reading, writing, or both; who waits for it wakes.
        shutdown(how: Shutdown) -> ();
    }

    timeouts!();
    every_socket!(UnixDatagram);
}
