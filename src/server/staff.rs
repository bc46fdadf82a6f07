//! Who does the work: green threads, as many as come, or those of a pool that
//! others may use too.
//!
//! A pool is not the server's, so a stop cannot wake those who wait for one of
//! its places, as it does for the server's own room; they look every few
//! milliseconds.

use crate::error::PoolFull;
use crate::green::cancel;
use crate::task::pool::Pool;
use crate::task::spawn::Builder;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

/// How often one that waits for a place looks whether the server stops.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// So often a place is free and gone again, before it is asked for in earnest.
const TRIES: u32 = 100;

/// See above.
pub(super) struct Staff(pub(super) Option<Pool>);

impl Staff {
    /// Waits until there is somebody free; false if `stops` comes first.
    pub(super) fn wait(&self, stops: impl Fn() -> bool) -> bool {
        let Some(pool) = &self.0 else { return true };
        while !pool.wait_available_timeout(LOOK_EVERY) {
            if stops() {
                return false;
            }
        }
        true
    }

    /// Whether there is somebody free now.
    pub(super) fn is_free(&self) -> bool {
        self.0.as_ref().is_none_or(|pool| pool.free_count() > 0)
    }

    /// Has `work` done, or drops it: in a closed pool, or if `stops` before there
    /// is a place, where another has come first.
    ///
    /// # Errors
    /// No memory; or a panic: what the new thread inherits is cloned here, by the
    /// user's code. That is reported, and ends nobody but the one whose work it
    /// was.
    pub(super) fn employ<F>(&self, work: F, stops: impl Fn() -> bool) -> io::Result<()>
    where
        F: FnOnce() + Send + 'static,
    {
        let started = catch_unwind(AssertUnwindSafe(|| self.start(work, stops)));
        started.unwrap_or_else(|payload| {
            if cancel::is_killed() {
                resume_unwind(payload);
            }
            std::mem::forget(payload); // its destructor might panic once more
            Err(io::Error::other("what it was to inherit could not be cloned"))
        })
    }

    fn start<F>(&self, mut work: F, stops: impl Fn() -> bool) -> io::Result<()>
    where
        F: FnOnce() + Send + 'static,
    {
        let Some(pool) = &self.0 else { return Builder::new().spawn(work).map(drop) };
        for _ in 0..TRIES {
            match pool.try_spawn(work) {
                Ok(_detached) => return Ok(()),
                Err(PoolFull(back)) => work = back,
            }
            if !self.wait(&stops) {
                return Ok(());
            }
        }
        // It is closed, or very busy.
        drop(pool.spawn(work));
        Ok(())
    }
}
