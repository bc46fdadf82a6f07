//! The greenlets of one thread, green or not: which is the current one, and how
//! it hands over.
//!
//! corosensei's coroutines return to whoever resumed them. So a greenlet that
//! switches to another suspends, and says to whom; the hub, in the `switch` of
//! the thread's own greenlet below them all, resumes that one. There is one such
//! loop at a time: it runs while `current` is some greenlet, and starting
//! another takes that it is the thread's own.
//!
//! What runs is always what `current` says, or a generator that it has resumed,
//! or a destructor that it runs. So nothing of others is dropped or called here,
//! in between: what is to be dropped travels on with the load.

use super::fiber::{Ask, Ended, Fiber, is_exit};
use super::home::Home;
use super::load::{From, Kind, Load};
use crate::green::current::Inside;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

thread_local! {
    /// With shared thread-locals those of all green threads of a worker.
    static HUBS: RefCell<Hubs> = const { RefCell::new(BTreeMap::new()) };
}

type Hubs = BTreeMap<Home, Weak<Hub>>;

/// With those of this OS thread, unless they are gone. An allocator that let others
/// run would have them find this borrowed.
fn with_hubs<R>(f: impl FnOnce(&mut Hubs) -> R) -> Option<R> {
    let _inside = Inside::enter();
    HUBS.try_with(|hubs| f(&mut hubs.borrow_mut())).ok()
}

/// See the module's head. Lives as long as a handle to one of its greenlets.
pub(super) struct Hub {
    pub(super) home: Home,
    /// `None` is the thread's own.
    current: RefCell<Option<Rc<Fiber>>>,
    /// What the thread's own waits for, while another one is the current one.
    expects: Cell<&'static Kind>,
}

impl Hub {
    /// The calling thread's.
    pub(super) fn here() -> Rc<Hub> {
        let home = Home::settle();
        // In a thread that is about to end each asks for himself.
        if let Some(Some(hub)) = with_hubs(|hubs| hubs.get(&home).and_then(Weak::upgrade)) {
            return hub;
        }
        let expects = Cell::new(Kind::of::<()>());
        let hub = Rc::new(Hub { home, current: RefCell::new(None), expects });
        let weak = Rc::downgrade(&hub);
        with_hubs(|hubs| hubs.insert(home, weak));
        hub
    }

    /// Whether the calling thread is the one.
    #[inline]
    pub(super) fn is_here(&self) -> bool {
        self.home == Home::here()
    }

    /// The current one, as what is kept until what it sends has arrived.
    #[inline]
    pub(super) fn sender(&self) -> From {
        self.current.borrow().clone().map(|fiber| fiber as _)
    }

    pub(super) fn current(&self) -> Option<Rc<Fiber>> {
        self.current.borrow().clone()
    }

    /// Whether that is the current one.
    #[inline]
    pub(super) fn runs(&self, fiber: Option<&Rc<Fiber>>) -> bool {
        match (&*self.current.borrow(), fiber) {
            (None, None) => true,
            (Some(current), Some(fiber)) => Rc::ptr_eq(current, fiber),
            _ => false,
        }
    }

    /// What that one waits for.
    #[inline]
    pub(super) fn expected_by(&self, fiber: Option<&Rc<Fiber>>) -> &'static Kind {
        fiber.map_or_else(|| self.expects.get(), |fiber| fiber.expects.get())
    }

    /// Hands over to `to`, and returns what the caller gets when he is switched
    /// to again. That is to be of the kind that he `expects`.
    ///
    /// # Safety
    /// On the hub's thread. `to` is neither dead nor the current one. The load
    /// is of the kind that it expects, and a lent one from the caller's frame
    /// names the current one.
    #[inline] // after a switch no return is predicted
    pub(super) unsafe fn switch(
        &self,
        to: Option<Rc<Fiber>>,
        load: Load,
        expects: &'static Kind,
    ) -> Load {
        let ask = Ask { to, load };
        let yielder = {
            let current = self.current.borrow();
            let Some(fiber) = &*current else {
                drop(current);
                self.expects.set(expects);
                return self.run(ask);
            };
            fiber.expects.set(expects);
            fiber.yielder()
        };
        // No reference to itself stays on its stack, or it would never go.
        // SAFETY: the current one has started and not ended, and this is its
        // stack or one above it: that of a generator which it waits for.
        unsafe { &*yielder }.suspend(ask)
    }

    /// Runs greenlets until one switches to the thread's own.
    fn run(&self, mut ask: Ask) -> Load {
        while let Some(fiber) = ask.to {
            // The one before is kept by the load, for as long as is needed.
            drop(self.current.replace(Some(fiber.clone())));
            // SAFETY: the hub's loop; `switch` demands it of whoever asks, and
            // `after` sees to it.
            ask = match unsafe { fiber.enter(ask.load) } {
                Ok(ask) => ask,
                Err(ended) => self.after(fiber, ended),
            };
        }
        drop(self.current.take());
        ask.load
    }

    /// What comes after the end of `fiber`.
    #[cold]
    fn after(&self, fiber: Rc<Fiber>, ended: Ended) -> Ask {
        let to = living(fiber.parent.borrow().clone());
        // A dead one does not keep its dead parents, nor need anybody pass them
        // again: where each makes the next and ends, that would be all before it.
        let passed = fiber.parent.replace(to.clone());
        let expected = self.expected_by(to.as_ref());
        let mut load = match ended {
            Ok(value) => Load::returned(value, expected, fiber),
            Err(payload) if is_exit(&*payload, fiber.base) => {
                match fiber.exit.borrow_mut().take() {
                    Some(value) => Load::returned(value, expected, fiber.clone()),
                    None => Load::throw(payload, Some(fiber.clone())),
                }
            }
            Err(payload) => Load::throw(payload, Some(fiber)),
        };
        if let Some(passed) = passed.filter(|it| it.is_dead()) {
            load.also_drop(passed);
        }
        Ask { to, load }
    }
}

/// `fiber` if it is alive, else the first of its ancestors that is. The thread's
/// own never dies.
#[inline]
pub(super) fn living(mut fiber: Option<Rc<Fiber>>) -> Option<Rc<Fiber>> {
    while let Some(dead) = fiber.take_if(|fiber| fiber.is_dead()) {
        fiber = dead.parent.borrow().clone();
    }
    fiber
}

impl Drop for Hub {
    fn drop(&mut self) {
        with_hubs(|hubs| hubs.remove(&self.home));
    }
}
