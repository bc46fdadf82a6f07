//! Killing green threads, and waiting for their ends.
//!
//! | the killer | until |
//! |---|---|
//! | looks, and lets others run | the end is seen, or `TURNS` have passed |
//! | stands in the table of links | it was told, or is itself to end; it leaves either way |
//!
//! It enters under the lock of its bucket, together with `JoinState::link`: if
//! that says *ended*, it was never there. Else the finisher finds it. `Linked`
//! takes it out however the wait ends, and after that nobody touches its link.

use super::finish::join_state;
use crate::green::cancel::{check, park_or_end, raise};
use crate::green::handle::GreenThread;
use crate::green::links::Link;
use crate::green::park::{Waiting, give_way};
use crate::green::why::{Kind, Why};
use crate::green::{current, kill};
use std::ptr;

/// So often a killer looks before it has itself told: mostly the victim ends at
/// once, and that is cheaper.
const TURNS: u32 = 16;

impl GreenThread {
    /// Ends it, and waits until it has ended. Its joiner gets
    /// [`JoinError::Killed`](crate::JoinError), unless its closure returned or
    /// panicked before.
    ///
    /// * One that has not started never does.
    /// * One that waits in greenroom's own calls ([`park`](crate::park),
    ///   [`yield_now`](crate::yield_now), [`sleep`](crate::sleep), `join`, locks,
    ///   queues), or comes to one, unwinds from there: destructors run, locks are
    ///   released.
    /// * The patched calls, and those of [`net`](crate::net), [`io`](crate::io)
    ///   and [`process`](crate::process), fail with `ECANCELED`, the present one
    ///   and all further ones. `std::thread::sleep` unwinds.
    /// * What cannot fail is not interrupted: computing, std's locks and
    ///   channels, file locks, work in the offload pool, and all inside
    ///   [`uncancellable`](crate::uncancellable).
    ///
    /// So a loop that takes no error for an answer, as `for stream in
    /// listener.incoming().flatten()`, does not end, and this waits for it;
    /// [`request_kill`](GreenThread::request_kill) does not. `catch_unwind` does
    /// not keep it alive: its next wait unwinds again.
    ///
    /// A green thread that kills itself unwinds here. What `std::thread::spawn`
    /// made is not killed, and not waited for: C may be below it. In a program
    /// with `panic = "abort"` unwinding aborts; there, kill only what waits in
    /// patched calls.
    ///
    /// ```
    /// let green = greenroom::spawn(greenroom::park);
    /// green.thread().kill();
    /// assert!(green.is_finished());
    /// assert!(green.join().unwrap_err().is_killed());
    /// ```
    pub fn kill(&self) {
        self.request_kill();
        wait_for_end(self);
    }

    /// As [`kill`](GreenThread::kill), but does not wait, also on itself.
    pub fn request_kill(&self) {
        kill::request(&self.0);
    }
}

/// Kills all of them, then waits for their ends; see [`GreenThread::kill`].
///
/// ```
/// let greens: Vec<_> = (0..3).map(|_| greenroom::spawn(greenroom::park)).collect();
/// greenroom::killall(greens.iter().map(|g| g.thread().clone()));
/// assert!(greens.iter().all(|g| g.is_finished()));
/// ```
pub fn killall(threads: impl IntoIterator<Item = GreenThread>) {
    let threads: Vec<_> = threads.into_iter().collect();
    threads.iter().for_each(GreenThread::request_kill);
    threads.iter().for_each(wait_for_end);
}

/// Waits for the end of one that was requested. On itself, ends here.
pub(super) fn wait_for_end(victim: &GreenThread) {
    if current::get().is_some_and(|me| ptr::eq(me, &*victim.0)) {
        return check(); // shielded or unwinding, it goes on
    }
    if victim.0.is_pthread() {
        return;
    }
    for _ in 0..TURNS {
        if victim.is_finished() {
            return;
        }
        check();
        give_way();
    }
    wait_linked(victim);
}

#[cold]
fn wait_linked(victim: &GreenThread) {
    let join = join_state(&victim.0);
    let link = Link::new(&victim.0);
    let why = Why::new(Kind::Join, victim.id());
    let _said = why.say();
    // SAFETY: it stays here, and `Linked` takes it out before it goes.
    let waits = unsafe { link.enter(Waiting::current(), || join.link()) };
    let _linked = waits.then(|| Linked(&link));
    while !join.is_done() {
        park_or_end(None).unwrap_or_else(|end| raise(end));
    }
}

/// A link that stands in the table, or did until it was told.
struct Linked<'a>(&'a Link);

impl Drop for Linked<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(all(test, not(loom)))]
#[path = "killing_tests.rs"]
mod tests;
