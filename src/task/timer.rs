//! Calls that come later, unless they are cancelled.

use super::join::JoinHandle;
use super::spawn::spawn;
use crate::error::JoinError;
use crate::sync::Event;
use crate::sys::clock;
use crate::sys::lock::Lock;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Calls `f` once, on a green thread of its own, so long after it was started,
/// unless it is cancelled before: as Python's `threading.Timer`.
///
/// Exactly one of the two happens: whoever takes `f` out first, the timer or
/// [`cancel`](Timer::cancel), has decided. Dropped, a started timer goes on.
///
/// ```
/// use greenroom::Timer;
/// use std::time::Duration;
///
/// let mut soon = Timer::new(Duration::from_millis(2), || "fired");
/// let mut late = Timer::new(Duration::from_secs(3600), || "fired");
/// soon.start();
/// late.start();
/// assert_eq!(soon.join().unwrap(), Some("fired"));
/// let f = late.cancel().expect("it is not late yet");
/// assert_eq!(late.join().unwrap(), None);
/// assert_eq!(f(), "fired"); // by hand
/// ```
pub struct Timer<F, T> {
    delay: Duration,
    shared: Arc<Shared<F>>,
    running: Option<JoinHandle<Option<T>>>,
}

struct Shared<F> {
    /// Until it is called or cancelled.
    f: Lock<Option<F>>,
    cancelled: Event,
}

impl<F, T> Timer<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// Will call `f` so long after [`start`](Timer::start).
    pub fn new(delay: Duration, f: F) -> Timer<F, T> {
        let shared = Shared { f: Lock::new(Some(f)), cancelled: Event::new() };
        Timer { delay, shared: Arc::new(shared), running: None }
    }

    /// Lets the time run, from now on. One that was started or cancelled before
    /// stays as it is. As for [`spawn`](crate::spawn), a runtime that
    /// cannot start is the joiner's to hear of.
    #[track_caller]
    pub fn start(&mut self) {
        if self.running.is_some() || !self.is_pending() {
            return;
        }
        let deadline = clock::after(self.delay);
        let shared = self.shared.clone();
        self.running = Some(spawn(move || {
            if shared.cancelled.wait_by(Some(deadline)) {
                return None;
            }
            let f = shared.f.lock().take();
            f.map(|f| f())
        }));
    }

    /// Gives `f` back, which then is not called; `None` if it was, or is just
    /// being called, or was cancelled before.
    pub fn cancel(&self) -> Option<F> {
        let f = self.shared.f.lock().take();
        if f.is_some() {
            self.shared.cancelled.set();
        }
        f
    }

    /// Whether `f` is neither called nor cancelled yet.
    pub fn is_pending(&self) -> bool {
        self.shared.f.lock().is_some()
    }

    /// Waits for what `f` returns; `None` if it was cancelled, or never started.
    ///
    /// # Errors
    /// As [`JoinHandle::join`]: above all, `f` panicked.
    pub fn join(self) -> Result<Option<T>, JoinError> {
        self.running.map_or(Ok(None), JoinHandle::join)
    }
}

impl<F, T> fmt::Debug for Timer<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("delay", &self.delay)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}
