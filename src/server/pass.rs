//! Who comes into a server, and by what leave.
//!
//! Everybody inside has a pass. Who starts the server, too, from before he looks
//! at its stage until he has let the servants in: a stop that comes in between
//! waits for him. The last servant to leave a server that nobody stops ends it.

use super::control::{Control, Source, Sources, Stage};
use super::crowd::Role;
use super::spread::{self, Seats};
use crate::calls::call::Socket;
use crate::sys::errno::Errno;
use crate::task::spawn::Builder;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

impl Control {
    /// Starts it, unless it runs.
    pub(super) fn start(self: &Arc<Control>) -> io::Result<()> {
        let _starting = Pass::new(self, Role::Servant);
        let sources = {
            let mut stage = self.stage.lock();
            match mem::replace(&mut *stage, Stage::Running) {
                Stage::Idle(sources) => sources,
                Stage::Running => return Ok(()),
                Stage::Stopping => {
                    *stage = Stage::Stopping;
                    return Err(io::Error::other("the server was stopped; make another"));
                }
            }
        };
        // Also if it unwinds: what threads inherit is cloned by the user's code.
        let mut over = Over(Some(self));
        self.launch(sources)?;
        over.0 = None;
        Ok(())
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

    /// Waits for room for another handler.
    ///
    /// # Errors
    /// ECANCELED: the server stops.
    pub(super) fn admit(self: &Arc<Control>) -> io::Result<Pass> {
        self.shortage.sit_out(|| self.is_stopping());
        let has_somebody = !self.is_stopping() && self.staff.wait(|| self.is_stopping());
        if !has_somebody || !self.crowd.await_room() {
            return Err(Errno::CANCELED.into());
        }
        Ok(Pass::new(self, Role::Handler))
    }

    /// As `admit`, also while the server stops; but does not wait, and no more
    /// once all are ended: they may come faster than they are hung up on.
    pub(super) fn admit_late(self: &Arc<Control>) -> Option<Pass> {
        let ends = self.crowd.is_ending();
        let has_room = !ends && self.staff.is_free() && self.crowd.has_room();
        has_room.then(|| Pass::new(self, Role::Handler))
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
        let failure = self.failure.lock().clone();
        failure.map_or(started, |why| Err(copy(&why)))
    }
}

/// For each who asks.
fn copy(why: &io::Error) -> io::Error {
    match why.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(why.kind(), why.to_string()),
    }
}

/// Ends, when dropped, a server that can do nothing.
struct Over<'a>(Option<&'a Control>);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        if let Some(control) = self.0 {
            control.begin_stop();
            control.stopped.set();
        }
    }
}

/// Counts one inside, until dropped.
pub(super) struct Pass {
    control: Arc<Control>,
    role: Role,
    /// Its place in the list of handlers that have begun.
    place: Option<usize>,
    /// A handler is to begin with it.
    is_owed: bool,
}

impl Pass {
    fn new(control: &Arc<Control>, role: Role) -> Pass {
        control.crowd.come(role);
        Pass { control: control.clone(), role, place: None, is_owed: false }
    }

    /// The current green thread takes in from `source`.
    fn serve(self, source: Box<dyn Source>) {
        let served = catch_unwind(AssertUnwindSafe(|| source.serve(&self.control)));
        drop(source); // while the pass counts it
        match served {
            Ok(Ok(())) => {}
            Ok(Err(why)) => self.control.fail(why),
            Err(payload) => {
                let why = "the green thread that takes in was killed, or has panicked";
                self.control.fail(io::Error::other(why));
                resume_unwind(payload);
            }
        }
    }

    /// There is something for a handler. If that never begins, there was no stack
    /// for it; or its pool was closed or killed, and then it does no harm to wait.
    pub(super) fn owed(mut self) -> Pass {
        self.is_owed = true;
        self.control.shortage.owe();
        self
    }

    /// The current green thread is the handler that this was given for, on
    /// `socket` if there is one. False: it must not begin.
    pub(super) fn begin(&mut self, socket: Option<Socket>) -> bool {
        if mem::take(&mut self.is_owed) {
            self.control.shortage.begun();
        }
        self.place = self.control.crowd.begin(socket);
        self.place.is_some()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let control = &self.control;
        if self.is_owed {
            control.shortage.lack();
        }
        let has_stopped = self.place.is_some_and(|place| control.crowd.end(place));
        let last_servant = control.crowd.go(self.role);
        if self.place.is_some() {
            // The descriptor that it had may be what a servant waits for.
            control.shortage.given_back();
        }
        if has_stopped {
            control.stopped.set();
        }
        // Unless it stops, all have given up.
        drop(Over((last_servant && !control.is_stopping()).then_some(&**control)));
    }
}
