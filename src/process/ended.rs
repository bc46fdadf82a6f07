//! Waiting for a child among other things.
//!
//! The first who does has a green thread started, which waits for the child and
//! sets an event; it lasts no longer than the [`Child`](super::Child).

use crate::children::child::waitid;
use crate::green::handle::GreenThread;
use crate::sync::{Event, OnceLock};
use crate::sys::raw;
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
        let tell = Tell(event.clone());
        let waits = spawn(move || {
            let _tell = tell;
            // Whatever it says: then `wait` says what.
            // SAFETY: no information is asked for.
            let _ = unsafe { waitid(libc::P_PID, id, ptr::null_mut(), WEXITED | WNOWAIT) };
        });
        Asked { event, waits: waits.thread().clone() }
    }
}

/// Sets it also if there is no green thread to be had, or it is killed: who
/// waits must not do so for ever.
struct Tell(Arc<Event>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.set();
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
    let how = (WEXITED | WNOHANG | WNOWAIT) as usize;
    let args = [libc::P_PID as usize, id as usize, &raw mut info as usize, how, 0, 0];
    // SAFETY: an out pointer; it does not wait.
    let looked = unsafe { raw::syscall(libc::SYS_waitid, args) };
    // SAFETY: written, or zero.
    looked.is_err() || unsafe { info.si_pid() } != 0
}
