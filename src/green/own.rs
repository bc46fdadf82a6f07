//! What belongs to a green thread's worker, and to itself while it runs there.

use super::limit::Marks;
use super::table::Table;
use crate::stack::GreenStack;
use crate::sys::clock::Nanos;
use crate::sys::tls::Block;
use corosensei::{Coroutine, Yielder};
use std::cell::{Cell, UnsafeCell};
use std::ops::Range;
use std::ptr;

/// What a green thread tells its worker when it suspends.
#[derive(Clone, Copy)]
pub(crate) enum Suspend {
    /// It is still runnable: queue it again.
    Yield,
    /// It waits for `State::notify`, at most until the deadline.
    Park(Option<Nanos>),
}

pub(crate) type GreenCoroutine = Coroutine<(), Suspend, (), GreenStack>;

/// What only the worker that runs a green thread touches, and the green thread
/// itself while it runs there.
#[repr(C)]
pub(crate) struct Own {
    /// The armed timer, if any: the scheduler's key for it.
    pub(crate) timer: Cell<Option<u32>>,
    /// Operations that may still succeed without blocking before it gives way.
    pub(crate) budget: Cell<u32>,
    /// The timer has fired since the last park.
    pub(crate) timed_out: Cell<bool>,
    /// What may end its waits.
    pub(super) marks: Marks,
    pub(super) yielder: Cell<*const Yielder<(), Suspend>>,
    /// About where its stack ended when it last suspended.
    pub(crate) frame: Cell<*const u8>,
    /// Its own thread-locals, if it has them.
    pub(crate) block: Cell<Option<Block>>,
    /// The worker that runs it, as the scheduler knows it.
    pub(crate) worker: Cell<*const ()>,
    /// How often it has found that one of its wakers was woken; see `waker`.
    pub(super) wakes: Cell<u64>,
    pub(crate) coroutine: UnsafeCell<Option<GreenCoroutine>>,
    /// The guard page of its stack, for the fault handler; empty at first.
    pub(super) guard: Cell<(usize, usize)>,
    /// Its green-local values.
    pub(super) table: Cell<*const Table>,
}

/// Operations that succeed at once before a green thread gives way: tokio's.
pub(crate) const BUDGET: u32 = 128;

impl Own {
    #[inline]
    pub(super) fn new() -> Own {
        Own {
            coroutine: UnsafeCell::new(None),
            yielder: Cell::new(ptr::null()),
            frame: Cell::new(ptr::null()),
            guard: Cell::new((0, 0)),
            table: Cell::new(ptr::null()),
            block: Cell::new(None),
            worker: Cell::new(ptr::null()),
            timer: Cell::new(None),
            timed_out: Cell::new(false),
            budget: Cell::new(BUDGET),
            marks: Marks::new(),
            wakes: Cell::new(0),
        }
    }

    /// Where the stack ends; empty before there is one.
    pub(super) fn guard(&self) -> Range<usize> {
        let (start, end) = self.guard.get();
        start..end
    }
}
