//! UDP.

use super::address::Address;
use super::names::{ToSocketAddrs, resolve};
use super::shared::{asks, every_socket, timeouts};
use crate::io::held::{Held, conversions};
use crate::sched::entry::Kind;
use libc::MSG_PEEK;
use std::io::{self, ErrorKind};
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A UDP socket; as [`std::net::UdpSocket`].
///
/// ```
/// use greenroom::net::UdpSocket;
/// let server = UdpSocket::bind("127.0.0.1:0")?;
/// let address = server.local_addr()?;
/// let echoing = greenroom::spawn(move || {
///     let mut buf = [0; 64];
///     let (n, from) = server.recv_from(&mut buf)?;
///     server.send_to(&buf[..n], from)
/// });
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.connect(address)?;
/// client.send(b"ping")?;
/// let mut buf = [0; 64];
/// let n = client.recv(&mut buf)?;
/// assert_eq!(&buf[..n], b"ping");
/// echoing.join()??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct UdpSocket(pub(super) Held<net::UdpSocket>);

conversions!(UdpSocket, net::UdpSocket);

impl UdpSocket {
    /// A socket on the first of the addresses that is free.
    ///
    /// # Errors
    /// That of the last address, or of the lookup.
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> {
        let addresses = resolve(addr)?;
        let socket = net::UdpSocket::bind(&addresses[..])?;
        Ok(UdpSocket(Held::made(socket, Kind::Datagram)))
    }

    /// Receives a datagram, and whose it is.
    ///
    /// # Errors
    /// Those of `recvfrom`.
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self.0.recv_from(buf, 0) {
            Some(got) => got.and_then(|(n, from)| Ok((n, from.inet()?))),
            None => (*self.0).recv_from(buf),
        }
    }

    /// As `recv_from`, without taking it out.
    ///
    /// # Errors
    /// Those of `recvfrom`.
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self.0.recv_from(buf, MSG_PEEK) {
            Some(got) => got.and_then(|(n, from)| Ok((n, from.inet()?))),
            None => self.0.peek_from(buf),
        }
    }

    /// Sends a datagram to the first of the addresses.
    ///
    /// # Errors
    /// Those of `sendto` and of the lookup; InvalidInput without an address.
    pub fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let Some(to) = addr.to_socket_addrs()?.next() else {
            return Err(io::Error::new(ErrorKind::InvalidInput, "no addresses to send data to"));
        };
        self.0.send_to(buf, &Address::from(&to)).unwrap_or_else(|| (*self.0).send_to(buf, to))
    }

    /// Fixes the peer of `send` and `recv`: the first of the addresses that can be.
    ///
    /// # Errors
    /// That of the last address, or of the lookup.
    pub fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        let addresses = resolve(addr)?;
        self.0.connect(&addresses[..]) // only remembers it
    }

    /// Sends to the peer.
    ///
    /// # Errors
    /// Those of `send`.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.0.send(buf).unwrap_or_else(|| (*self.0).send(buf))
    }

    /// Receives from the peer.
    ///
    /// # Errors
    /// Those of `recv`.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buf, 0).unwrap_or_else(|| (*self.0).recv(buf))
    }

    /// As `recv`, without taking it out.
    ///
    /// # Errors
    /// Those of `recv`.
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buf, MSG_PEEK).unwrap_or_else(|| self.0.peek(buf))
    }

    asks! {
        /// The address of the peer.
        peer_addr() -> SocketAddr;
        /// The address of this socket.
        local_addr() -> SocketAddr;
        /// Sets SO_BROADCAST.
        set_broadcast(broadcast: bool) -> ();
        /// Whether SO_BROADCAST is set.
        broadcast() -> bool;
        /// Sets IP_MULTICAST_LOOP.
        set_multicast_loop_v4(multicast_loop_v4: bool) -> ();
        /// Whether IP_MULTICAST_LOOP is set.
        multicast_loop_v4() -> bool;
        /// Sets IP_MULTICAST_TTL.
        set_multicast_ttl_v4(multicast_ttl_v4: u32) -> ();
        /// The value of IP_MULTICAST_TTL.
        multicast_ttl_v4() -> u32;
        /// Sets IPV6_MULTICAST_LOOP.
        set_multicast_loop_v6(multicast_loop_v6: bool) -> ();
        /// Whether IPV6_MULTICAST_LOOP is set.
        multicast_loop_v6() -> bool;
        /// Sets IP_TTL.
        set_ttl(ttl: u32) -> ();
        /// The value of IP_TTL.
        ttl() -> u32;
        /// Joins a group, on the interface of that address.
        join_multicast_v4(multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> ();
        /// Joins a group, on the interface of that index.
        join_multicast_v6(multiaddr: &Ipv6Addr, interface: u32) -> ();
        /// Leaves a group.
        leave_multicast_v4(multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> ();
        /// Leaves a group.
        leave_multicast_v6(multiaddr: &Ipv6Addr, interface: u32) -> ();
    }

    timeouts!();
    every_socket!(UdpSocket);
}
