//! Being told that a green thread has ended, without joining it.

use super::join::JoinHandle;
use super::join_state::JoinState;
use super::spawn::spawn_with;
use crate::green::ending::Ending;
use crate::green::handle::GreenThread;
use crate::green::links::{self, Called};
use crate::green::record::Record;
use crate::green::storage::Inherited;
use crate::sync::waitable::{Spot, Waitable, Watch};
use std::fmt;
use std::panic::Location;

/// The joining state that lies behind `record`.
pub(super) fn join_state(record: &Record) -> &JoinState {
    // SAFETY: whatever a record heads has its joining state there, and lives as
    // long as the record.
    unsafe { record.whole().byte_add(record.body.join_at).cast().as_ref() }
}

impl GreenThread {
    /// Has `callback` called when it has ended, with how; at once if it has
    /// ended already. Joining is not disturbed: the result stays where it is,
    /// and is there when `callback` runs.
    ///
    /// It runs on a green thread of its own, as gevent's `link` has it: it may
    /// wait, its panic is its own, and others are not delayed. It inherits what
    /// the caller of this has now (see [`green_local!`](crate::green_local)).
    /// Callbacks start in the order in which they came.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// let (tell, told) = channel();
    /// let green = greenroom::spawn(greenroom::park);
    /// let late = tell.clone();
    /// green.thread().on_finish(move |green, _| tell.send(green.id()).unwrap());
    /// green.thread().unpark();
    /// assert_eq!(told.recv().unwrap(), green.thread().id());
    /// green.thread().on_finish(move |green, _| late.send(green.id()).unwrap());
    /// assert_eq!(told.recv().unwrap(), green.thread().id());
    /// ```
    #[track_caller]
    pub fn on_finish<F>(&self, callback: F) -> OnFinish
    where
        F: FnOnce(&GreenThread, Ending) + Send + 'static,
    {
        let by = Location::caller();
        // Here: whoever ends has no values any more, and must not run a `Clone`.
        let inherited = Inherited::capture();
        let hook = move |thread: &GreenThread, how| {
            let thread = thread.clone();
            drop(spawn_with(inherited, move || callback(&thread, how), by));
        };
        let join = join_state(&self.0);
        match links::call(&self.0, Box::new(hook), || join.link()) {
            Ok(called) => OnFinish(Some(called)),
            Err(hook) => {
                hook(self, join.ending().unwrap_or(Ending::Returned));
                OnFinish(None)
            }
        }
    }

    /// Whether it has ended.
    ///
    /// ```
    /// let green = greenroom::spawn(|| ());
    /// let thread = green.thread().clone();
    /// green.join().unwrap();
    /// assert!(thread.is_finished());
    /// ```
    pub fn is_finished(&self) -> bool {
        join_state(&self.0).is_done()
    }
}

impl Watch for GreenThread {
    fn is_ready(&self) -> bool {
        self.is_finished()
    }

    fn watch(&self, spot: &Spot) -> bool {
        let join = join_state(&self.0);
        // SAFETY: spots stay until they were taken out by `unwatch`.
        unsafe { spot.link(&self.0).enter(spot.waiting(), || join.link()) }
    }

    fn unwatch(&self, spot: &Spot) {
        spot.link(&self.0).leave();
    }
}

/// Ready when it has ended.
impl Waitable for GreenThread {}

impl<T> Watch for JoinHandle<T> {
    fn is_ready(&self) -> bool {
        self.is_finished()
    }
    fn watch(&self, spot: &Spot) -> bool {
        self.thread().watch(spot)
    }
    fn unwatch(&self, spot: &Spot) {
        self.thread().unwatch(spot);
    }
}

/// Ready when its green thread has ended.
impl<T> Waitable for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// As [`GreenThread::on_finish`]; the handle stays as it is.
    ///
    /// ```
    /// use greenroom::Ending;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let green = greenroom::spawn(greenroom::park);
    /// let callback = green.on_finish(|_, _| unreachable!());
    /// green.on_finish(move |_, ending| tell.send(ending).unwrap());
    /// assert!(callback.cancel());
    /// green.kill();
    /// assert_eq!(told.recv().unwrap(), Ending::Killed);
    /// ```
    #[track_caller]
    pub fn on_finish<F>(&self, callback: F) -> OnFinish
    where
        F: FnOnce(&GreenThread, Ending) + Send + 'static,
    {
        self.thread().on_finish(callback)
    }
}

/// A callback given to [`GreenThread::on_finish`]. Dropping this does not cancel
/// it.
pub struct OnFinish(Option<Called>);

impl OnFinish {
    /// Takes the callback back; whether it did. Else it was called, or is about
    /// to be. Either way it is held here no longer.
    pub fn cancel(self) -> bool {
        // The user's callback is dropped here, under no lock.
        self.0.is_some_and(|called| called.cancel().is_some())
    }
}

impl fmt::Debug for OnFinish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnFinish").finish_non_exhaustive()
    }
}
