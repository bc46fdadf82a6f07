//! A pool of OS threads of one's own.

use super::crew::Crew;
use super::everyone::KEEP;
use super::job::Job;
use super::roster::Rules;
use crate::error::{JoinError, PoolError};
use crate::green::cancel;
use crate::task::join::{JoinHandle, joinall};
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

/// OS threads for what blocks or computes, at most so many at once: to limit
/// the load on something, or to keep one sort of work from delaying another.
///
/// Works from green threads, which park, and from OS threads, which block. The
/// threads are real ones whatever is patched; they start when needed, and end
/// when they have been idle for some seconds. Dropping the pool lets it finish
/// what it was given.
///
/// If the system gives not even one thread, and in a forked child, jobs run
/// where they are spawned. A job must not wait for another one of its own
/// pool: with all threads waiting, none would be left for it.
///
/// ```
/// use greenroom::ThreadPool;
/// let pool = ThreadPool::new(4);
/// let answer = pool.spawn(|| 6 * 7);
/// assert_eq!(pool.map(0..5, |n| n * n), [0, 1, 4, 9, 16]);
/// assert_eq!(pool.apply(|| "done"), "done");
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
pub struct ThreadPool {
    crew: Arc<Crew>,
    size: usize,
}

impl ThreadPool {
    /// Of at most `size` threads, with as many jobs waiting for them as come.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn new(size: usize) -> ThreadPool {
        ThreadPool::bounded(size, usize::MAX)
    }

    /// As `new`, with at most `queue` jobs waiting; then `spawn` waits, and
    /// [`try_spawn`](ThreadPool::try_spawn) refuses.
    ///
    /// # Panics
    /// If `size` is 0.
    ///
    /// ```
    /// use greenroom::ThreadPool;
    /// use std::sync::mpsc;
    /// let pool = ThreadPool::bounded(1, 0);
    /// let (go, wait) = mpsc::channel::<()>();
    /// let busy = pool.spawn(move || wait.recv().is_ok());
    /// let job = pool.try_spawn(|| 5).unwrap_err().into_inner();
    /// go.send(()).unwrap();
    /// busy.join().unwrap();
    /// assert_eq!(pool.spawn(job).join().unwrap(), 5);
    /// ```
    pub fn bounded(size: usize, queue: usize) -> ThreadPool {
        assert!(size > 0, "a thread pool needs at least one thread");
        let rules = Rules { threads: Some(size), queue, keep: KEEP, here: true };
        ThreadPool { crew: Arc::new(Crew::new(rules)), size }
    }

    /// Runs `f` on one of the threads. A full queue is waited for, first come,
    /// first served. Joining tells how `f` ended; after `shutdown`, that it was
    /// not started.
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.crew.spawn(f)
    }

    /// As `spawn`, but does not wait.
    ///
    /// # Errors
    /// The queue is full, or the pool shut down; `f` comes back in the error.
    pub fn try_spawn<F, T>(&self, f: F) -> Result<JoinHandle<T>, PoolError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.crew.try_spawn(f)
    }

    /// Runs `f` on one of the threads and waits for its result.
    ///
    /// # Panics
    /// If `f` panics, with its payload; if the pool is shut down.
    pub fn apply<F, T>(&self, f: F) -> T
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        result(self.spawn(f).join())
    }

    /// Runs `f` on each item, as many at once as there are threads, and waits
    /// for all; the results are in the order of the items.
    ///
    /// # Panics
    /// If `f` panics, with the payload of the first in order, once all others
    /// have ended; if the pool is shut down.
    pub fn map<I, F, T>(&self, items: I, f: F) -> Vec<T>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        let f = Arc::new(f);
        let spawn = |item| {
            let f = f.clone();
            self.spawn(move || f(item))
        };
        let handles: Vec<_> = items.into_iter().map(spawn).collect();
        joinall(handles).into_iter().map(result).collect()
    }

    /// The most threads it uses.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Jobs that have not ended yet: those that run and those that wait.
    pub fn unfinished(&self) -> usize {
        self.crew.unfinished()
    }

    /// Takes no more jobs. With `wait`, waits until all it has have ended, and
    /// its threads too (called by one of its own jobs, it does not wait for
    /// that). Without, the jobs that no thread has begun are handed back, to be
    /// run elsewhere or dropped; those that run go on. A second call does what
    /// is left to do.
    pub fn shutdown(&self, wait: bool) -> Vec<Job> {
        let left = self.crew.close(!wait);
        if wait {
            self.crew.wait_for_end();
        }
        left
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.crew.close(false);
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool").field("size", &self.size).finish_non_exhaustive()
    }
}

fn result<T>(joined: Result<T, JoinError>) -> T {
    match joined {
        Ok(value) => value,
        Err(JoinError::Panicked(payload)) => resume_unwind(payload),
        Err(other) => {
            cancel::check(); // run here, it may have ended as the caller is to
            panic!("a job has no result: {other}")
        }
    }
}
