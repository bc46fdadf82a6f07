//! Takes datagrams in, and gives each a handler.

use super::backoff::Backoff;
use super::control::{Control, Source};
use super::mailbox::{Datagram, Mailbox};
use super::pass::Pass;
use super::socket_file::SocketFile;
use crate::calls::call::Socket;
use crate::net::serving;
use std::io;
use std::sync::Arc;

/// So many waiting datagrams are still taken when the server stops: they may
/// come faster than that.
const LATE: u32 = 4096;

/// One socket, and what to do with its datagrams.
pub(super) struct Receiver<S, F> {
    pub(super) _file: Option<SocketFile>,
    pub(super) socket: Arc<S>,
    pub(super) handler: Arc<F>,
}

/// What a handler begins with; dropped in this order.
struct Delivery<S: Mailbox, F> {
    datagram: Datagram<S>,
    handler: Arc<F>,
    pass: Pass,
}

impl<S, F> Source for Receiver<S, F>
where
    S: Mailbox,
    F: Fn(Datagram<S>) + Send + Sync + 'static,
{
    fn socket(&self) -> io::Result<Socket> {
        serving::socket_of(&*self.socket)
    }

    fn set_backlog(&self, _most: u32) -> io::Result<()> {
        Ok(()) // only listeners have one
    }

    fn serve(&self, control: &Arc<Control>) -> io::Result<()> {
        let mut backoff = Backoff::new();
        let mut buf = vec![0; S::MOST];
        loop {
            let seen = control.shortage.look();
            let begun = match self.socket.next(&mut buf, || control.admit()) {
                Ok((n, peer, pass)) => self.handle(control, &buf[..n], peer, pass),
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
        self.take_late_ones(control, &mut buf);
        Ok(())
    }
}

impl<S, F> Receiver<S, F>
where
    S: Mailbox,
    F: Fn(Datagram<S>) + Send + Sync + 'static,
{
    /// Those that had come before the stop.
    fn take_late_ones(&self, control: &Arc<Control>, buf: &mut [u8]) {
        for _ in 0..LATE {
            let Some(pass) = control.admit_late() else { return };
            let Ok((n, peer)) = self.socket.now(buf) else { return };
            if self.handle(control, &buf[..n], peer, pass).is_err() {
                return;
            }
        }
    }

    /// Starts a handler.
    fn handle(&self, control: &Control, data: &[u8], peer: S::Addr, pass: Pass) -> io::Result<()> {
        let datagram = Datagram { data: data.to_vec(), peer, socket: self.socket.clone() };
        let delivery = Delivery { datagram, handler: self.handler.clone(), pass: pass.owed() };
        control.employ(move || delivery.handle())
    }
}

impl<S, F> Delivery<S, F>
where
    S: Mailbox,
    F: Fn(Datagram<S>),
{
    fn handle(self) {
        // The last to be dropped, also if the handler unwinds.
        let mut pass = self.pass;
        let (datagram, handler) = (self.datagram, self.handler);
        if pass.begin(None) {
            handler(datagram);
        }
    }
}
