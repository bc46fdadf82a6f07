//! What becomes of a generator's body when it has ended, or is dropped on its way.

use super::co::{Closed, Order};
use super::home::Home;
use super::resume::{Generator, WHAT};
use super::room;
use crate::green::scopes::Outside;
use corosensei::CoroutineResult;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread::panicking;

impl<In, Out, Ret> Generator<In, Out, Ret> {
    /// Why a suspended body must not be run to its end, if so.
    fn must_leak(&self) -> Option<&'static str> {
        if self.home == Home::NONE {
            None // never started: nothing to unwind
        } else if let Some(why) = self.home.forbids() {
            Some(why)
        } else if self.amid_unwind && panicking() {
            // Else it was another green thread that unwound, on the same worker.
            Some("while it unwound")
        } else if cfg!(panic = "abort") {
            Some("in a program that cannot unwind")
        } else {
            None
        }
    }
}

impl<In, Out, Ret> Drop for Generator<In, Out, Ret> {
    fn drop(&mut self) {
        let Some(coroutine) = &mut self.coroutine else { return };
        if coroutine.done() {
            return self.retire();
        }
        if let Some(why) = self.must_leak() {
            return room::say_leaked(WHAT, why);
        }
        let coroutine = self.coroutine.as_mut().expect("looked at above");
        let outside = Outside::here();
        // SAFETY: this thread's, or nothing.
        unsafe { self.scopes.enter() };
        let order = Order::Close { amid_unwind: panicking() };
        let result = catch_unwind(AssertUnwindSafe(|| coroutine.resume(order)));
        drop(outside);
        if let Ok(CoroutineResult::Yield(_)) = result {
            return room::say_leaked(WHAT, "and yielded on");
        }
        self.retire();
        match result {
            Ok(ended) => drop(ended),
            Err(payload) if payload.downcast_ref().is_some_and(|Closed(it)| *it == self.base) => {}
            // As the panic of any destructor; amid another it would abort, and
            // the hook has reported it.
            Err(payload) if panicking() => std::mem::forget(payload),
            Err(payload) => resume_unwind(payload),
        }
    }
}

impl<In, Out, Ret> fmt::Debug for Generator<In, Out, Ret> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.coroutine.as_ref().is_none_or(|body| body.done());
        f.debug_struct("Generator").field("done", &done).finish_non_exhaustive()
    }
}
