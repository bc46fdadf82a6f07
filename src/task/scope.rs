//! Green threads that borrow from their creator, which waits for all of them.

use super::beside::drop_quietly;
use super::body;
use super::join::JoinHandle;
use super::scope_state::{Share, Shared};
use super::spawn::{Builder, submit, usual_class};
use crate::error::JoinError;
use crate::green::cancel::{self, raise};
use crate::green::handle::GreenThread;
use crate::green::limit::Limit;
use crate::green::record::{Birth, RecordRef};
use crate::green::storage::Inherited;
use crate::sched::start;
use crate::sys::clock;
use std::alloc::{Layout, handle_alloc_error};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Calls `f`, which may spawn green threads that borrow what the caller owns,
/// and returns when all of them have ended, as `std::thread::scope`. (Trio calls
/// such a thing a nursery.) Works on green threads and on plain OS threads.
///
/// If the caller is killed, so are they, and it ends once they have. Each takes
/// along the [`timeout`](crate::timeout) that whoever spawns it is in, so one
/// around a scope ends their waits as well as its own.
///
/// # Panics
/// With the panic of `f`; else with the first panic of a green thread whose
/// handle was not joined. In either case all of them have ended before.
///
/// ```
/// let mut counts = [0; 3];
/// let (first, others) = counts.split_at_mut(1);
/// greenroom::scope(|s| {
///     s.spawn(|| first[0] += 1);
///     let sum = s.spawn(|| others.iter().sum::<i32>());
///     assert_eq!(sum.join().unwrap(), 0);
/// });
/// assert_eq!(counts, [1, 0, 0]);
/// ```
///
/// What they borrow must outlive the scope:
///
/// ```compile_fail,E0373
/// greenroom::scope(|s| {
///     let inside = 1;
///     s.spawn(|| inside + 1);
/// });
/// ```
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let shared = Arc::new(Shared::new());
    let scope = Scope { shared: shared.clone(), scope: PhantomData, env: PhantomData };
    let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    if result.is_err() {
        shared.failed(None);
    }
    let end = shared.wait();
    let mut failure = shared.failure();
    let value = result.unwrap_or_else(|payload| {
        // Not amid the unwinding, where a panic in its destructor would abort.
        drop_quietly(failure.take());
        resume_unwind(payload)
    });
    if let Some(payload) = failure {
        resume_unwind(payload);
    }
    if let Some(end) = end {
        raise(end);
    }
    value
}

/// Where the green threads of a [`scope`](scope()) are spawned.
pub struct Scope<'scope, 'env: 'scope> {
    shared: Arc<Shared>,
    // Neither lifetime may be shortened or lengthened, as in std.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl<'scope> Scope<'scope, '_> {
    /// Starts a green thread that runs `f`; see [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let inherited = Inherited::capture();
        let by = Location::caller();
        let runtime = start::runtime(by);
        let new = self.make(f, Birth::new(None, usual_class(), by));
        let (thread, handle) = new.unwrap_or_else(|_| handle_alloc_error(Layout::new::<F>()));
        inherited.give_to(&thread);
        submit(runtime, thread);
        handle
    }

    /// What is left is to queue it.
    fn make<F, T>(
        &'scope self,
        f: F,
        birth: Birth,
    ) -> io::Result<(RecordRef, ScopedJoinHandle<'scope, T>)>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let limited = cancel::limit().map(|until| (until, self.shared.clone()));
        let within_limit = move || {
            let Some((until, scope)) = limited else { return f() };
            let limit = Limit::new(until);
            let value = limit.within(f);
            if limit.has_struck() {
                scope.cut_short();
            }
            value
        };
        let share = Share(self.shared.clone());
        // SAFETY: `scope` waits for `Beside::over` before 'scope ends, and the
        // handle does not outlive 'scope.
        let (thread, handle) = unsafe { body::new_unbound(within_limit, birth, share) }?;
        // SAFETY: made for `T`, and this is its one handle.
        let handle = unsafe { JoinHandle::new(GreenThread(handle)) };
        self.shared.enter(handle.thread());
        let shared = self.shared.clone();
        Ok((
            thread,
            ScopedJoinHandle { handle: ManuallyDrop::new(handle), shared, scope: PhantomData },
        ))
    }

    /// From now on the first failure ends all: if one of its green threads
    /// panics or cannot start, or the closure of the scope panics, all others
    /// are killed, and those that are spawned later.
    ///
    /// ```
    /// use greenroom::{scope, sleep};
    /// use std::panic::catch_unwind;
    /// use std::time::Duration;
    ///
    /// let failed = catch_unwind(|| {
    ///     scope(|s| {
    ///         s.kill_on_failure();
    ///         s.spawn(|| sleep(Duration::from_secs(3600)));
    ///         s.spawn(|| panic!("no luck"));
    ///     })
    /// });
    /// assert_eq!(failed.unwrap_err().downcast_ref(), Some(&"no luck"));
    /// ```
    pub fn kill_on_failure(&self) {
        self.shared.kill_on_failure();
    }

    /// Kills all of its green threads, also those that are spawned later, and
    /// does not wait. See [`GreenThread::kill`].
    ///
    /// ```
    /// greenroom::scope(|s| {
    ///     s.spawn(greenroom::park);
    ///     s.kill();
    /// });
    /// ```
    pub fn kill(&self) {
        self.shared.kill(None);
    }
}

impl Builder {
    /// Starts a green thread that runs `f` in `scope`. Its name is known to
    /// greenroom, but not to `std::thread::current()`.
    ///
    /// # Errors
    /// As `spawn`.
    ///
    /// ```
    /// let name = greenroom::scope(|s| {
    ///     let named = greenroom::Builder::new().name("borrower".into());
    ///     let name = || greenroom::current().unwrap().name().map(str::to_owned);
    ///     named.spawn_scoped(s, name).unwrap().join().unwrap()
    /// });
    /// assert_eq!(name.as_deref(), Some("borrower"));
    /// ```
    #[track_caller]
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let inherited = Inherited::capture();
        let by = Location::caller();
        let runtime = start::runtime(by)?;
        let class = self.class()?;
        let name = self.name.map(String::into_boxed_str);
        let (thread, handle) = scope.make(f, Birth::new(name, class, by))?;
        inherited.give_to(&thread);
        runtime.submit(thread);
        Ok(handle)
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// As [`JoinHandle`], of a green thread in a [`scope`](scope()). If it is dropped,
/// a panic of that green thread is the scope's.
///
/// ```
/// let text = String::from("borrowed");
/// let length = greenroom::scope(|s| s.spawn(|| text.len()).join().unwrap());
/// assert_eq!(length, 8);
/// ```
pub struct ScopedJoinHandle<'scope, T> {
    handle: ManuallyDrop<JoinHandle<T>>,
    shared: Arc<Shared>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// The green thread itself.
    pub fn thread(&self) -> &GreenThread {
        self.handle.thread()
    }

    /// Whether it has ended, so that `join` would return at once.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Ends it, and waits until it has ended; see [`GreenThread::kill`].
    pub fn kill(&self) {
        self.handle.kill();
    }

    /// Waits until it has ended, and returns what it returned.
    ///
    /// # Errors
    /// As [`JoinHandle::join`]; such a panic is not the scope's any more.
    pub fn join(mut self) -> Result<T, JoinError> {
        // If this wait unwinds, what fails meanwhile is the scope's.
        self.handle.wait_for_end(None);
        self.into_handle().join()
    }

    /// As `join`, but waits `timeout` at most.
    ///
    /// # Errors
    /// Gives the handle back if it has not ended by then.
    pub fn join_timeout(mut self, timeout: Duration) -> Result<Result<T, JoinError>, Self> {
        self.handle.wait_for_end(Some(clock::after(timeout)));
        // To join itself is an error at once.
        let joins = self.is_finished() || self.handle.is_current();
        if joins { Ok(self.into_handle().join()) } else { Err(self) }
    }

    fn into_handle(self) -> JoinHandle<T> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is neither used nor dropped after this.
        unsafe {
            std::ptr::drop_in_place(&raw mut this.shared);
            ManuallyDrop::take(&mut this.handle)
        }
    }
}

impl<T> Drop for ScopedJoinHandle<'_, T> {
    fn drop(&mut self) {
        // SAFETY: it is being dropped.
        match unsafe { ManuallyDrop::take(&mut self.handle) }.detach() {
            Some(Err(why)) => self.shared.unclaimed(why),
            value => drop_quietly(value),
        }
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}
