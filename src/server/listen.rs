//! What a stream server can accept from.

use crate::net::serving::bind_many;
use crate::net::{TcpListener, TcpStream, ToSocketAddrs, UnixListener, UnixStream};
use crate::server::spread;
use std::fmt::Debug;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net;

/// A listener that a [`StreamServer`](crate::server::StreamServer) can accept
/// from: [`TcpListener`] or [`UnixListener`]. It cannot be implemented elsewhere.
///
/// ```
/// use greenroom::net::UnixListener;
/// use greenroom::server::Listen;
/// fn stream_of<L: Listen>() -> &'static str {
///     std::any::type_name::<L::Stream>()
/// }
/// assert!(stream_of::<UnixListener>().ends_with("UnixStream"));
/// ```
pub trait Listen: sealed::Accept {
    /// A connection.
    type Stream: io::Read + io::Write + AsFd + AsRawFd + Send + 'static;
    /// Whose it is.
    type Addr: Clone + Debug + Send + 'static;
}

impl Listen for TcpListener {
    type Stream = TcpStream;
    type Addr = std::net::SocketAddr;
}

impl Listen for UnixListener {
    type Stream = UnixStream;
    type Addr = net::SocketAddr;
}

/// What servers do with listeners, which nobody else needs to.
pub(super) mod sealed {
    use super::*;

    pub trait Accept: AsRawFd + Send + Sync + Sized + 'static {
        #[doc(hidden)]
        fn address(&self) -> io::Result<Self::Addr>
        where
            Self: Listen;
        #[doc(hidden)]
        fn next<G>(
            &self,
            admit: impl FnMut() -> io::Result<G>,
        ) -> io::Result<(Self::Stream, Self::Addr, G)>
        where
            Self: Listen;
        #[doc(hidden)]
        fn now(&self) -> io::Result<(Self::Stream, Self::Addr)>
        where
            Self: Listen;
    }

    macro_rules! accept {
        ($listener:ident, $stream:ident, $addr:ty) => {
            impl Accept for $listener {
                fn address(&self) -> io::Result<$addr> {
                    self.local_addr()
                }

                fn next<G>(
                    &self,
                    admit: impl FnMut() -> io::Result<G>,
                ) -> io::Result<($stream, $addr, G)> {
                    self.accept_if(admit)
                }

                fn now(&self) -> io::Result<($stream, $addr)> {
                    self.accept_now()
                }
            }
        };
    }
    accept!(TcpListener, TcpStream, std::net::SocketAddr);
    accept!(UnixListener, UnixStream, net::SocketAddr);
}

/// A listener for each worker, all on the first of the addresses that is free:
/// the kernel deals the connections out among them (SO_REUSEPORT), so that
/// accepting scales with the workers. Starts the runtime, to know how many
/// there are.
///
/// [`StreamServer::bind_per_worker`](crate::server::StreamServer::bind_per_worker)
/// does the rest too. Other processes of the same user may listen there in the same way.
///
/// # Errors
/// That of the last address, of the lookup, or of starting the runtime.
///
/// ```
/// use greenroom::server::{StreamServer, per_worker};
/// let wrap = |stream| Ok(std::io::BufReader::new(stream));
/// let server = StreamServer::wrapped(per_worker("127.0.0.1:0")?, wrap, |_stream, _peer| ())?;
/// server.start()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn per_worker<A: ToSocketAddrs>(addr: A) -> io::Result<Vec<TcpListener>> {
    bind_many(addr, spread::workers()?)
}
