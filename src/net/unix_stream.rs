//! Connections of Unix sockets.

use super::address::Address;
use super::shared::{asks, every_socket, stream_io, timeouts};
use super::socket;
use crate::green::current;
use crate::io::held::{Held, conversions};
use crate::sched::entry::Kind;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

/// A connection of Unix sockets; as [`std::os::unix::net::UnixStream`].
///
/// ```
/// use greenroom::net::UnixStream;
/// use std::io::{Read, Write};
/// let (mut here, mut there) = UnixStream::pair()?;
/// let reading = greenroom::spawn(move || {
///     let mut text = String::new();
///     there.read_to_string(&mut text).map(|_| text)
/// });
/// here.write_all(b"hello")?;
/// drop(here);
/// assert_eq!(reading.join()??, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct UnixStream(pub(super) Held<net::UnixStream>);

conversions!(UnixStream, net::UnixStream);
stream_io!(UnixStream => net::UnixStream, &UnixStream => net::UnixStream);

impl UnixStream {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// Those of `connect`; InvalidInput if `path` is too long or has a NUL.
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        if current::get().is_none() {
            let stream = net::UnixStream::connect(path)?;
            return Ok(UnixStream(Held::made(stream, Kind::Stream)));
        }
        socket::connect(&Address::at(path.as_ref())?, Kind::Stream, None).map(UnixStream)
    }

    /// Connects to the socket of that address.
    ///
    /// # Errors
    /// Those of `connect`.
    pub fn connect_addr(socket_addr: &SocketAddr) -> io::Result<UnixStream> {
        if current::get().is_none() {
            let stream = net::UnixStream::connect_addr(socket_addr)?;
            return Ok(UnixStream(Held::made(stream, Kind::Stream)));
        }
        socket::connect(&Address::from(socket_addr), Kind::Stream, None).map(UnixStream)
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    /// EMFILE without a descriptor left.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = net::UnixStream::pair()?;
        let held = |stream| UnixStream(Held::made(stream, Kind::Stream));
        Ok((held(one), held(other)))
    }

    asks! {
        /// The address of the other side.
        peer_addr() -> SocketAddr;
        /// The address of this side.
        local_addr() -> SocketAddr;
        /// Ends reading, writing, or both; who waits for it wakes.
        shutdown(how: Shutdown) -> ();
    }

    timeouts!();
    every_socket!(UnixStream);
}
