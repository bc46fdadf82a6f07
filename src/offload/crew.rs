//! A bounded queue of jobs and the OS threads that run them.
//!
//! A new job wakes an idle thread, the one that has been idle for the shortest
//! time; without one it starts a thread, up to the most there may be; else it
//! waits its turn. Threads that were idle for a while end.
//!
//! A thread ends only while it holds the lock and sees the queue empty, and a
//! job is queued under the same lock. So a queued job always has a thread that
//! will come for it, or one that is being started for it; and if that cannot be
//! started and there is no other, who tried to start it runs the jobs itself.
//!
//! In a fork's child there are no threads, and the lock may be held for ever:
//! the crew is left alone there, and jobs run where they are made.

use super::entrance::Ticket;
use super::job::{self, Job};
use super::roster::{Load, Next, Rules, State};
use crate::config;
use crate::error::PoolError;
use crate::green::cancel::{park_or_end, raise};
use crate::green::current::{Inside, Native};
use crate::green::park::Unparker;
use crate::green::why::{Kind, Why};
use crate::sys::lock::Lock;
use crate::sys::parker::Parker;
use crate::task::join::JoinHandle;
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};
use std::thread;

/// As many threads as are useful: each waits in the kernel, so cores do not
/// matter, and what they wait for serves no more at once.
const MOST_THREADS: usize = 256;

const NO_THREAD: &str = "the system gives no thread for it";

thread_local! {
    /// The crew that this OS thread belongs to.
    static CREW: Cell<*const Crew> = const { Cell::new(ptr::null()) };
}

/// Whether the calling thread belongs to some crew.
pub(super) fn is_member() -> bool {
    !CREW.get().is_null()
}

/// See the module's head.
pub(crate) struct Crew {
    rules: Rules,
    state: Lock<State>,
    /// The process that has its threads; 0: none yet.
    process: AtomicU32,
}

/// Why a job was not admitted.
enum Refused {
    Full,
    Closed,
    /// This is a fork's child.
    Forked,
}

impl Crew {
    pub(super) fn new(rules: Rules) -> Crew {
        Crew { rules, state: Lock::new(State::new()), process: AtomicU32::new(0) }
    }

    /// Runs `f` on one of the threads; waits for a place if the queue is full.
    pub(super) fn spawn<F, T>(self: &Arc<Self>, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let admitted = self.admit(true);
        let (job, handle) = job::new(f);
        match admitted {
            Ok(()) => self.put(job),
            Err(Refused::Forked) => job.run(),
            Err(_) => job.refuse("the thread pool has been shut down"),
        }
        handle
    }

    /// As `spawn`, but does not wait.
    pub(super) fn try_spawn<F, T>(self: &Arc<Self>, f: F) -> Result<JoinHandle<T>, PoolError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let admitted = self.admit(false);
        match admitted {
            Err(Refused::Full) => return Err(PoolError::Full(f)),
            Err(Refused::Closed) => return Err(PoolError::Shutdown(f)),
            Ok(()) | Err(Refused::Forked) => {}
        }
        let (job, handle) = job::new(f);
        match admitted {
            Ok(()) => self.put(job),
            Err(_) => job.run(),
        }
        Ok(handle)
    }

    pub(super) fn load(&self) -> Load {
        if self.is_ours() { self.locked(|s| s.load()) } else { Load::default() }
    }

    /// Jobs that have not ended, running ones included.
    pub(super) fn unfinished(&self) -> usize {
        if self.is_ours() { self.locked(|s| s.unfinished) } else { 0 }
    }

    /// Under the lock. What allocates meanwhile must not come back to the
    /// patch: it would park with the lock held.
    fn locked<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let _inside = Inside::enter();
        f(&mut self.state.lock())
    }

    /// Whether the threads are of this process. Before each use of the lock.
    fn is_ours(&self) -> bool {
        let me = std::process::id();
        let other = self.process.compare_exchange(0, me, Relaxed, Relaxed);
        other.map_or_else(|other| other == me, |_| true)
    }

    fn most(&self) -> usize {
        match self.rules.threads.unwrap_or_else(config::offload_threads) {
            0 => MOST_THREADS,
            most => most,
        }
    }

    /// Takes a place for one job.
    fn admit(&self, wait: bool) -> Result<(), Refused> {
        if !self.is_ours() {
            return Err(Refused::Forked);
        }
        let places = self.most().saturating_add(self.rules.queue);
        let ticket = self.locked(|s| {
            if s.closed {
                Err(Refused::Closed)
            } else if s.unfinished < places {
                s.unfinished += 1;
                Ok(None)
            } else if wait {
                Ok(Some(s.entrance.stand()))
            } else {
                Err(Refused::Full)
            }
        })?;
        match ticket {
            None => Ok(()),
            Some(ticket) if Waiting { crew: self, ticket: &ticket }.wait() => Ok(()),
            Some(_) => Err(Refused::Closed),
        }
    }

    /// A place is free again.
    fn free_place(&self) {
        self.locked(State::free_place);
    }

    /// Queues a job that was admitted, and sees to it that it is run.
    fn put(self: &Arc<Self>, job: Job) {
        let most = self.most();
        let (idle, grow) = self.locked(|s| {
            s.queue.push_back(job);
            let idle = s.idle.pop();
            let grow = idle.is_none() && s.threads < most;
            s.threads += usize::from(grow);
            (idle, grow)
        });
        if let Some(idle) = idle {
            idle.unpark();
        } else if grow && !self.start_one() {
            self.go_without();
        }
    }

    /// Starts a real OS thread; false if the system gives none.
    fn start_one(self: &Arc<Self>) -> bool {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Relaxed);
        let crew = self.clone();
        let _native = Native::enter();
        let builder = thread::Builder::new().name(format!("greenroom-offload-{number}"));
        builder.spawn(move || crew.work()).is_ok()
    }

    /// The thread could not be started. If there is no other, the jobs are run
    /// here, one by one.
    #[cold]
    fn go_without(&self) {
        self.locked(|s| s.threads -= 1);
        if !self.rules.here {
            // Any one: the thread that was for it finds this one's.
            let job = self.locked(|s| s.queue.pop_back());
            if let Some(job) = job {
                job.refuse(NO_THREAD);
                self.free_place();
            }
            return;
        }
        loop {
            let job = self.locked(|s| if s.threads == 0 { s.queue.pop_front() } else { None });
            match job {
                Some(job) => self.finish(job),
                None => return self.locked(State::tell_leavers),
            }
        }
    }

    fn finish(&self, job: Job) {
        job.run();
        self.free_place();
    }

    /// What each thread does.
    fn work(&self) {
        CREW.set(self);
        let parker = Arc::new(Parker::new());
        while let Some(job) = self.next(&parker) {
            self.finish(job);
        }
    }

    /// The next job; `None`: the thread is to end.
    fn next(&self, parker: &Arc<Parker>) -> Option<Job> {
        loop {
            match self.locked(|s| s.next(parker)) {
                Next::Run(job) => return Some(job),
                Next::End => return None,
                Next::Wait if self.rules.rest(parker) => {}
                Next::Wait if self.locked(|s| s.retire(parker)) => return None,
                // Somebody has chosen it just now, and is about to say so.
                Next::Wait => {
                    parker.park(None);
                }
            }
        }
    }

    /// Admits no more. With `take`, the queued jobs are the caller's.
    pub(super) fn close(&self, take: bool) -> Vec<Job> {
        if !self.is_ours() {
            return Vec::new();
        }
        self.locked(|s| s.close(take))
    }

    /// Waits until all threads have ended, unless the caller is one of them.
    pub(super) fn wait_for_end(&self) {
        if !self.is_ours() || ptr::eq(CREW.get(), self) {
            return;
        }
        let why = Why::new(Kind::PoolEnd, 0);
        let _said = why.say();
        loop {
            let over = self.locked(|s| {
                let over = s.is_over();
                if !over {
                    s.leavers.push(Unparker::current());
                }
                over
            });
            if over {
                return;
            }
            park_or_end(None).unwrap_or_else(|end| raise(end));
        }
    }
}

/// One who waits for a place, and leaves the line however the wait ends.
struct Waiting<'a> {
    crew: &'a Crew,
    ticket: &'a Arc<Ticket>,
}

impl Waiting<'_> {
    /// Whether there was a place.
    fn wait(self) -> bool {
        let admitted = self.ticket.wait();
        std::mem::forget(self);
        admitted
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.crew.locked(|s| s.entrance.leave(self.ticket));
        if self.ticket.is_admitted() {
            self.crew.free_place();
        }
    }
}
