//! What becomes of a greenlet that nobody can switch to any more.
//!
//! Whoever drops the last reference to it, wherever that is, runs its body to its
//! end, as any destructor: a started one unwinds, one that was never started only
//! drops its closure. What is thrown in there:
//!
//! | payload | goes to |
//! |---|---|
//! | its own `Closed` | nobody: it has done its work |
//! | the `Closed` or `Exit` of another | on: that is whoever drops it, suspended in a destructor in there, and to end in turn |
//! | a panic | nobody who could expect it; the hook has reported it |
//! | the end of a wait | nobody: the next wait ends likewise |
//!
//! A body may catch its `Closed`, and switch. That is then done by whoever drops
//! it, so to switch to him is to switch to oneself, and returns at once: a body
//! that hands on values in a loop would do that for ever. So this is counted, by
//! the stack on which it happens (`count`); in the end it is left suspended, and
//! leaked.

use super::co::Closed;
use super::fiber::{Ask, Ended, Fiber};
use super::load::{Exit, Load};
use super::room;
use crate::green::current::Inside;
use crate::green::scopes::Outside;
use corosensei::{CoroutineResult, Yielder};
use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::thread::panicking;

/// How often a body that is to end may switch to whoever drops it.
const PATIENCE: u32 = 1000;

thread_local! {
    /// Those that are being ended, by where their stacks begin: with shared
    /// thread-locals by several green threads at a time.
    static ENDING: RefCell<All> = const { RefCell::new(BTreeMap::new()) };
}

type All = BTreeMap<usize, Ending>;

struct Ending {
    bottom: usize,
    yielder: *const Yielder<Load, Ask>,
    times: u32,
}

/// With them, unless they are gone; inside the runtime, as the hubs.
fn with_ending<R>(f: impl FnOnce(&mut All) -> R) -> Option<R> {
    let _inside = Inside::enter();
    ENDING.try_with(|all| f(&mut all.borrow_mut())).ok()
}

/// Says that the caller switches to itself. Does not return if it was to end, and
/// has done that too often.
#[cold]
pub(super) fn count() {
    let here = 0_u8;
    let here = (&raw const here).addr();
    let find = |all: &mut All| {
        let (base, it) = all.range_mut(here..).next().filter(|(_, it)| it.bottom <= here)?;
        it.times += 1;
        (it.times > PATIENCE).then_some((*base, it.yielder))
    };
    let Some(Some((base, yielder))) = with_ending(find) else { return };
    loop {
        // SAFETY: this is its stack, so it runs. It is not resumed again.
        unsafe { &*yielder }.suspend(Ask { to: None, load: Load::close(base) });
    }
}

/// Drops what is the user's. A panic of his has nobody to go to.
fn drop_quietly<T>(value: T) {
    // That payload's own destructor might panic once more.
    catch_unwind(AssertUnwindSafe(|| drop(value))).unwrap_or_else(forget);
}

impl Fiber {
    /// Why a started one must not be run to its end, if so.
    fn must_leak(&self) -> Option<&'static str> {
        if !self.is_started() {
            None
        } else if let Some(why) = self.home.forbids() {
            Some(why)
        } else if self.amid_unwind.get() && panicking() {
            // Else it was another one that unwound, on the same worker.
            Some("while it unwound")
        } else if cfg!(panic = "abort") {
            Some("in a program that cannot unwind")
        } else {
            None
        }
    }

    /// Ends the body, if there is one.
    fn close(&mut self) -> Option<Ended> {
        let (base, bottom) = (self.base, self.bottom);
        let (yielder, scopes) = (self.yielder(), self.scopes.get());
        let (leak, started) = (self.must_leak(), self.is_started());
        let coroutine = self.coroutine.get_mut().as_mut()?;
        if let Some(why) = leak {
            room::say_leaked("greenlet", why);
            return None;
        }
        let outside = Outside::here();
        if started {
            let ending = Ending { bottom, yielder, times: 0 };
            with_ending(|all| all.insert(base, ending));
            // SAFETY: this thread's, on the suspended stack.
            unsafe { scopes.enter() };
        }
        let result = coroutine.resume(Load::close(base));
        drop(outside);
        if started {
            with_ending(|all| all.remove(&base));
        }
        match result {
            CoroutineResult::Yield(_) => {
                room::say_leaked("greenlet", "and switched on");
                None
            }
            CoroutineResult::Return(ended) => {
                self.retire();
                Some(ended)
            }
        }
    }

    /// Drops its parent, and those who were kept by that alone: one after the
    /// other, as there may be more than would fit on a stack within each other.
    fn let_ancestors_go(&mut self) {
        let mut next = self.parent.get_mut().take();
        while let Some(mut parent) = next {
            next = Rc::get_mut(&mut parent).and_then(|it| it.parent.get_mut().take());
        }
    }
}

/// Whether whoever caught `payload` is not the one that it is to end.
fn is_anothers(payload: &(dyn Any + Send), base: usize) -> bool {
    let closed = payload.downcast_ref().is_some_and(|Closed(it)| *it != base);
    closed || payload.downcast_ref().is_some_and(|Exit(it)| *it != base)
}

impl Drop for Fiber {
    fn drop(&mut self) {
        // First, as whoever drops this one may be its parent, and be dropped in turn
        // while it waits in a destructor in there: then it would keep itself.
        let parents = AssertUnwindSafe(|| self.let_ancestors_go());
        let of_parents = catch_unwind(parents).err();
        let ended = self.close();
        drop_quietly(self.exit.get_mut().take());
        let passed_on = match ended {
            Some(Err(payload)) if is_anothers(&*payload, self.base) => Some(payload),
            ended => {
                drop_quietly(ended);
                of_parents
            }
        };
        match passed_on {
            Some(payload) if !panicking() => resume_unwind(payload),
            _ => {} // who unwinds already needs no more
        }
    }
}
