//! Accepting TCP connections.

use super::names::{ToSocketAddrs, resolve};
use super::shared::{asks, every_socket};
use super::tcp_stream::TcpStream;
use crate::io::held::{Held, conversions};
use crate::sched::entry::Kind;
use std::io;
use std::iter::FusedIterator;
use std::net::{self, SocketAddr};

/// A listening TCP socket; as [`std::net::TcpListener`].
///
/// ```
/// use greenroom::net::{TcpListener, TcpStream};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let accepting = greenroom::spawn(move || listener.accept());
/// let client = TcpStream::connect(address)?;
/// let (_stream, peer) = accepting.join()??;
/// assert_eq!(peer, client.local_addr()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TcpListener(pub(super) Held<net::TcpListener>);

conversions!(TcpListener, net::TcpListener);

impl TcpListener {
    /// Listens on the first of the addresses that is free.
    ///
    /// # Errors
    /// That of the last address, or of the lookup.
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        let addresses = resolve(addr)?;
        let listener = net::TcpListener::bind(&addresses[..])?;
        Ok(TcpListener(Held::made(listener, Kind::Tcp)))
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// Those of `accept`: EMFILE, ECONNABORTED…
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, from) = self.0.accept_any()?;
        Ok((TcpStream(stream), from.inet()?))
    }

    /// The connections, for ever.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// As `incoming`, and owns the listener.
    pub fn into_incoming(self) -> IntoIncoming {
        IntoIncoming { listener: self }
    }

    asks! {
        /// The address that it listens on.
        local_addr() -> SocketAddr;
        /// Sets IP_TTL.
        set_ttl(ttl: u32) -> ();
        /// The value of IP_TTL.
        ttl() -> u32;
    }

    every_socket!(TcpListener);
}

/// The connections to a [`TcpListener`]; never ends.
///
/// ```
/// use greenroom::net::{TcpListener, TcpStream};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let _client = TcpStream::connect(listener.local_addr()?)?;
/// let stream = listener.incoming().next().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}

/// The connections to a [`TcpListener`] that it owns; never ends.
///
/// ```
/// use greenroom::net::{TcpListener, TcpStream};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let _client = TcpStream::connect(listener.local_addr()?)?;
/// let stream = listener.into_incoming().next().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct IntoIncoming {
    listener: TcpListener,
}

impl Iterator for IntoIncoming {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for IntoIncoming {}
