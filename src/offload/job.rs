//! One piece of work for an OS thread, and the handle for its result.

use crate::green::handle::GreenThread;
use crate::green::record::RecordRef;
use crate::task::body;
use crate::task::join::JoinHandle;
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr;

/// A job that a [`ThreadPool`](crate::ThreadPool) gave back unrun.
///
/// Dropped, it never runs: whoever joins it is told so.
///
/// ```
/// use greenroom::ThreadPool;
/// use std::sync::mpsc;
///
/// let pool = ThreadPool::new(1);
/// let (go, wait) = mpsc::channel::<()>();
/// let (begun, begins) = mpsc::channel();
/// let first = pool.spawn(move || {
///     begun.send(()).unwrap();
///     wait.recv().is_ok()
/// });
/// begins.recv().unwrap();
/// let (second, third) = (pool.spawn(|| 2), pool.spawn(|| 3));
/// let mut left = pool.shutdown(false);
/// assert_eq!(left.len(), 2);
/// left.remove(0).run(); // here and now
/// assert_eq!(second.join().unwrap(), 2);
/// drop(left);
/// assert!(third.join().is_err());
/// go.send(()).unwrap();
/// assert!(first.join().unwrap()); // it was running already
/// ```
pub struct Job(RecordRef);

/// Allocates a job, and the handle for its result.
pub(super) fn new<F, T>(f: F) -> (Job, JoinHandle<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (job, handle) = match body::new_job(f) {
        Ok(new) => new,
        Err(_) => std::alloc::handle_alloc_error(std::alloc::Layout::new::<F>()),
    };
    // SAFETY: `new_job` made it for `T`, and this is its one handle.
    (Job(job), unsafe { JoinHandle::new(GreenThread(handle)) })
}

impl Job {
    /// Runs it here. A panic goes to whoever joins it.
    pub fn run(self) {
        let record = self.into_record();
        // SAFETY: made for this, and used up here.
        unsafe { record.run_as_job() }
    }

    /// It will never run: `why`.
    pub(super) fn refuse(self, why: &'static str) {
        refuse(self.into_record(), why);
    }

    fn into_record(self) -> RecordRef {
        let this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, nor used again.
        unsafe { ptr::read(&this.0) }
    }
}

fn refuse(record: RecordRef, why: &'static str) {
    record.state.begin_run();
    record.state.finish();
    // SAFETY: it stands in no queue any more, so nobody runs or refuses it.
    unsafe { record.refuse(io::Error::other(why)) }
}

impl Drop for Job {
    fn drop(&mut self) {
        refuse(self.0.clone(), "its thread pool was shut down, and the job dropped");
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&self.0.id()).finish()
    }
}
