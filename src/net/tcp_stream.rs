//! TCP connections.

use super::address::Address;
use super::names::{ToSocketAddrs, resolve};
use super::shared::{asks, every_socket, stream_io, timeouts};
use super::socket;
use crate::green::current;
use crate::io::held::{Held, conversions};
use crate::sched::entry::Kind;
use libc::MSG_PEEK;
use std::io::{self, ErrorKind};
use std::net::{self, Shutdown, SocketAddr};
use std::time::Duration;

/// A TCP connection; as [`std::net::TcpStream`].
///
/// ```
/// use greenroom::net::{TcpListener, TcpStream};
/// use std::io::{Read, Write};
/// use std::time::Duration;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let server = greenroom::spawn(move || {
///     let (mut stream, _) = listener.accept()?;
///     stream.write_all(b"hello")?;
///     stream.set_read_timeout(Some(Duration::from_millis(5)))?;
///     assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
///     Ok::<_, std::io::Error>(())
/// });
/// let mut stream = TcpStream::connect(address)?;
/// stream.set_nodelay(true)?;
/// let mut text = [0; 5];
/// assert_eq!(stream.peek(&mut text)?, 5);
/// stream.read_exact(&mut text)?;
/// assert_eq!(&text, b"hello");
/// server.join()??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TcpStream(pub(super) Held<net::TcpStream>);

conversions!(TcpStream, net::TcpStream);
stream_io!(TcpStream => net::TcpStream, &TcpStream => net::TcpStream);

impl TcpStream {
    /// Connects to the first of the addresses that accepts.
    ///
    /// # Errors
    /// That of the last address, or of the lookup.
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        let addresses = resolve(addr)?;
        if current::get().is_none() {
            let stream = net::TcpStream::connect(&addresses[..])?;
            return Ok(TcpStream(Held::made(stream, Kind::Tcp)));
        }
        let mut last =
            io::Error::new(ErrorKind::InvalidInput, "could not resolve to any addresses");
        for address in &addresses {
            match socket::connect(&Address::from(address), Kind::Tcp, None) {
                Ok(held) => return Ok(TcpStream(held)),
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    /// Connects to the address within a time.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut) when it is over, InvalidInput if it is
    /// zero, and those of the connection.
    pub fn connect_timeout(addr: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        if current::get().is_none() || timeout.is_zero() {
            let stream = net::TcpStream::connect_timeout(addr, timeout)?;
            return Ok(TcpStream(Held::made(stream, Kind::Tcp)));
        }
        socket::connect(&Address::from(addr), Kind::Tcp, Some(timeout)).map(TcpStream)
    }

    /// Receives without taking it out: the next call receives it again.
    ///
    /// # Errors
    /// As reading.
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buf, MSG_PEEK).unwrap_or_else(|| self.0.peek(buf))
    }

    asks! {
        /// The address of the other side.
        peer_addr() -> SocketAddr;
        /// The address of this side.
        local_addr() -> SocketAddr;
        /// Ends reading, writing, or both; who waits for it wakes.
        shutdown(how: Shutdown) -> ();
        /// Sets TCP_NODELAY: small parts are sent at once.
        set_nodelay(nodelay: bool) -> ();
        /// Whether TCP_NODELAY is set.
        nodelay() -> bool;
        /// Sets IP_TTL.
        set_ttl(ttl: u32) -> ();
        /// The value of IP_TTL.
        ttl() -> u32;
    }

    timeouts!();
    every_socket!(TcpStream);
}
