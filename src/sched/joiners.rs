//! OS threads whose `join` is to fail once nothing can go on, if that was chosen
//! (`OnStall::Error`).

use crate::config::{self, OnStall};
use crate::green::current;
use crate::green::park::Unparker;
use crate::sys::lock::Lock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};

struct Joining {
    stalled: AtomicBool,
    thread: Unparker,
}

static JOINING: Lock<Vec<Arc<Joining>>> = Lock::new(Vec::new());

/// One that joins, until it is dropped.
pub(crate) struct Joiner(Arc<Joining>);

/// Whether the calling thread's `join` may fail so.
#[inline]
pub(crate) fn may_fail() -> bool {
    config::on_stall() == OnStall::Error && current::get().is_none()
}

/// The calling OS thread is about to join.
pub(crate) fn enter() -> Joiner {
    let thread = Unparker::current();
    let joining = Arc::new(Joining { stalled: AtomicBool::new(false), thread });
    JOINING.lock().push(joining.clone());
    Joiner(joining)
}

impl Joiner {
    /// Whether it is to fail now.
    pub(crate) fn is_stalled(&self) -> bool {
        self.0.stalled.load(Acquire)
    }
}

impl Drop for Joiner {
    fn drop(&mut self) {
        let mut joining = JOINING.lock();
        let at = joining.iter().position(|other| Arc::ptr_eq(other, &self.0));
        let gone = at.map(|at| joining.swap_remove(at));
        drop(joining);
        drop(gone);
    }
}

/// All that join now fail.
pub(super) fn fail_all() {
    let all = JOINING.lock().clone();
    for joining in all {
        joining.stalled.store(true, Release);
        joining.thread.unpark();
    }
}
