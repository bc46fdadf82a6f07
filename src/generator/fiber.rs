//! The body of a greenlet, without its type of values.
//!
//! | `life` | its stack | moves |
//! |---|---|---|
//! | `Fresh` | the closure | switched to: starts; dropped: drops the closure |
//! | `Started` | frames, suspended in a switch unless it is the current one | switched to: goes on; dropped: unwinds, or is leaked |
//! | `Dead` | given back, or never there | – |
//!
//! Only two touch the coroutine: the hub, when it enters the one that it makes
//! the current one; and the drop of the last reference, when nobody can switch
//! to it any more (`forgotten.rs`). In that drop its body runs on behalf of whoever drops it, as
//! any destructor: who is the current one does not change, so what it calls,
//! switches included, is done by that one.

use super::home::Home;
use super::load::{Exit, Kind, Load};
use super::room;
use crate::green::scopes::{self, Outside, Scopes};
use crate::stack::LabelledStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::any::Any;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::thread::panicking;

/// What a greenlet tells the hub when it suspends: whom to run, `None` being
/// the thread's own, and what that one gets.
pub(super) struct Ask {
    pub(super) to: Option<Rc<Fiber>>,
    pub(super) load: Load,
}

/// What came of a body.
pub(super) type Ended = Result<Box<dyn Any>, Box<dyn Any + Send>>;

type Body = Coroutine<Load, Ask, Ended, LabelledStack>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Fresh,
    Started,
    Dead,
}

/// See the module's head.
pub(super) struct Fiber {
    /// The thread whose it is.
    pub(super) home: Home,
    /// Who goes on when it has ended; `None` is the thread's own.
    pub(super) parent: RefCell<Option<Rc<Fiber>>>,
    /// What it waits for.
    pub(super) expects: Cell<&'static Kind>,
    /// What its parent gets if it is killed.
    pub(super) exit: RefCell<Option<Box<dyn Any>>>,
    /// Where its stack begins, by which its `Exit` and `Closed` are known.
    pub(super) base: usize,
    /// Where its stack ends.
    pub(super) bottom: usize,
    /// Why it has no stack.
    pub(super) failure: Option<io::Error>,
    /// Set when it starts, valid until it ends.
    yielder: Cell<*const Yielder<Load, Ask>>,
    life: Cell<Life>,
    /// It suspended while its body unwound.
    pub(super) amid_unwind: Cell<bool>,
    /// What its body is in, while suspended. Not what others are in, as nobody
    /// calls it; but the thread's own one, who waits below, shields it.
    pub(super) scopes: Cell<Scopes>,
    /// None when dead. Not dropped as it is: corosensei would unwind it in its
    /// own way.
    pub(super) coroutine: UnsafeCell<Option<ManuallyDrop<Body>>>,
}

impl Fiber {
    /// A fresh one that will run `body`, or a dead one if it has no stack.
    pub(super) fn new<T, F>(
        home: Home,
        parent: Option<Rc<Fiber>>,
        stack: io::Result<LabelledStack>,
        body: F,
    ) -> Rc<Fiber>
    where
        T: 'static,
        F: FnOnce(T) -> T + 'static,
    {
        let (stack, failure) = match stack {
            Ok(stack) => (Some(stack), None),
            Err(failure) => (None, Some(failure)),
        };
        let bounds = stack.as_ref().map_or(0..0, LabelledStack::bounds);
        let fiber = Rc::new(Fiber {
            home,
            parent: RefCell::new(parent),
            expects: Cell::new(Kind::of::<T>()),
            exit: RefCell::new(None),
            base: bounds.end,
            bottom: bounds.start,
            failure,
            yielder: Cell::new(ptr::null()),
            life: Cell::new(if stack.is_some() { Life::Fresh } else { Life::Dead }),
            amid_unwind: Cell::new(false),
            scopes: Cell::new(Scopes::NONE),
            coroutine: UnsafeCell::new(None),
        });
        if let Some(stack) = stack {
            let this = Rc::as_ptr(&fiber);
            let coroutine = Coroutine::with_stack(stack, move |yielder, first: Load| {
                if !first.closes() {
                    // Before anybody's code runs here, which may switch.
                    // SAFETY: the hub has it as the current one.
                    unsafe { (*this).yielder.set(yielder) };
                }
                // SAFETY: a fresh one expects `T`.
                unsafe { main::<T, F>(first, body) }
            });
            // SAFETY: nobody else knows it yet.
            unsafe { *fiber.coroutine.get() = Some(ManuallyDrop::new(coroutine)) };
        }
        fiber
    }

    pub(super) fn is_dead(&self) -> bool {
        self.life.get() == Life::Dead
    }

    pub(super) fn is_started(&self) -> bool {
        self.life.get() == Life::Started
    }

    /// By which it suspends, once it has started and until it ends.
    #[inline]
    pub(super) fn yielder(&self) -> *const Yielder<Load, Ask> {
        self.yielder.get()
    }

    /// Runs it until it suspends or ends; then it is dead.
    ///
    /// # Safety
    /// On the hub's behalf, which has just made it the current one. It is not
    /// dead, and does not run.
    #[inline]
    pub(super) unsafe fn enter(&self, load: Load) -> Result<Ask, Ended> {
        // SAFETY: by the caller's promise nobody else has the coroutine.
        let coroutine = unsafe { (*self.coroutine.get()).as_mut() }.expect("it is not dead");
        self.life.set(Life::Started);
        let unwinding = panicking();
        let outside = Outside::here();
        self.put_scopes();
        let shielded = outside.is_shielded();
        if shielded {
            scopes::shield_around(true); // whose call waits for this one
        }
        let result = coroutine.resume(load);
        if shielded {
            scopes::shield_around(false);
        }
        match result {
            CoroutineResult::Yield(ask) => {
                self.scopes.set(outside.back());
                self.amid_unwind.set(!unwinding && panicking());
                Ok(ask)
            }
            CoroutineResult::Return(ended) => {
                self.retire();
                Err(ended)
            }
        }
    }

    fn put_scopes(&self) {
        let scopes = self.scopes.replace(Scopes::NONE);
        if scopes != Scopes::here() {
            // SAFETY: none, or this thread's, as the hub's home says, on the
            // suspended stack.
            unsafe { scopes.set() };
        }
    }

    /// It has ended: gives its stack back.
    pub(super) fn retire(&self) {
        self.life.set(Life::Dead);
        // SAFETY: it does not run, and will not.
        if let Some(coroutine) = unsafe { (*self.coroutine.get()).take() } {
            room::give(ManuallyDrop::into_inner(coroutine).into_stack());
        }
    }
}

/// The body's first and last frame.
///
/// # Safety
/// `first` is for it, and of type `T`.
unsafe fn main<T: 'static, F: FnOnce(T) -> T>(first: Load, body: F) -> Ended {
    catch_unwind(AssertUnwindSafe(move || {
        // SAFETY: the caller's promise.
        match unsafe { first.open() } {
            Ok(value) => Ok(Box::new(body(value)) as Box<dyn Any>),
            Err(payload) => {
                drop(body); // thrown at before it started
                Err(payload)
            }
        }
    }))
    .unwrap_or_else(Err)
}

/// Whether `payload` is that of the kill of the one whose stack begins at `base`.
pub(super) fn is_exit(payload: &(dyn Any + Send), base: usize) -> bool {
    payload.downcast_ref().is_some_and(|Exit(it)| *it == base)
}
