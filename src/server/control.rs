//! The life of a server, the same for streams and datagrams.
//!
//! | stage | moved on by | who is inside |
//! |---|---|---|
//! | idle | `start`, `begin_stop` | nobody |
//! | running | `begin_stop` | servants, handlers |
//! | stopping | | servants that finish, handlers |
//!
//! A stop marks `stopping`, then wakes each servant wherever it may wait: for a
//! peer (`rouse`: an event that makes it try again, and its attempt asks
//! `admit`, which refuses), for room (`Crowd::close`), or in a pause (`Shortage`).
//! The mark comes first, so whoever looks after he was woken finds it; and
//! whoever looked before is woken.

use super::backoff::Then;
use super::crowd::Crowd;
use super::shortage::Shortage;
use super::staff::Staff;
use super::stopped::Stopped;
use crate::calls::call::Socket;
use crate::sync::Event;
use crate::sys::clock;
use crate::sys::lock::Lock;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::Duration;

/// One socket from which a servant takes in.
pub(super) trait Source: Send {
    /// To rouse its servant.
    ///
    /// # Errors
    /// The table has no room for it.
    fn socket(&self) -> io::Result<Socket>;

    /// Sets how many may wait in the kernel.
    ///
    /// # Errors
    /// The kernel refuses.
    fn set_backlog(&self, most: u32) -> io::Result<()>;

    /// Takes in until the server stops, or it can not go on.
    ///
    /// # Errors
    /// Why it cannot.
    fn serve(&self, control: &Arc<Control>) -> io::Result<()>;
}

pub(super) type Sources = Vec<Box<dyn Source>>;

pub(super) enum Stage {
    Idle(Sources),
    Running,
    Stopping,
}

/// See above.
pub(super) struct Control {
    pub(super) stage: Lock<Stage>,
    stopping: AtomicBool,
    sockets: Vec<Socket>,
    pub(super) crowd: Crowd,
    pub(super) staff: Staff,
    pub(super) backlog: Option<u32>,
    /// Handlers find the end of their connections when the server stops.
    pub(super) ends_input: bool,
    /// A servant each on a worker of its own.
    pub(super) spreads: bool,
    pub(super) shortage: Shortage,
    /// Set when the server has stopped; and if a handler has called `stop`, when
    /// that handler is gone, so that what it answers arrives.
    pub(super) stopped: Event,
    pub(super) failure: Lock<Option<Arc<io::Error>>>,
}

impl Control {
    pub(super) fn new(sources: Sources) -> io::Result<Control> {
        if sources.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "nothing to listen on"));
        }
        Ok(Control {
            sockets: sources.iter().map(|source| source.socket()).collect::<io::Result<_>>()?,
            stage: Lock::new(Stage::Idle(sources)),
            stopping: AtomicBool::new(false),
            crowd: Crowd::new(usize::MAX),
            staff: Staff(None),
            backlog: None,
            ends_input: false,
            spreads: false,
            shortage: Shortage::new(),
            stopped: Event::new(),
            failure: Lock::new(None),
        })
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    /// Has a handler run, unless it is dropped because the server ends all.
    ///
    /// # Errors
    /// No memory, or a panic.
    pub(super) fn employ(&self, handler: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.staff.employ(handler, || self.crowd.is_ending())
    }

    /// Does what follows from an error of an attempt that began when the shortage
    /// was `seen`.
    ///
    /// # Errors
    /// Gives `why` back if that is the end.
    pub(super) fn recover(&self, why: io::Error, then: Then, seen: usize) -> io::Result<()> {
        match then {
            Then::GoOn => {}
            Then::GiveUp => return Err(why),
            Then::Wait(pause) => self.shortage.wait(seen, pause, || self.is_stopping()),
        }
        Ok(())
    }

    /// Nothing more is taken in, but for what has come already.
    pub(super) fn begin_stop(&self) {
        self.stopping.store(true, SeqCst);
        let never_started = std::mem::replace(&mut *self.stage.lock(), Stage::Stopping);
        self.crowd.close();
        self.shortage.end();
        if self.ends_input {
            self.crowd.end_input();
        }
        self.sockets.iter().copied().for_each(Socket::rouse);
        drop(never_started); // last, for it is the user's
    }

    /// Also if it is cut short, by a kill or a `timeout`, it has stopped.
    pub(super) fn stop(&self, timeout: Duration) -> Stopped {
        struct Tell<'a>(Option<&'a Event>);
        impl Drop for Tell<'_> {
            fn drop(&mut self) {
                self.0.into_iter().for_each(Event::set);
            }
        }
        let stopper = self.crowd.stopper();
        // A handler's own pass tells, when it is gone.
        let _tell = Tell((!stopper.is_handler()).then_some(&self.stopped));
        self.begin_stop();
        let mut stopped = Stopped { ended: 0, left: stopper.wait(clock::after(timeout)) };
        if stopped.left > 0 {
            stopped.ended = self.crowd.end_all();
            stopped.left = stopper.wait_while_going(stopped.left);
        }
        stopped
    }

    /// A servant has given up.
    pub(super) fn fail(&self, why: io::Error) {
        let why = Arc::new(why); // not under the lock
        let before = self.failure.lock().replace(why);
        drop(before);
    }
}
