//! The selector on `polling`'s portable calls: what `selector.rs` is, slower,
//! for platforms without epoll. `--cfg greenroom_portable` picks it on Linux,
//! so that the tests can hold it to the same behaviour.

use super::clock;
use super::errno::Errno;
pub(crate) use super::ready::{Ready, Until};
use polling::{Event, PollMode, Poller};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;

/// Edge-triggered readiness of many descriptors.
pub(crate) struct Selector(Poller);

/// Room for what one wait reports.
pub(crate) struct Events(polling::Events);

impl Events {
    pub(crate) fn new() -> Events {
        Events(polling::Events::new())
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Ready> + '_ {
        self.0.iter().map(|e| Ready {
            key: e.key as u64,
            readable: e.readable,
            writable: e.writable,
            // `polling` does not report an end of file beside data.
            ended: true,
        })
    }
}

impl Selector {
    /// # Errors
    /// No descriptors or memory left.
    pub(crate) fn new() -> io::Result<Selector> {
        Ok(Selector(Poller::new()?))
    }

    /// Registers `fd` for good: both directions, edge-triggered.
    pub(crate) fn add(&self, fd: RawFd, key: u64) -> Result<(), Errno> {
        let event = Event::all(key as usize);
        // SAFETY: taken out by `delete` or by the kernel when the file closes.
        let added = unsafe { self.0.add_with_mode(fd, event, PollMode::Edge) };
        match added {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                // SAFETY: borrowed for this call.
                let fd = unsafe { BorrowedFd::borrow_raw(fd) };
                self.0.modify_with_mode(fd, event, PollMode::Edge)
            }
            other => other,
        }
        .map_err(Errno::from)
    }

    /// Undoes `add`.
    pub(crate) fn delete(&self, fd: RawFd) {
        // SAFETY: borrowed for this call.
        let _ = self.0.delete(unsafe { BorrowedFd::borrow_raw(fd) });
    }

    /// Ends the current or the next wait. Any thread.
    pub(crate) fn wake(&self) {
        let _ = self.0.notify();
    }

    /// Waits, and fills `events` with what is ready (perhaps nothing).
    pub(crate) fn wait(&self, events: &mut Events, until: Until) {
        events.0.clear();
        let timeout = match until {
            Until::Now => Some(Duration::ZERO),
            Until::Event => None,
            Until::About(time) => Some(Duration::from_nanos(time)),
            Until::Deadline(at) => Some(Duration::from_nanos(at.saturating_sub(clock::now()))),
        };
        let _ = self.0.wait(&mut events.0, timeout);
    }
}
