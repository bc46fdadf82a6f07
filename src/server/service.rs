//! What servers of connections and of datagrams have in common: both are a
//! service with methods of their own around it.

use super::control::{Control, Sources};
use super::stopped::Stopped;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A server, and where it is. It begins to stop when it is dropped.
pub(super) struct Service<A> {
    control: Arc<Control>,
    address: A,
}

impl<A: Clone> Service<A> {
    /// Of `sources`; the first of them is at `address`.
    ///
    /// # Errors
    /// There are none, or one of them is not open.
    pub(super) fn new(sources: Sources, address: Option<A>) -> io::Result<Service<A>> {
        let none = || io::Error::new(io::ErrorKind::InvalidInput, "there is no socket to serve");
        let address = address.ok_or_else(none)?;
        Ok(Service { control: Arc::new(Control::new(sources)?), address })
    }

    /// Changes the settings, until it is started: then others share them, and it
    /// is too late.
    pub(super) fn set(&mut self, set: impl FnOnce(&mut Control)) {
        if let Some(control) = Arc::get_mut(&mut self.control) {
            set(control);
        }
    }

    pub(super) fn start(&self) -> io::Result<()> {
        self.control.start()
    }

    pub(super) fn serve_forever(&self) -> io::Result<()> {
        self.control.serve_forever()
    }

    pub(super) fn stop(&self, timeout: Duration) -> Stopped {
        self.control.stop(timeout)
    }

    pub(super) fn address(&self) -> A {
        self.address.clone()
    }

    pub(super) fn handlers(&self) -> usize {
        self.control.crowd.handlers()
    }
}

impl<A> Drop for Service<A> {
    fn drop(&mut self) {
        self.control.begin_stop();
    }
}

/// The methods of a server that is `struct Server { service: Service }`, with
/// their docs: what it `does`, its word for how many handlers there are, and
/// what a stop does.
macro_rules! service {
    ($server:ident of $socket:ident, $does:literal, $count:ident, $(#[$stop:meta])*) => {
        impl<S: $socket> $server<S> {
            #[doc = concat!("Starts ", $does, ", and returns at once; nothing if it does already.")]
            ///
            /// # Errors
            /// There is no runtime to be had, or the server was stopped.
            pub fn start(&self) -> std::io::Result<()> {
                self.service.start()
            }

            #[doc = concat!("Starts ", $does, ", and waits until the server has stopped: until a")]
            /// [`stop`](Self::stop) elsewhere has returned, and if a handler has
            /// called it, that handler is done.
            ///
            /// # Errors
            /// As [`start`](Self::start); and why it has stopped of itself, or gone
            /// on without one of its sockets: nothing more can ever come from there.
            ///
            /// ```
            /// use greenroom::server::StreamServer;
            /// use std::{sync::Arc, time::Duration};
            /// let server = Arc::new(StreamServer::bind("127.0.0.1:0", |_stream, _peer| ())?);
            /// let theirs = server.clone();
            /// greenroom::spawn(move || theirs.stop(Duration::from_secs(1)));
            /// let _ = server.serve_forever();
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn serve_forever(&self) -> std::io::Result<()> {
                self.service.serve_forever()
            }

            $(#[$stop])*
            ///
            /// A handler may call it too: that waits for no handler that does, itself
            /// among them, and none of them is ended.
            pub fn stop(&self, timeout: std::time::Duration) -> $crate::server::Stopped {
                self.service.stop(timeout)
            }

            /// Where it is, or the first of its sockets; also when it has been stopped.
            ///
            /// # Errors
            /// None; this is as std's sockets have it.
            pub fn local_addr(&self) -> std::io::Result<S::Addr> {
                Ok(self.service.address())
            }

            /// How many handlers there are.
            pub fn $count(&self) -> usize {
                self.service.handlers()
            }
        }

        impl<S: $socket> std::fmt::Debug for $server<S> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($server))
                    .field("address", &self.service.address())
                    .field(stringify!($count), &self.$count())
                    .finish()
            }
        }
    };
}
pub(super) use service;
