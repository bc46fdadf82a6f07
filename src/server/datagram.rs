//! Servers of datagrams.

use super::control::{Control, Sources};
use super::crowd::Crowd;
use super::mailbox::{Datagram, Mailbox};
use super::receiver::Receiver;
use super::service::{Service, service};
use super::socket_file::SocketFile;
use super::staff::Staff;
use crate::net::{ToSocketAddrs, UdpSocket, UnixDatagram};
use crate::task::pool::Pool;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Receives datagrams, and runs a handler for each on a green thread of its own.
///
/// What the handler returns is dropped; if it panics, that is reported as any
/// green thread's panic, and the others notice nothing. Dropping the server
/// stops it from receiving; the handlers that run then finish their work.
///
/// ```
/// use greenroom::server::DatagramServer;
/// use std::time::Duration;
///
/// let server = DatagramServer::bind("127.0.0.1:0", |datagram| {
///     datagram.reply(&datagram.data().to_ascii_uppercase())
/// })?;
/// server.start()?;
///
/// let client = greenroom::net::UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to(b"hello", server.local_addr()?)?;
/// let mut text = [0; 5];
/// client.recv(&mut text)?;
/// assert_eq!(&text, b"HELLO");
///
/// server.stop(Duration::from_secs(1));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct DatagramServer<S: Mailbox = UdpSocket> {
    service: Service<S::Addr>,
}

impl DatagramServer<UdpSocket> {
    /// Receives at the first of the addresses that is free. Datagrams wait until
    /// the server is started.
    ///
    /// # Errors
    /// That of the last address, or of the lookup.
    pub fn bind<A, F, T>(addr: A, handler: F) -> io::Result<Self>
    where
        A: ToSocketAddrs,
        F: Fn(Datagram<UdpSocket>) -> T + Send + Sync + 'static,
    {
        Self::receiving([UdpSocket::bind(addr)?], handler)
    }
}

impl DatagramServer<UnixDatagram> {
    /// Receives at `path`, which must not exist; a stop removes it. Of a datagram
    /// of more than 256 KiB the rest is dropped.
    ///
    /// # Errors
    /// Those of `bind`; InvalidInput if `path` is too long or has a NUL.
    ///
    /// ```
    /// use greenroom::server::DatagramServer;
    /// use std::time::Duration;
    /// let path = std::env::temp_dir().join(format!("greenroom-doc-log-{}", std::process::id()));
    /// let server = DatagramServer::bind_unix(&path, |datagram| println!("{datagram:?}"))?;
    /// server.start()?;
    /// greenroom::net::UnixDatagram::unbound()?.send_to(b"a line of a log", &path)?;
    /// server.stop(Duration::from_secs(1));
    /// assert!(!path.exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind_unix<P, F, T>(path: P, handler: F) -> io::Result<Self>
    where
        P: AsRef<Path>,
        F: Fn(Datagram<UnixDatagram>) -> T + Send + Sync + 'static,
    {
        let socket = UnixDatagram::bind(&path)?;
        let file = Some(SocketFile::new(path.as_ref())?);
        Self::with([(socket, file)], handler)
    }
}

impl<S: Mailbox> DatagramServer<S> {
    /// Receives from these sockets, however they came to be: bound with other
    /// options, or [`inherited`](crate::server::inherited).
    ///
    /// # Errors
    /// There are none, or one of them is not open.
    ///
    /// ```
    /// use greenroom::net::UdpSocket;
    /// use greenroom::server::DatagramServer;
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// let server = DatagramServer::receiving([socket], |datagram| drop(datagram))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn receiving<I, F, T>(sockets: I, handler: F) -> io::Result<Self>
    where
        I: IntoIterator<Item = S>,
        F: Fn(Datagram<S>) -> T + Send + Sync + 'static,
    {
        Self::with(sockets.into_iter().map(|socket| (socket, None)), handler)
    }

    fn with<I, F, T>(sockets: I, handler: F) -> io::Result<Self>
    where
        I: IntoIterator<Item = (S, Option<SocketFile>)>,
        F: Fn(Datagram<S>) -> T + Send + Sync + 'static,
    {
        let handler = Arc::new(move |datagram| drop(handler(datagram)));
        let mut address = None;
        let mut sources = Sources::new();
        for (socket, _file) in sockets {
            address.get_or_insert(socket.address()?);
            let (socket, handler) = (Arc::new(socket), handler.clone());
            sources.push(Box::new(Receiver { _file, socket, handler }));
        }
        Ok(DatagramServer { service: Service::new(sources, address)? })
    }

    /// At most `most` handlers at once. While there are so many, the server
    /// receives nothing; the kernel keeps what comes, and drops what it has no
    /// room for. No effect once it was started.
    ///
    /// ```
    /// use greenroom::server::DatagramServer;
    /// let server = DatagramServer::bind("127.0.0.1:0", |datagram| println!("{datagram:?}"))?;
    /// server.max_handlers(1000).start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn max_handlers(self, most: usize) -> Self {
        self.set(|control| control.crowd = Crowd::new(most))
    }

    /// Has the handlers run in `pool`, which others may use too. While it is full,
    /// the server receives nothing, as with `max_handlers`, which holds as well.
    /// While it is closed, what comes is dropped. No effect once it was started.
    pub fn pool(self, pool: Pool) -> Self {
        self.set(|control| control.staff = Staff(Some(pool)))
    }

    fn set(mut self, set: impl FnOnce(&mut Control)) -> Self {
        self.service.set(set);
        self
    }
}

service! {
    DatagramServer of Mailbox, "receiving", handlers,
    /// Stops it: waits until the handlers are done, at most for `timeout`, and
    /// then [kills](crate::GreenThread::kill) those that are not, and waits until
    /// they are gone, or none of them goes for a second. What had come before is
    /// still handled, as far as there is room.
}
