//! Waiting for green threads to end.

use super::join_state::JoinState;
use super::join_wait::{wait_or_end, wait_or_fail};
use super::packet::Packet;
use crate::error::JoinError;
use crate::green::current;
use crate::green::handle::GreenThread;
use crate::green::park::Waiting;
use crate::sched::joiners;
use crate::sys::clock::{self, Nanos};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr;
use std::time::Duration;

/// Owns the right to a green thread's result, as `std::thread::JoinHandle`
/// does. Dropping it detaches the green thread, which runs on.
///
/// ```
/// let handle = greenroom::spawn(|| 6 * 7);
/// assert_eq!(handle.join().unwrap(), 42);
/// ```
pub struct JoinHandle<T> {
    thread: GreenThread,
    _result: PhantomData<fn() -> T>,
}

// SAFETY: only the result moves between threads, and that is `Send` by the
// bound on `spawn`; shared, the handle gives no access to it.
unsafe impl<T> Send for JoinHandle<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    /// `thread` heads a `Packet<T>`, and no other handle was made from it.
    pub(crate) unsafe fn new(thread: GreenThread) -> JoinHandle<T> {
        JoinHandle { thread, _result: PhantomData }
    }

    fn packet(&self) -> &Packet<T> {
        // SAFETY: by the promise of `new`; alive while the handle counts.
        unsafe { self.thread.0.whole().cast::<Packet<T>>().as_ref() }
    }

    /// The green thread itself, to unpark it or to tell it from others.
    pub fn thread(&self) -> &GreenThread {
        &self.thread
    }

    /// Ends it, and waits until it has ended; its result is here to be taken as
    /// ever. See [`GreenThread::kill`].
    ///
    /// ```
    /// use std::time::Duration;
    /// let late = greenroom::spawn(|| greenroom::sleep(Duration::from_secs(3600)));
    /// late.kill();
    /// assert!(late.join().unwrap_err().is_killed());
    /// ```
    pub fn kill(&self) {
        self.thread.kill();
    }

    /// Whether it has ended, so that `join` would return at once.
    pub fn is_finished(&self) -> bool {
        self.packet().join.is_done()
    }

    /// Waits until it has ended, and returns what it returned. Works on green
    /// threads, which park, and on OS threads, which block.
    ///
    /// # Errors
    /// It panicked, or never ran, or is the calling green thread itself; or it
    /// never ends (see [`OnStall`](crate::OnStall)).
    ///
    /// ```
    /// let failed = greenroom::spawn(|| panic!("no luck")).join().unwrap_err();
    /// assert_eq!(failed.to_string(), "the green thread panicked: no luck");
    /// ```
    pub fn join(self) -> Result<T, JoinError> {
        if joiners::may_fail() {
            return self.join_or_fail();
        }
        match self.wait(None) {
            Waited::Done => self.take(),
            Waited::Itself => Err(JoinError::Itself),
            Waited::TimedOut => unreachable!("there is no deadline"),
        }
    }

    /// As `join`, on an OS thread, unless nothing can go on.
    #[cold]
    fn join_or_fail(self) -> Result<T, JoinError> {
        let join = &self.packet().join;
        // SAFETY: this is the only handle, and it does not wait yet.
        let done = join.is_done() || unsafe { wait_or_fail(join, &self.thread.0) };
        if done { self.take() } else { Err(JoinError::Stalled) }
    }

    /// As `join`, but waits `timeout` at most.
    ///
    /// # Errors
    /// Gives the handle back if it has not ended by then.
    ///
    /// ```
    /// use std::time::Duration;
    /// let sleeper = greenroom::spawn(greenroom::park);
    /// let sleeper = sleeper.join_timeout(Duration::from_millis(5)).unwrap_err();
    /// sleeper.thread().unpark();
    /// sleeper.join().unwrap();
    /// ```
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<T, JoinError>, Self> {
        self.join_by(clock::after(timeout))
    }

    /// As `join_timeout`, until `deadline`.
    pub(super) fn join_by(self, deadline: Nanos) -> Result<Result<T, JoinError>, Self> {
        match self.wait(Some(deadline)) {
            Waited::Done => Ok(self.take()),
            Waited::Itself => Ok(Err(JoinError::Itself)),
            Waited::TimedOut => Err(self),
        }
    }

    /// Waits as `join` does, at most until `deadline`, and leaves the result where
    /// it is.
    pub(super) fn wait_for_end(&mut self, deadline: Option<Nanos>) {
        self.wait(deadline);
    }

    /// Has `who` told when `join` would return at once; false if it would now.
    ///
    /// # Safety
    /// Only for the handle's owner, who does not wait yet. `who` stays until
    /// `unwatch`, and the handle until then is neither joined nor dropped.
    pub(super) unsafe fn watch(&self, who: Waiting) -> bool {
        // SAFETY: the caller's promise.
        !self.is_current() && unsafe { self.packet().join.wait(who) }
    }

    /// Nobody is told, or being told, after this.
    ///
    /// # Safety
    /// After `watch`, whatever that returned.
    pub(super) unsafe fn unwatch(&self) {
        // SAFETY: it waits, or it is done, or it never waited: then this fails.
        unsafe { self.packet().join.give_up() };
    }

    #[inline(always)] // see `sched::wait::wait_one`
    fn wait(&self, deadline: Option<Nanos>) -> Waited {
        let join = &self.packet().join;
        if join.is_done() {
            return Waited::Done;
        }
        if self.is_current() {
            return Waited::Itself;
        }
        // SAFETY: this is the only handle, and it does not wait yet.
        let done = unsafe { wait_or_end(join, &self.thread.0, deadline) };
        if done { Waited::Done } else { Waited::TimedOut }
    }

    /// Whether it is the caller itself.
    pub(super) fn is_current(&self) -> bool {
        current::get().is_some_and(|me| ptr::eq(me, &*self.thread.0))
    }

    /// For whoever has the handle.
    pub(super) fn joining(&self) -> &JoinState {
        &self.packet().join
    }

    /// Takes the result of one that is done.
    pub(super) fn take(self) -> Result<T, JoinError> {
        let this = ManuallyDrop::new(self);
        // SAFETY: done, so the result is the handle's; it is used up here.
        let result = unsafe { this.take_result() };
        // SAFETY: the handle's reference, not dropped elsewhere.
        drop(unsafe { ptr::read(&this.thread) });
        result
    }

    /// # Safety
    /// Done, and once.
    unsafe fn take_result(&self) -> Result<T, JoinError> {
        // SAFETY: done, so the result is the handle's.
        let result = unsafe { (*self.packet().result.get()).take() };
        if let Some(Err(JoinError::NotStarted(_))) = result {
            // SAFETY: once, by the caller's promise.
            unsafe { self.thread.0.discard() };
        }
        result.expect("a result is taken once")
    }
}

enum Waited {
    Done,
    TimedOut,
    Itself,
}

impl<T> JoinHandle<T> {
    /// Lets it go; its result, if that is there.
    ///
    /// # Safety
    /// Only to be dropped after this.
    unsafe fn let_go(&self) -> Option<Result<T, JoinError>> {
        // SAFETY: once, and a handle that is dropped does not wait.
        if !unsafe { self.packet().join.detach() } {
            return None;
        }
        // SAFETY: done: the result is the handle's, and goes with it.
        Some(unsafe { self.take_result() })
    }

    /// Detaches it; its result, if that is there.
    pub(super) fn detach(self) -> Option<Result<T, JoinError>> {
        let this = ManuallyDrop::new(self);
        // SAFETY: it is not used again, nor dropped.
        let result = unsafe { this.let_go() };
        // SAFETY: the handle's reference, not dropped elsewhere.
        drop(unsafe { ptr::read(&this.thread) });
        result
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        // SAFETY: it is being dropped.
        drop(unsafe { self.let_go() });
    }
}

impl<T> AsRef<GreenThread> for JoinHandle<T> {
    fn as_ref(&self) -> &GreenThread {
        &self.thread
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("thread", &self.thread)
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// Waits for all of them; their results in the order given. One that fails
/// does not disturb the others.
///
/// ```
/// let squares = (0..10).map(|n| greenroom::spawn(move || n * n));
/// let squares = greenroom::joinall(squares.collect::<Vec<_>>());
/// assert_eq!(squares.into_iter().map(Result::unwrap).sum::<i32>(), 285);
/// ```
pub fn joinall<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<Result<T, JoinError>> {
    // All are spawned before the first is waited for, also if the iterator
    // spawns as it goes.
    let handles: Vec<_> = handles.into_iter().collect();
    handles.into_iter().map(JoinHandle::join).collect()
}
