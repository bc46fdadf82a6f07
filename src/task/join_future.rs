//! A green thread's end as a future.

use super::join::JoinHandle;
use crate::error::JoinError;
use crate::green::park::Waiting;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

/// The future of a green thread's result, for `.await` in anybody's executor.
/// Dropping it detaches the green thread, as dropping a [`JoinHandle`] does.
///
/// ```
/// let answer = greenroom::spawn(|| 42);
/// assert_eq!(greenroom::block_on(async { answer.await.unwrap() }), 42);
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct JoinFuture<T> {
    /// Gone once it is ready.
    handle: Option<JoinHandle<T>>,
    /// `waker` stands in the joining state.
    waits: bool,
    waker: Cell<Option<Waker>>,
    _pinned: PhantomPinned,
}

// SAFETY: as `JoinHandle`; the cell is reached by its owner, and by the finisher
// while it stands in the joining state, which hands it over.
unsafe impl<T> Send for JoinFuture<T> {}
// SAFETY: shared, it gives no access to anything.
unsafe impl<T> Sync for JoinFuture<T> {}

impl<T> IntoFuture for JoinHandle<T> {
    type Output = Result<T, JoinError>;
    type IntoFuture = JoinFuture<T>;

    fn into_future(self) -> JoinFuture<T> {
        JoinFuture {
            handle: Some(self),
            waits: false,
            waker: Cell::new(None),
            _pinned: PhantomPinned,
        }
    }
}

impl<T> JoinFuture<T> {
    /// Takes `waker` out of the joining state; false if the result came first.
    fn leave(&mut self) -> bool {
        let Some(handle) = &self.handle else { return true };
        // SAFETY: the handle is ours, and waits.
        !std::mem::take(&mut self.waits) || unsafe { handle.joining().give_up() }
    }
}

impl<T> Future for JoinFuture<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    /// If it was ready before.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out but the handle, which is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        let open = this.leave();
        let handle = this.handle.take().expect("a JoinFuture is not polled after it was ready");
        if handle.is_current() {
            return Poll::Ready(Err(JoinError::Itself));
        }
        if open && !handle.joining().is_done() {
            this.waker.set(Some(context.waker().clone()));
            let waiting = Waiting::Task(NonNull::from(&this.waker));
            // SAFETY: it does not wait now; `waker` stays until `leave`, which
            // comes before the next use and before the end: it is pinned.
            this.waits = unsafe { handle.joining().wait(waiting) };
        }
        if this.waits {
            this.handle = Some(handle);
            return Poll::Pending;
        }
        drop(this.waker.take());
        Poll::Ready(handle.take())
    }
}

impl<T> Drop for JoinFuture<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T> fmt::Debug for JoinFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinFuture").field("handle", &self.handle).finish_non_exhaustive()
    }
}
