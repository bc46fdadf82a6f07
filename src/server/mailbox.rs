//! What a datagram server can receive from, and what it receives.

use crate::net::{SocketAddr, UdpSocket, UnixDatagram};
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net;
use std::sync::Arc;

/// A socket that a [`DatagramServer`](crate::server::DatagramServer) can
/// receive from: [`UdpSocket`] or [`UnixDatagram`]. It cannot be implemented
/// elsewhere.
///
/// ```
/// use greenroom::server::{Datagram, Mailbox};
/// fn shout<S: Mailbox>(datagram: &Datagram<S>) -> std::io::Result<usize> {
///     datagram.reply(&datagram.data().to_ascii_uppercase())
/// }
/// use greenroom::net::UdpSocket;
/// let server = greenroom::server::DatagramServer::bind("127.0.0.1:0", |d| shout(&d))?;
/// server.start()?;
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to(b"hello", server.local_addr()?)?;
/// let mut text = [0; 5];
/// client.recv(&mut text)?;
/// assert_eq!(&text, b"HELLO");
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Mailbox: sealed::Receive {
    /// Whose a datagram is.
    type Addr: Clone + fmt::Debug + Send + 'static;
}

impl Mailbox for UdpSocket {
    type Addr = SocketAddr;
}

impl Mailbox for UnixDatagram {
    type Addr = net::SocketAddr;
}

/// What servers do with these sockets, which nobody else needs to.
pub(super) mod sealed {
    use super::*;

    pub trait Receive: AsRawFd + Send + Sync + Sized + 'static {
        /// The largest datagram.
        #[doc(hidden)]
        const MOST: usize;
        #[doc(hidden)]
        fn address(&self) -> io::Result<Self::Addr>
        where
            Self: Mailbox;
        #[doc(hidden)]
        fn next<G>(
            &self,
            buf: &mut [u8],
            admit: impl FnMut() -> io::Result<G>,
        ) -> io::Result<(usize, Self::Addr, G)>
        where
            Self: Mailbox;
        #[doc(hidden)]
        fn now(&self, buf: &mut [u8]) -> io::Result<(usize, Self::Addr)>
        where
            Self: Mailbox;
        #[doc(hidden)]
        fn answer(&self, data: &[u8], to: &Self::Addr) -> io::Result<usize>
        where
            Self: Mailbox;
    }

    macro_rules! receive {
        ($socket:ident, $addr:ty, $most:expr, $send:ident) => {
            impl Receive for $socket {
                const MOST: usize = $most;

                fn address(&self) -> io::Result<$addr> {
                    self.local_addr()
                }

                fn next<G>(
                    &self,
                    buf: &mut [u8],
                    admit: impl FnMut() -> io::Result<G>,
                ) -> io::Result<(usize, $addr, G)> {
                    self.recv_from_if(buf, admit)
                }

                fn now(&self, buf: &mut [u8]) -> io::Result<(usize, $addr)> {
                    self.recv_from_now(buf)
                }

                fn answer(&self, data: &[u8], to: &$addr) -> io::Result<usize> {
                    self.$send(data, to)
                }
            }
        };
    }
    receive!(UdpSocket, SocketAddr, 1 << 16, send_to);
    // More than the kernel lets one send by default.
    receive!(UnixDatagram, net::SocketAddr, 1 << 18, send_to_addr);
}

/// A datagram that a [`DatagramServer`](crate::server::DatagramServer) has
/// received. It has the server's socket, for an answer: who keeps it longer than
/// its handler runs keeps that open, after a stop, too.
///
/// ```
/// use greenroom::net::UdpSocket;
/// use greenroom::server::{Datagram, DatagramServer};
/// fn answer(datagram: Datagram<UdpSocket>) -> std::io::Result<usize> {
///     println!("{} bytes from {}", datagram.data().len(), datagram.peer());
///     datagram.reply(b"thank you")
/// }
/// DatagramServer::bind("127.0.0.1:0", answer)?.start()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Datagram<S: Mailbox> {
    pub(super) data: Vec<u8>,
    pub(super) peer: S::Addr,
    pub(super) socket: Arc<S>,
}

impl<S: Mailbox> Datagram<S> {
    /// What it says.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// What it says, without the rest.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Whose it is.
    pub fn peer(&self) -> &S::Addr {
        &self.peer
    }

    /// Sends a datagram back.
    ///
    /// # Errors
    /// Those of `sendto`; of a Unix socket without a name, that it has none.
    pub fn reply(&self, data: &[u8]) -> io::Result<usize> {
        self.socket.answer(data, &self.peer)
    }

    /// The server's socket, to send others something.
    pub fn socket(&self) -> &S {
        &self.socket
    }
}

impl<S: Mailbox> fmt::Debug for Datagram<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagram").field("data", &self.data).field("peer", &self.peer).finish()
    }
}
