//! Parks an OS thread, as `std::thread::park` does, without std's entry points.

use super::clock::{self, Nanos};
use super::futex;
use std::sync::atomic::{AtomicU32, Ordering::*};

const EMPTY: u32 = 0;
const NOTIFIED: u32 = 1;
const PARKED: u32 = u32::MAX;

/// One OS thread's token: at most one wake-up is remembered.
pub(crate) struct Parker(AtomicU32);

impl Parker {
    pub(crate) const fn new() -> Parker {
        Parker(AtomicU32::new(EMPTY))
    }

    /// Waits for the token, at most until `deadline`; true if it came. Only the
    /// owning thread calls this.
    pub(crate) fn park(&self, deadline: Option<Nanos>) -> bool {
        // NOTIFIED -> EMPTY: taken at once. EMPTY -> PARKED: announce.
        // Acquire pairs with the Release in `unpark`.
        if self.0.fetch_sub(1, Acquire) == NOTIFIED {
            return true;
        }
        loop {
            futex::wait(&self.0, PARKED, deadline);
            if self.0.compare_exchange(NOTIFIED, EMPTY, Acquire, Relaxed).is_ok() {
                return true;
            }
            if deadline.is_some_and(|d| clock::now() >= d) {
                return self.0.swap(EMPTY, Acquire) == NOTIFIED;
            }
        }
    }

    /// Leaves the token and wakes the thread if it waits.
    pub(crate) fn unpark(&self) {
        if self.0.swap(NOTIFIED, Release) == PARKED {
            futex::wake_one(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_token_left_first_is_not_lost() {
        let p = Parker::new();
        p.unpark();
        p.unpark();
        assert!(p.park(None));
        assert!(!p.park(Some(clock::after(Duration::from_millis(5)))));
    }

    #[test]
    fn wakes_across_threads() {
        let p = Parker::new();
        std::thread::scope(|s| {
            s.spawn(|| p.unpark());
            assert!(p.park(None));
        });
    }
}
