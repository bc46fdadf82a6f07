//! Joining many: as they end, at most until a deadline, or until one fails.

use super::ends::Ends;
use super::join::JoinHandle;
use crate::error::JoinError;
use crate::sys::clock;
use std::fmt;
use std::iter::FusedIterator;
use std::time::Duration;

/// Waits for all of them, and gives each result, with the number of its handle,
/// as soon as it is there: gevent's `iwait`.
///
/// ```
/// use greenroom::{iwait, park, spawn};
/// let slow = spawn(park);
/// let waker = slow.thread().clone();
/// let mut ended = vec![];
/// for (number, result) in iwait([slow, spawn(|| ())]) {
///     result.unwrap();
///     ended.push(number);
///     waker.unpark();
/// }
/// assert_eq!(ended, [1, 0]);
/// ```
pub fn iwait<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> IWait<T> {
    // All are spawned before the first is looked at, also if the iterator
    // spawns as it goes.
    let handles: Vec<_> = handles.into_iter().collect();
    let mut ends = Ends::with_capacity(handles.len());
    handles.into_iter().for_each(|handle| ends.put(handle));
    IWait(ends)
}

/// What [`iwait`] returns. Dropped early, it detaches those that are left.
pub struct IWait<T>(Ends<T>);

impl<T> IWait<T> {
    /// As `next`, at most for `timeout`; `None`: nothing came in time, or
    /// nothing is left.
    ///
    /// ```
    /// use std::time::Duration;
    /// let mut ends = greenroom::iwait([greenroom::spawn(greenroom::park)]);
    /// assert!(ends.next_timeout(Duration::from_millis(1)).is_none());
    /// let (number, handle) = ends.into_rest().remove(0);
    /// handle.thread().unpark();
    /// assert_eq!((number, handle.join().is_ok()), (0, true));
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<(usize, Result<T, JoinError>)> {
        self.0.next_by(Some(clock::after(timeout)))
    }

    /// The handles that have not been given out, ended or not, with their
    /// numbers.
    pub fn into_rest(mut self) -> Vec<(usize, JoinHandle<T>)> {
        let handles = self.0.take_all();
        handles.into_iter().enumerate().filter_map(|(n, handle)| Some((n, handle?))).collect()
    }
}

impl<T> Iterator for IWait<T> {
    type Item = (usize, Result<T, JoinError>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_by(None)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.left(), Some(self.0.left()))
    }
}

impl<T> ExactSizeIterator for IWait<T> {}
impl<T> FusedIterator for IWait<T> {}

impl<T> fmt::Debug for IWait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IWait").field("left", &self.0.left()).finish_non_exhaustive()
    }
}

/// As [`joinall`](crate::joinall), but for `timeout` at most: those that have
/// not ended by then come back as handles, in their places.
///
/// ```
/// use greenroom::{joinall_timeout, park, spawn, wait_all};
/// use std::time::Duration;
/// let ended = spawn(|| ());
/// wait_all(&[&ended]);
/// let mut joined = joinall_timeout([spawn(park), ended], Duration::from_millis(20));
/// assert!(joined.pop().unwrap().unwrap().is_ok());
/// let unfinished = joined.pop().unwrap().unwrap_err();
/// unfinished.thread().unpark();
/// unfinished.join().unwrap();
/// ```
pub fn joinall_timeout<T>(
    handles: impl IntoIterator<Item = JoinHandle<T>>,
    timeout: Duration,
) -> Vec<Result<Result<T, JoinError>, JoinHandle<T>>> {
    let deadline = clock::after(timeout);
    let handles: Vec<_> = handles.into_iter().collect();
    let mut late = false;
    let join = |handle: JoinHandle<T>| {
        // Once it is too late, those that have ended count still.
        if late && !handle.is_finished() {
            return Err(handle);
        }
        let joined = handle.join_by(deadline);
        late |= joined.is_err();
        joined
    };
    handles.into_iter().map(join).collect()
}

/// Waits for all of them, but not longer than until the first fails: gevent's
/// `joinall(…, raise_error=True)`. The results are in the order given.
///
/// # Errors
/// The first failure in time. The others run on, detached.
///
/// ```
/// use greenroom::{park, spawn, try_joinall};
/// assert_eq!(try_joinall([spawn(|| 1), spawn(|| 2)]).unwrap(), [1, 2]);
/// let error = try_joinall([spawn(park), spawn(|| panic!("no luck"))]).unwrap_err();
/// assert!(error.is_panic());
/// ```
pub fn try_joinall<T>(
    handles: impl IntoIterator<Item = JoinHandle<T>>,
) -> Result<Vec<T>, JoinError> {
    let ends = iwait(handles);
    let mut results: Vec<Option<T>> = (0..ends.len()).map(|_| None).collect();
    for (number, result) in ends {
        results[number] = Some(result?);
    }
    Ok(results.into_iter().flatten().collect())
}
