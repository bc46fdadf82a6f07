//! Takes connections in, and gives each a handler.
//!
//! The order in which things go matters for a stop, which says that nothing is
//! left open once nobody is counted: a connection, and the handler's share of
//! the user's closure, are dropped before the pass that counts them.

use super::backoff::Backoff;
use super::control::{Control, Source};
use super::listen::Listen;
use super::pass::Pass;
use super::socket_file::SocketFile;
use crate::calls::call::Socket;
use crate::net::serving;
use std::io;
use std::sync::Arc;

/// So many waiting connections are still taken when the server stops, unless
/// its user has set a number: as many as there can be is what he wants, but
/// they may come faster than they are taken.
const LATE: u32 = 4096;

/// One listener, and what to do with its connections.
pub(super) struct Acceptor<L, F> {
    /// First, so that its name is free when it is closed.
    pub(super) _file: Option<SocketFile>,
    pub(super) listener: L,
    pub(super) handler: Arc<F>,
}

/// What a handler begins with; dropped in this order.
struct Connection<L: Listen, F> {
    stream: L::Stream,
    peer: L::Addr,
    handler: Arc<F>,
    pass: Pass,
}

impl<L, F> Source for Acceptor<L, F>
where
    L: Listen,
    F: Fn(L::Stream, L::Addr) + Send + Sync + 'static,
{
    fn socket(&self) -> io::Result<Socket> {
        serving::socket_of(&self.listener)
    }

    fn set_backlog(&self, most: u32) -> io::Result<()> {
        serving::set_backlog(&self.listener, most)
    }

    fn serve(&self, control: &Arc<Control>) -> io::Result<()> {
        let mut backoff = Backoff::new();
        loop {
            let seen = control.shortage.look();
            let begun = match self.listener.next(|| control.admit()) {
                Ok((stream, peer, pass)) => self.handle(control, stream, peer, pass),
                Err(why) => Err(why),
            };
            match begun {
                Ok(()) => backoff.succeeded(),
                Err(_) if control.is_stopping() => break,
                Err(why) => {
                    let then = backoff.failed(&why);
                    control.recover(why, then, seen)?;
                }
            }
        }
        self.take_late_ones(control);
        Ok(())
    }
}

impl<L, F> Acceptor<L, F>
where
    L: Listen,
    F: Fn(L::Stream, L::Addr) + Send + Sync + 'static,
{
    /// Those that had connected before the stop: closing the listener would
    /// reset them.
    fn take_late_ones(&self, control: &Arc<Control>) {
        // Of a listener the kernel lets one more wait than it was told.
        for _ in 0..=control.backlog.unwrap_or(LATE) {
            let Some(pass) = control.admit_late() else { return };
            let Ok((stream, peer)) = self.listener.now() else { return };
            if self.handle(control, stream, peer, pass).is_err() {
                return;
            }
        }
    }

    /// Starts a handler.
    fn handle(
        &self,
        control: &Control,
        stream: L::Stream,
        peer: L::Addr,
        pass: Pass,
    ) -> io::Result<()> {
        let handler = self.handler.clone();
        let connection = Connection::<L, F> { stream, peer, handler, pass: pass.owed() };
        control.employ(move || connection.handle())
    }
}

impl<L, F> Connection<L, F>
where
    L: Listen,
    F: Fn(L::Stream, L::Addr),
{
    fn handle(self) {
        // The last to be dropped, also if the handler unwinds.
        let mut pass = self.pass;
        let (stream, handler) = (self.stream, self.handler);
        // Taken here, while the number is certainly that of the connection.
        let socket = serving::socket_of(&stream).ok();
        if pass.begin(socket) {
            handler(stream, self.peer);
        }
    }
}
