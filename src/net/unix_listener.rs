//! Accepting connections of Unix sockets.

use super::shared::{asks, every_socket};
use super::unix_stream::UnixStream;
use crate::io::held::{Held, conversions};
use crate::sched::entry::Kind;
use std::io;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

/// A listening Unix socket; as [`std::os::unix::net::UnixListener`].
///
/// ```
/// use greenroom::net::{UnixListener, UnixStream};
/// use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
/// let name = format!("greenroom-example-{}", std::process::id());
/// let address = SocketAddr::from_abstract_name(name)?;
/// let listener = UnixListener::bind_addr(&address)?;
/// let accepting = greenroom::spawn(move || listener.accept());
/// let _client = UnixStream::connect_addr(&address)?;
/// let (_stream, peer) = accepting.join()??;
/// assert!(peer.is_unnamed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct UnixListener(pub(super) Held<net::UnixListener>);

conversions!(UnixListener, net::UnixListener);

impl UnixListener {
    /// Listens at `path`, which must not exist.
    ///
    /// # Errors
    /// Those of `bind`; InvalidInput if `path` is too long or has a NUL.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        Ok(UnixListener(Held::made(net::UnixListener::bind(path)?, Kind::Stream)))
    }

    /// Listens on that address.
    ///
    /// # Errors
    /// Those of `bind`.
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<UnixListener> {
        Ok(UnixListener(Held::made(net::UnixListener::bind_addr(socket_addr)?, Kind::Stream)))
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// Those of `accept`.
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, from) = self.0.accept_any()?;
        let stream = UnixStream(stream);
        // That one std can ask for, but cannot be told.
        let asked = if from.is_longest() { stream.peer_addr().ok() } else { None };
        let from = asked.map_or_else(|| from.unix(), Ok)?;
        Ok((stream, from))
    }

    /// The connections, for ever.
    pub fn incoming(&self) -> UnixIncoming<'_> {
        UnixIncoming { listener: self }
    }

    asks! {
        /// The address that it listens on.
        local_addr() -> SocketAddr;
    }

    every_socket!(UnixListener);
}

impl<'a> IntoIterator for &'a UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = UnixIncoming<'a>;

    fn into_iter(self) -> UnixIncoming<'a> {
        self.incoming()
    }
}

/// The connections to a [`UnixListener`]; never ends. As
/// [`std::os::unix::net::Incoming`].
///
/// ```no_run
/// let listener = greenroom::net::UnixListener::bind("/run/example.socket")?;
/// for stream in listener.incoming() {
///     greenroom::spawn(move || std::io::copy(&mut &stream?, &mut std::io::sink()));
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UnixIncoming<'a> {
    listener: &'a UnixListener,
}

impl Iterator for UnixIncoming<'_> {
    type Item = io::Result<UnixStream>;

    fn next(&mut self) -> Option<io::Result<UnixStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}
