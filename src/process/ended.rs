//! Waiting for a child among other things.
//!
//! The first who does has a green thread started, which waits for the child and
//! sets an event; it lasts no longer than the [`Child`](super::Child).

use crate::children::child::waitid;
use crate::green::handle::GreenThread;
use crate::sync::{Event, OnceLock};
use crate::task::spawn::spawn;
use libc::{WEXITED, WNOHANG, WNOWAIT};
use std::mem::zeroed;
use std::ptr;
use std::sync::Arc;

/// The end of one child, of whom somebody may ask.
#[derive(Debug, Default)]
pub(super) struct Ended(OnceLock<Asked>);

#[derive(Debug)]
struct Asked {
    event: Arc<Event>,
    waits: GreenThread,
}

impl Ended {
    /// Set when the child `id`, which its owner has not waited for, has ended.
    pub(super) fn event(&self, id: u32) -> &Event {
        &self.0.get_or_init(|| Asked::new(id)).event
    }
}

impl Asked {
    fn new(id: u32) -> Asked {
        let event = Arc::new(Event::new());
        let ended = event.clone();
        let waits = spawn(move || {
            // Whatever it says: then `wait` says what.
            // SAFETY: no information is asked for.
            let _ = unsafe { waitid(libc::P_PID, id, ptr::null_mut(), WEXITED | WNOWAIT) };
            ended.set();
        });
        Asked { event, waits: waits.thread().clone() }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.waits.request_kill();
    }
}

/// Whether a wait for the child `id` would return at once.
pub(super) fn is_over(id: u32) -> bool {
    // SAFETY: all zero is one that says nothing.
    let mut info: libc::siginfo_t = unsafe { zeroed() };
    // SAFETY: an out pointer; it does not wait.
    let looked = unsafe { libc::waitid(libc::P_PID, id, &mut info, WEXITED | WNOHANG | WNOWAIT) };
    // SAFETY: written, or zero.
    looked != 0 || unsafe { info.si_pid() } != 0
}
