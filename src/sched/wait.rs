//! Parks a green thread until a descriptor may be ready.

use super::entry::{Dir, Entry, Locked, Seen};
use super::line::{Status, Waiter};
use super::{fds, local};
use crate::green::cancel::park_or_fail;
use crate::green::current;
use crate::green::park::Wake;
use crate::sys::clock::Nanos;
use crate::sys::errno::Errno;

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// There may be something: try again.
    Ready,
    /// The descriptor was closed meanwhile.
    Closed,
    TimedOut,
}

/// One thing to wait for.
pub(crate) struct Target<'a> {
    fd: i32,
    entry: &'a Entry,
    dir: Dir,
    seen: Seen,
    waiter: Waiter,
}

impl<'a> Target<'a> {
    /// For the current green thread, which found nothing after `seen`.
    ///
    /// # Panics
    /// On a plain OS thread.
    #[inline]
    pub(crate) fn new(fd: i32, entry: &'a Entry, dir: Dir, seen: Seen, looks_only: bool) -> Self {
        let record = current::get().expect("only green threads wait in the reactor");
        Target { fd, entry, dir, seen, waiter: Waiter::new(record, looks_only) }
    }

    /// Registers the descriptor if need be, and stands in line; false if there
    /// may be something already.
    ///
    /// # Safety
    /// `self` stays where it is until `leave`.
    #[inline]
    unsafe fn queue(&self) -> Result<bool, Errno> {
        let locked = self.entry.lock();
        if locked.generation() != self.seen.generation {
            return Err(Errno::BADF);
        }
        match register(self.fd, &locked) {
            // It is always ready (a regular file), so that nothing changes.
            Err(Errno::PERM) if self.waiter.looks_only() => return Ok(true),
            other => other?,
        }
        // SAFETY: the caller's promise.
        Ok(unsafe { locked.queue(self.dir, self.seen, &self.waiter) })
    }

    /// Why it left the line, unless it stands there.
    #[inline]
    fn outcome(&self) -> Option<Outcome> {
        // Mostly the waker is done, and its lock need not be taken to know.
        ended(self.waiter.status()).or_else(|| self.locked_outcome())
    }

    #[cold]
    fn locked_outcome(&self) -> Option<Outcome> {
        ended(self.entry.lock().status(&self.waiter))
    }

    fn leave(&self) {
        self.entry.lock().leave(self.dir, &self.waiter);
    }
}

#[inline]
fn ended(status: Status) -> Option<Outcome> {
    match status {
        Status::Notified => Some(Outcome::Ready),
        Status::Closed => Some(Outcome::Closed),
        Status::Idle | Status::Queued => None,
    }
}

/// Registers `fd` with the selector of this worker, once in its life.
#[inline]
fn register(fd: i32, locked: &Locked<'_>) -> Result<(), Errno> {
    if locked.registered().is_some() { Ok(()) } else { register_now(fd, locked) }
}

#[cold]
fn register_now(fd: i32, locked: &Locked<'_>) -> Result<(), Errno> {
    let local = local::get().expect("green threads run on workers");
    local.register(fd, fds::key(fd, locked))?;
    locked.set_registered(local.shared.index);
    Ok(())
}

/// Waits for `target`, at most until `deadline`.
///
/// All of the way from a shim to the switch and back is inlined: a switch leaves the
/// processor's stack of return addresses one off, so the first call in between costs two
/// mispredictions, and each further one that differs from the last thread's another.
///
/// # Errors
/// As `wait`.
#[inline(always)]
pub(crate) fn wait_one(target: &Target<'_>, deadline: Option<Nanos>) -> Result<Outcome, Errno> {
    // SAFETY: `target` is borrowed until it has left.
    if !unsafe { target.queue() }? {
        return Ok(Outcome::Ready);
    }
    loop {
        let wake = park_or_fail(deadline);
        if let Some(outcome) = target.outcome() {
            return Ok(outcome);
        }
        if wake != Ok(Wake::Notified) {
            target.leave();
            // Between the look and the leaving an event may have come.
            return target.outcome().map_or(wake.map(|_| Outcome::TimedOut), Ok);
        }
        // A wake-up that was meant for something else.
    }
}

/// Waits for the first of `targets`, at most until `deadline`.
///
/// # Errors
/// The descriptor cannot be waited for (EPERM: a regular file), is not open,
/// or the kernel has no memory left for it; and as `park_or_fail`.
pub(crate) fn wait(targets: &[Target<'_>], deadline: Option<Nanos>) -> Result<Outcome, Errno> {
    for (i, target) in targets.iter().enumerate() {
        // SAFETY: `targets` is borrowed until all have left.
        match unsafe { target.queue() } {
            Ok(true) => {}
            other => {
                targets[..i].iter().for_each(Target::leave);
                return other.map(|_| Outcome::Ready);
            }
        }
    }
    loop {
        let wake = park_or_fail(deadline);
        let found = targets.iter().find_map(Target::outcome);
        if found.is_none() && wake == Ok(Wake::Notified) {
            continue; // a wake-up that was meant for something else
        }
        // One that was notified has left the line already; the others must
        // before their stack frame goes.
        if targets.len() > 1 || found.is_none() {
            targets.iter().for_each(Target::leave);
        }
        // Between the look and the leaving an event may have come.
        let found = found.or_else(|| targets.iter().find_map(Target::outcome));
        return found.map_or(wake.map(|_| Outcome::TimedOut), Ok);
    }
}
