//! Servers of connections.

use super::acceptor::Acceptor;
use super::control::Sources;
use super::listen::{Listen, per_worker};
use super::service::{Service, service};
use super::socket_file::SocketFile;
use crate::net::serving::{self, MOST_WAITING};
use crate::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UnixListener, UnixStream};
use std::io;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::Path;
use std::sync::Arc;

/// Accepts connections, and runs a handler for each on a green thread of its
/// own.
///
/// The handler gets the connection and the address of its peer; what it returns
/// is dropped. If it panics, that is reported as any green thread's panic, its
/// connection closes, and the others notice nothing.
///
/// If accepting fails because something ran out (descriptors, memory), the
/// server waits until one of its connections ends, or a while, and goes on;
/// those who connect wait meanwhile. So it does when there is no stack for a
/// handler, but the connection that had none is closed. Dropping the server stops it from
/// accepting; the handlers that run then finish their work.
///
/// ```
/// use greenroom::server::StreamServer;
/// use std::io::{Read, Write, copy};
/// use std::time::Duration;
///
/// let server = StreamServer::bind("127.0.0.1:0", |stream, _peer| copy(&mut &stream, &mut &stream))?;
/// server.start()?;
///
/// let mut client = greenroom::net::TcpStream::connect(server.local_addr()?)?;
/// client.write_all(b"hello")?;
/// client.shutdown(std::net::Shutdown::Write)?;
/// let mut echo = String::new();
/// client.read_to_string(&mut echo)?;
/// assert_eq!(echo, "hello");
///
/// server.stop(Duration::from_secs(1));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct StreamServer<L: Listen = TcpListener> {
    pub(super) service: Service<L::Addr>,
}

impl StreamServer<TcpListener> {
    /// Listens on the first of the addresses that is free. Connections wait
    /// until the server is started.
    ///
    /// # Errors
    /// That of the last address, or of the lookup.
    pub fn bind<A, F, T>(addr: A, handler: F) -> io::Result<Self>
    where
        A: ToSocketAddrs,
        F: Fn(TcpStream, SocketAddr) -> T + Send + Sync + 'static,
    {
        let listener = TcpListener::bind(addr)?;
        serving::set_backlog(&listener, MOST_WAITING)?;
        Self::listening([listener], handler)
    }

    /// As `bind`, but has a listener for each worker, [`per_worker`], and each
    /// of them accepted from on a worker of its own, as far as that works out.
    ///
    /// # Errors
    /// As [`per_worker`].
    ///
    /// ```
    /// use greenroom::server::StreamServer;
    /// StreamServer::bind_per_worker("127.0.0.1:0", |_stream, _peer| ())?.start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind_per_worker<A, F, T>(addr: A, handler: F) -> io::Result<Self>
    where
        A: ToSocketAddrs,
        F: Fn(TcpStream, SocketAddr) -> T + Send + Sync + 'static,
    {
        let mut server = Self::listening(per_worker(addr)?, handler)?;
        server.service.set(|control| control.spreads = true);
        Ok(server)
    }
}

impl StreamServer<UnixListener> {
    /// Listens at `path`, which must not exist; a stop removes it.
    ///
    /// # Errors
    /// Those of `bind`; InvalidInput if `path` is too long or has a NUL.
    ///
    /// ```
    /// use greenroom::server::StreamServer;
    /// use std::io::{Read, Write};
    /// use std::time::Duration;
    /// let path = std::env::temp_dir().join(format!("greenroom-doc-{}", std::process::id()));
    /// let server = StreamServer::bind_unix(&path, |mut stream, _peer| stream.write_all(b"hello"))?;
    /// server.start()?;
    /// let mut text = String::new();
    /// greenroom::net::UnixStream::connect(&path)?.read_to_string(&mut text)?;
    /// assert_eq!(text, "hello");
    /// server.stop(Duration::from_secs(1));
    /// assert!(!path.exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind_unix<P, F, T>(path: P, handler: F) -> io::Result<Self>
    where
        P: AsRef<Path>,
        F: Fn(UnixStream, UnixAddr) -> T + Send + Sync + 'static,
    {
        let listener = UnixListener::bind(&path)?;
        serving::set_backlog(&listener, MOST_WAITING)?;
        let address = listener.local_addr()?;
        let _file = Some(SocketFile::new(path.as_ref())?);
        let handler = Arc::new(move |stream, peer| drop(handler(stream, peer)));
        Self::with(vec![Box::new(Acceptor { _file, listener, handler })], Some(address))
    }
}

impl<L: Listen> StreamServer<L> {
    /// Accepts from these listeners, however they came to be: bound with other
    /// options, [`inherited`](crate::server::inherited).
    ///
    /// # Errors
    /// There are none, or one of them is not open.
    ///
    /// ```
    /// use greenroom::net::TcpListener;
    /// use greenroom::server::StreamServer;
    /// let here = TcpListener::bind("127.0.0.1:0")?;
    /// let there = TcpListener::bind("127.0.0.1:0")?;
    /// let server = StreamServer::listening([here, there], |_stream, _peer| ())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn listening<I, F, T>(listeners: I, handler: F) -> io::Result<Self>
    where
        I: IntoIterator<Item = L>,
        F: Fn(L::Stream, L::Addr) -> T + Send + Sync + 'static,
    {
        let handler = Arc::new(move |stream, peer| drop(handler(stream, peer)));
        let mut address = None;
        let mut sources = Sources::new();
        for listener in listeners {
            address.get_or_insert(listener.address()?);
            sources.push(Box::new(Acceptor { _file: None, listener, handler: handler.clone() }));
        }
        Self::with(sources, address)
    }

    /// As [`listening`](StreamServer::listening), but the handler gets what
    /// `wrap` makes of a connection: one of TLS, say, after the handshake. That
    /// happens on the handler's green thread, so a slow one delays nobody; and
    /// if it fails, the connection is closed and there is no more to it.
    ///
    /// # Errors
    /// As [`listening`](StreamServer::listening).
    ///
    /// ```
    /// use greenroom::net::{TcpListener, TcpStream};
    /// use greenroom::server::StreamServer;
    /// use std::io::{BufRead, BufReader, Write};
    /// # use std::io::Read;
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let wrap = |stream| Ok(BufReader::new(stream)); // `acceptor.accept(stream)`
    /// let server = StreamServer::wrapped([listener], wrap, |mut stream, _peer| {
    ///     let mut line = String::new();
    ///     stream.read_line(&mut line)?;
    ///     stream.get_mut().write_all(line.to_uppercase().as_bytes())
    /// })?;
    /// server.start()?;
    /// # let mut client = TcpStream::connect(server.local_addr()?)?;
    /// # client.write_all(b"hello\n")?;
    /// # let mut text = String::new();
    /// # client.read_to_string(&mut text)?;
    /// # assert_eq!(text, "HELLO\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wrapped<I, W, S, F, T>(listeners: I, wrap: W, handler: F) -> io::Result<Self>
    where
        I: IntoIterator<Item = L>,
        W: Fn(L::Stream) -> io::Result<S> + Send + Sync + 'static,
        F: Fn(S, L::Addr) -> T + Send + Sync + 'static,
    {
        Self::listening(listeners, move |stream, peer| {
            if let Ok(wrapped) = wrap(stream) {
                drop(handler(wrapped, peer));
            }
        })
    }

    fn with(sources: Sources, address: Option<L::Addr>) -> io::Result<Self> {
        Ok(StreamServer { service: Service::new(sources, address)? })
    }
}

service! {
    StreamServer of Listen, "accepting", connections,
    /// Stops it: closes the listeners, waits until the handlers are done, at most
    /// for `timeout`, and then ends those that are not. What had connected before
    /// is still accepted, as far as there is room, and handled.
    ///
    /// To end a handler means to [kill](crate::GreenThread::kill) it, and to shut
    /// its connection down, so that reading from it comes to the end and writing
    /// fails; what it has written before still arrives. (But not what was
    /// converted to std's type.) This then waits until they are gone, or none of
    /// them goes for a second.
}
