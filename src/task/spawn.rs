//! Spawning green threads.

use super::body;
use super::join::JoinHandle;
use super::named::{self, Named};
use crate::config;
use crate::green::handle::GreenThread;
use crate::green::record::{Birth, RecordRef};
use crate::green::report;
use crate::green::storage::Inherited;
use crate::sched::runtime::Runtime;
use crate::sched::start;
use crate::stack::SizeClass;
use crate::time;
use std::io;
use std::panic::Location;
use std::time::Duration;

/// Starts a green thread that runs `f`, and returns at once. It runs when the
/// caller next waits, or on another worker; the first call starts the runtime.
///
/// If there is no runtime to be had (a `GREENROOM_*` variable is wrong, the
/// process is out of threads, descriptors or memory), the reason goes to
/// stderr and to the joiner, as [`JoinError::NotStarted`](crate::JoinError);
/// [`Builder::spawn`] returns it instead.
///
/// ```
/// let handle = greenroom::spawn(|| "hello from a green thread");
/// println!("{}", handle.join().unwrap());
/// ```
///
/// It may run on another OS thread, so what it takes and returns is `Send`:
///
/// ```compile_fail,E0277
/// let shared = std::rc::Rc::new(1);
/// greenroom::spawn(move || *shared);
/// ```
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    spawn_from(f, Location::caller())
}

/// As [`spawn`], but `f` starts after `delay`. Killed before that, it never does,
/// and is dropped; a [`Timer`](crate::Timer) gives it back.
///
/// ```
/// use std::time::{Duration, Instant};
/// let start = Instant::now();
/// let late = greenroom::spawn_later(Duration::from_millis(10), Instant::now);
/// assert!(late.join().unwrap() - start >= Duration::from_millis(10));
///
/// let never = greenroom::spawn_later(Duration::from_secs(3600), || unreachable!());
/// never.kill();
/// ```
#[track_caller]
pub fn spawn_later<F, T>(delay: Duration, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let at = crate::sys::clock::after(delay);
    spawn_from(
        move || {
            time::until_or_end(at);
            f()
        },
        Location::caller(),
    )
}

fn spawn_from<F, T>(f: F, by: &'static Location<'static>) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    spawn_with(Inherited::capture(), f, by)
}

/// As `spawn`, of one that has an inheritance already.
#[inline]
pub(super) fn spawn_with<F, T>(
    inherited: Inherited,
    f: F,
    by: &'static Location<'static>,
) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // Before the stack size is asked for: the first start settles it.
    let runtime = start::runtime(by);
    let birth = Birth::new(None, usual_class(), by);
    let (thread, handle) = match body::new(f, birth) {
        Ok(new) => new,
        Err(_) => std::alloc::handle_alloc_error(std::alloc::Layout::new::<F>()),
    };
    inherited.give_to(&thread);
    submit(runtime, thread);
    // SAFETY: `body::new` made it for `T`, and this is its one handle.
    unsafe { JoinHandle::new(GreenThread(handle)) }
}

/// The configured stack size.
#[inline]
pub(super) fn usual_class() -> SizeClass {
    SizeClass::for_size(config::stack_size()).unwrap_or(SizeClass::DEFAULT)
}

/// Queues `thread`, or says why it cannot run.
#[inline]
pub(super) fn submit(runtime: io::Result<&'static Runtime>, thread: RecordRef) {
    match runtime {
        Ok(runtime) => runtime.submit(thread),
        Err(why) => refuse(thread, why),
    }
}

#[cold]
pub(super) fn refuse(thread: RecordRef, why: io::Error) {
    report::not_started(&thread, &why);
    refuse_quietly(thread, why);
}

/// Its joiner alone is told why it never ran.
pub(super) fn refuse_quietly(thread: RecordRef, why: io::Error) {
    thread.state.begin_run();
    thread.state.finish();
    // SAFETY: it was queued nowhere, so nobody else will start or refuse it.
    unsafe { thread.refuse(why) }
}

/// Settings of one green thread, as `std::thread::Builder`.
///
/// ```
/// let handle = greenroom::Builder::new()
///     .name("parser".into())
///     .stack_size(1024 * 1024)
///     .spawn(|| greenroom::current().unwrap().name().map(str::to_owned))?;
/// assert_eq!(handle.join().unwrap().as_deref(), Some("parser"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "a Builder does nothing until it spawns"]
pub struct Builder {
    pub(super) name: Option<String>,
    stack_size: Option<usize>,
}

impl Builder {
    /// No name, and the configured stack size.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// What panics, overflows and [`GreenThread::name`] call it. With a family
    /// patched that needs own thread-locals, `std::thread::current()` inside
    /// has that name too.
    pub fn name(mut self, name: String) -> Builder {
        self.name = Some(name);
        self
    }

    /// The usable stack in bytes: rounded up to a power of two, and to 64 KiB
    /// at least. At most 1 GiB. Only the pages that are touched cost memory.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// Starts a green thread that runs `f`.
    ///
    /// # Errors
    /// The stack size is more than the maximum (`InvalidInput`), memory has run
    /// out, or the runtime could not start.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let inherited = Inherited::capture();
        let by = Location::caller();
        let runtime = start::runtime(by)?;
        let class = self.class()?;
        let name = self.name.map(String::into_boxed_str);
        let (thread, handle) = match &name {
            Some(text) if named::works_for(text) => {
                let named = Named::new(f, text)?;
                body::new(move || named.run(), Birth::new(name, class, by))?
            }
            _ => body::new(f, Birth::new(name, class, by))?,
        };
        inherited.give_to(&thread);
        runtime.submit(thread);
        // SAFETY: as in `spawn_from`.
        Ok(unsafe { JoinHandle::new(GreenThread(handle)) })
    }

    pub(super) fn class(&self) -> io::Result<SizeClass> {
        let bytes = self.stack_size.unwrap_or_else(config::stack_size);
        SizeClass::for_size(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))
    }
}
