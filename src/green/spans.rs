//! `tracing`'s spans and green threads, feature `tracing`; off until `follow`.
//!
//! A subscriber knows who is in which span by thread-locals. Those of a green
//! thread's own need nothing more. Shared ones belong to whichever green thread
//! runs: before a switch, the one that runs leaves all its spans, and enters
//! them again when it comes back. So a span is idle while its green thread
//! waits, as that of a future between two polls.
//!
//! What enters and leaves is the subscriber's, that is, the user's, and comes
//! amid a park. Its patched calls block meanwhile. Should it park nevertheless,
//! it may have used up the notice for the park around: that one then returns at
//! once, as any park may, and whoever waits looks again.

use super::current::Inside;
use super::record::{Record, Suspend};
use crate::sys::errno::Errno;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tracing::dispatcher::{self, Dispatch};
use tracing::span::EnteredSpan;
use tracing::{Id, Span};

static FOLLOWS: AtomicBool = AtomicBool::new(false);

/// From now on spans go with green threads.
pub(crate) fn follow() {
    FOLLOWS.store(true, Relaxed);
}

/// Whether they do.
#[inline]
pub(super) fn follows() -> bool {
    FOLLOWS.load(Relaxed)
}

/// The span that the calling thread is in, for a thread that it makes.
pub(super) fn to_take_along() -> Option<Span> {
    if !follows() {
        return None;
    }
    quietly(Span::current).filter(|span| !span.is_none())
}

/// In a span that was taken along, until this is dropped.
pub(super) struct Within(Option<EnteredSpan>);

impl Within {
    pub(super) fn enter(span: Span) -> Option<Within> {
        quietly(|| Within(Some(span.entered())))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        quietly(|| drop(self.0.take()));
    }
}

/// Calls what is the subscriber's, and may panic.
pub(super) fn quietly<T>(f: impl FnOnce() -> T) -> Option<T> {
    let called = catch_unwind(AssertUnwindSafe(f));
    // The hook has reported it. Its own destructor might panic once more.
    called.map_err(std::mem::forget).ok()
}

/// As `Record::suspend`, on the current green thread.
///
/// # Safety
/// As that.
#[inline]
pub(super) unsafe fn suspend(record: &Record, why: Suspend) {
    if follows() && record.own.block.get().is_none() && dispatcher::has_been_set() {
        // SAFETY: the caller's promise.
        unsafe { suspend_outside(record, why) }
    } else {
        // SAFETY: the caller's promise.
        unsafe { record.suspend(why) }
    }
}

/// # Safety
/// As `suspend`.
unsafe fn suspend_outside(record: &Record, why: Suspend) {
    let errno = Errno::last();
    record.own.frame.set(ptr::null()); // any switch sets it
    let left = Left::all();
    let parked = !record.own.frame.get().is_null();
    if parked && why != Suspend::YIELD {
        record.own.timed_out.set(false);
    } else {
        // SAFETY: the caller's promise.
        unsafe { record.suspend(why) };
    }
    let timed_out = record.own.timed_out.get();
    drop(left);
    record.own.timed_out.set(timed_out);
    errno.set();
}

/// Nobody is in more spans. A subscriber that says otherwise has lost count.
const MOST: usize = 1000;

/// Spans that were left; entered again when this is dropped. They stay alive:
/// whoever has entered them is on the stack of the green thread that did.
struct Left(Vec<Id>, Option<Dispatch>);

impl Left {
    /// All that the calling thread is in, the innermost first.
    fn all() -> Left {
        let _inside = Inside::enter();
        let mut left = Left(Vec::new(), None);
        quietly(|| {
            dispatcher::get_default(|dispatch| {
                while let Some(id) = dispatch.current_span().id()
                    && left.0.len() < MOST
                {
                    left.1.get_or_insert_with(|| dispatch.clone());
                    left.0.push(id.clone());
                    dispatch.exit(id);
                }
            });
        });
        left
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let Some(dispatch) = &self.1 else { return };
        let _inside = Inside::enter();
        for id in self.0.iter().rev() {
            quietly(|| dispatch.enter(id));
        }
    }
}
