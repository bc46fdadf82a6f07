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
//! `admit`, which refuses), for room (`Crowd::close`), or in a pause (`hurry`).
//! The mark comes first, so whoever looks after he was woken finds it; and
//! whoever looked before is woken.

use super::backoff::Then;
use super::crowd::{Crowd, Role};
use super::spread::{self, Seats};
use super::staff::Staff;
use super::stopped::Stopped;
use crate::calls::call::Socket;
use crate::sync::Event;
use crate::sys::clock;
use crate::sys::errno::Errno;
use crate::sys::lock::Lock;
use crate::task::spawn::Builder;
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

enum Stage {
    Idle(Sources),
    Running,
    Stopping,
}

/// See above.
pub(super) struct Control {
    stage: Lock<Stage>,
    stopping: AtomicBool,
    sockets: Vec<Socket>,
    pub(super) crowd: Crowd,
    pub(super) staff: Staff,
    pub(super) backlog: Option<u32>,
    /// Handlers find the end of their connections when the server stops.
    pub(super) ends_input: bool,
    /// A servant each on a worker of its own.
    pub(super) spreads: bool,
    /// Some servant waits for something that has run out.
    starving: AtomicBool,
    /// Set when that may be over, or the server stops.
    hurry: Event,
    /// Set when the server has stopped.
    stopped: Event,
    failure: Lock<Option<io::Error>>,
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
            starving: AtomicBool::new(false),
            hurry: Event::new(),
            stopped: Event::new(),
            failure: Lock::new(None),
        })
    }

    /// Starts it, unless it runs.
    pub(super) fn start(self: &Arc<Control>) -> io::Result<()> {
        let sources = {
            let mut stage = self.stage.lock();
            match std::mem::replace(&mut *stage, Stage::Running) {
                Stage::Idle(sources) => sources,
                Stage::Running => return Ok(()),
                Stage::Stopping => {
                    *stage = Stage::Stopping;
                    return Err(io::Error::other("the server was stopped; make another"));
                }
            }
        };
        self.launch(sources).inspect_err(|_| {
            self.begin_stop();
            self.stopped.set();
        })
    }

    fn launch(self: &Arc<Control>, sources: Sources) -> io::Result<()> {
        if let Some(most) = self.backlog {
            sources.iter().try_for_each(|source| source.set_backlog(most))?;
        }
        let seats = self.spreads.then(Seats::new).transpose()?;
        // All are counted before the first can leave.
        let passes = sources.iter().map(|_| Pass::new(self, Role::Servant)).collect::<Vec<_>>();
        for (source, pass) in sources.into_iter().zip(passes) {
            let seats = seats.clone();
            let serve = move || pass.serve(source);
            let servant = move || match seats {
                Some(seats) => spread::run(serve, seats),
                None => serve(),
            };
            Builder::new().spawn(servant)?;
        }
        Ok(())
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    /// Waits for room for another handler.
    ///
    /// # Errors
    /// ECANCELED: the server stops.
    pub(super) fn admit(self: &Arc<Control>) -> io::Result<Pass> {
        let has_somebody = !self.is_stopping() && self.staff.wait(|| self.is_stopping());
        if !has_somebody || !self.crowd.await_room() {
            return Err(Errno::CANCELED.into());
        }
        Ok(Pass::new(self, Role::Handler))
    }

    /// As `admit`, also while the server stops; but does not wait.
    pub(super) fn admit_late(self: &Arc<Control>) -> Option<Pass> {
        let has_room = self.staff.is_free() && self.crowd.has_room();
        has_room.then(|| Pass::new(self, Role::Handler))
    }

    /// Has a handler run, unless it is dropped because the server ends all.
    ///
    /// # Errors
    /// No memory.
    pub(super) fn employ(&self, handler: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.staff.employ(handler, || self.crowd.is_ending())
    }

    /// Does what follows from an error.
    ///
    /// # Errors
    /// Gives `why` back if that is the end.
    pub(super) fn recover(&self, why: io::Error, then: Then) -> io::Result<()> {
        match then {
            Then::GoOn => Ok(()),
            Then::GiveUp => Err(why),
            Then::Wait(pause) => {
                self.hurry.clear();
                self.starving.store(true, SeqCst);
                // After the clearing: a stop before it has left its mark.
                if !self.is_stopping() {
                    self.hurry.wait_timeout(pause);
                }
                Ok(())
            }
        }
    }

    /// Nothing more is taken in, but for what has come already.
    pub(super) fn begin_stop(&self) {
        self.stopping.store(true, SeqCst);
        let never_started = std::mem::replace(&mut *self.stage.lock(), Stage::Stopping);
        self.crowd.close();
        self.hurry.set();
        if self.ends_input {
            self.crowd.end_input();
        }
        self.sockets.iter().copied().for_each(Socket::rouse);
        drop(never_started); // last, for it is the user's
    }

    /// Also if it is cut short, by a kill or a `timeout`, it has stopped.
    pub(super) fn stop(&self, timeout: Duration) -> Stopped {
        struct Tell<'a>(&'a Event);
        impl Drop for Tell<'_> {
            fn drop(&mut self) {
                self.0.set();
            }
        }
        let _tell = Tell(&self.stopped);
        self.begin_stop();
        let _stopper = self.crowd.stopper();
        let mut stopped = Stopped { ended: 0, left: self.crowd.wait(clock::after(timeout)) };
        if stopped.left > 0 {
            stopped.ended = self.crowd.end_all();
            stopped.left = self.crowd.wait_while_going(stopped.left);
        }
        stopped
    }

    /// Starts it, and waits until it has stopped.
    ///
    /// # Errors
    /// It cannot be started, or has stopped of itself.
    pub(super) fn serve_forever(self: &Arc<Control>) -> io::Result<()> {
        let started = self.start();
        if started.is_ok() {
            self.stopped.wait();
        }
        // It may have stopped of itself before: then that is the reason.
        let failure = self.failure.lock().take();
        failure.map_or(started, Err)
    }

    /// A servant has given up.
    fn fail(&self, why: io::Error) {
        let before = self.failure.lock().replace(why);
        drop(before);
    }
}

/// Counts one inside, until dropped.
pub(super) struct Pass {
    control: Arc<Control>,
    role: Role,
    /// Its place in the list of handlers that have begun.
    place: Option<usize>,
}

impl Pass {
    fn new(control: &Arc<Control>, role: Role) -> Pass {
        control.crowd.come(role);
        Pass { control: control.clone(), role, place: None }
    }

    /// The current green thread takes in from `source`.
    fn serve(self, source: Box<dyn Source>) {
        let served = source.serve(&self.control);
        drop(source); // while the pass counts it
        if let Err(why) = served {
            self.control.fail(why);
        }
    }

    /// The current green thread is the handler that this was given for, on
    /// `socket` if there is one. False: it must not begin.
    pub(super) fn begin(&mut self, socket: Option<Socket>) -> bool {
        self.place = self.control.crowd.begin(socket);
        self.place.is_some()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let control = &self.control;
        if let Some(place) = self.place {
            control.crowd.end(place);
        }
        let last_servant = control.crowd.go(self.role);
        // The descriptor that it had may be what a servant waits for.
        if self.place.is_some() && control.starving.swap(false, SeqCst) {
            control.hurry.set();
        }
        if last_servant && !control.is_stopping() {
            // All have given up.
            control.begin_stop();
            control.stopped.set();
        }
    }
}
