//! The public handle of a green thread, and parking as `std::thread` has it.

use super::cancel::{check, limit, park_or_end, raise};
use super::current;
use super::park::{self, Wake};
use super::record::RecordRef;
use super::state::Mark;
use crate::sys::clock;
use std::fmt;
use std::time::Duration;

/// A handle to a green thread, as `std::thread::Thread` is to a thread.
///
/// ```
/// let green = greenroom::spawn(|| {
///     greenroom::park();
///     greenroom::current().unwrap().id()
/// });
/// green.thread().unpark();
/// let id = green.thread().id();
/// assert_eq!(green.join().unwrap(), id);
/// ```
#[derive(Clone)]
pub struct GreenThread(pub(crate) RecordRef);

impl GreenThread {
    /// A number that no other green thread of this process has or had.
    pub fn id(&self) -> u64 {
        self.0.id()
    }

    /// The name that its [`Builder`](crate::Builder) gave it.
    pub fn name(&self) -> Option<&str> {
        self.0.name()
    }

    /// Lets its [`park`] return, the present or else the next one. Any number
    /// of calls before that count as one. What happened before this call is
    /// visible after that `park`.
    pub fn unpark(&self) {
        self.0.unpark_with(Mark::TOKEN);
    }
}

impl AsRef<GreenThread> for GreenThread {
    fn as_ref(&self) -> &GreenThread {
        self
    }
}

impl PartialEq for GreenThread {
    fn eq(&self, other: &GreenThread) -> bool {
        self.id() == other.id()
    }
}

impl Eq for GreenThread {}

impl fmt::Debug for GreenThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GreenThread").field("id", &self.id()).field("name", &self.name()).finish()
    }
}

/// The green thread that calls this; `None` on a plain OS thread.
///
/// ```
/// assert!(greenroom::current().is_none());
/// assert!(greenroom::spawn(|| greenroom::current().is_some()).join().unwrap());
/// ```
pub fn current() -> Option<GreenThread> {
    current::counted().map(GreenThread)
}

/// Waits until [`GreenThread::unpark`] is called for this green thread, or was
/// called since its last `park`. It does not return without.
///
/// On a plain OS thread this is `std::thread::park`.
///
/// ```
/// let sleeper = greenroom::spawn(greenroom::park);
/// sleeper.thread().unpark();
/// sleeper.join().unwrap();
/// ```
#[inline(never)] // by its name in the backtrace a dump knows that one waits for `unpark`
pub fn park() {
    let Some(record) = current::get() else {
        return park_os(None);
    };
    check();
    while !record.state.take_token() {
        park_or_end(None).unwrap_or_else(|end| raise(end));
    }
}

/// What std promises, but for a limit.
#[allow(clippy::disallowed_methods, reason = "on an OS thread, std's is what is promised")]
fn park_os(timeout: Option<Duration>) {
    check();
    let left = limit().map(|at| Duration::from_nanos(at.saturating_sub(clock::now())));
    match timeout.into_iter().chain(left).min() {
        Some(timeout) => std::thread::park_timeout(timeout),
        None => std::thread::park(),
    }
    check();
}

/// As [`park`], but for `timeout` at most.
///
/// ```
/// use std::time::Duration;
/// greenroom::spawn(|| greenroom::park_timeout(Duration::from_millis(1))).join().unwrap();
/// ```
pub fn park_timeout(timeout: Duration) {
    let Some(record) = current::get() else {
        return park_os(Some(timeout));
    };
    let deadline = clock::after(timeout);
    check();
    while !record.state.take_token() {
        match park_or_end(Some(deadline)) {
            Ok(Wake::Notified) => {}
            Ok(Wake::TimedOut) => {
                record.state.take_token();
                return;
            }
            Err(end) => raise(end),
        }
    }
}

/// Lets the other runnable green threads of this worker run first. Of very many that
/// have not started yet only some do: 256, or as many as there are started ones, so that
/// nobody is held up by a burst of spawns. On a plain OS thread this is
/// `std::thread::yield_now`.
///
/// ```
/// greenroom::spawn(|| greenroom::yield_now()).join().unwrap();
/// ```
#[inline(always)] // see `sched::wait::wait_one`
pub fn yield_now() {
    park::give_way();
    check();
}
