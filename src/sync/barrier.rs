//! The barrier.

use super::condvar::Condvar;
use super::mutex::Mutex;
use std::fmt;

/// Lets threads, green or not, wait until a number of them have come.
///
/// ```
/// let barrier = std::sync::Arc::new(greenroom::sync::Barrier::new(2));
/// let theirs = barrier.clone();
/// let other = greenroom::spawn(move || theirs.wait().is_leader());
/// let leads = barrier.wait().is_leader();
/// assert_ne!(leads, other.join().unwrap());
/// ```
pub struct Barrier {
    /// How many stand here, and the round.
    state: Mutex<(usize, u64)>,
    round_over: Condvar,
    parties: usize,
}

/// Whether one was the last to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// True for exactly one of each round.
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl Barrier {
    /// For `parties` threads at a time; 0 is as 1.
    pub const fn new(parties: usize) -> Barrier {
        Barrier { state: Mutex::new((0, 0)), round_over: Condvar::new(), parties }
    }

    /// Waits until all have come. Then the next round begins.
    pub fn wait(&self) -> BarrierWaitResult {
        let mut state = self.state.lock();
        let round = state.1;
        state.0 += 1;
        if state.0 >= self.parties {
            *state = (0, round.wrapping_add(1));
            self.round_over.notify_all();
            return BarrierWaitResult(true);
        }
        let leaves = Leaves { barrier: self, round };
        drop(self.round_over.wait_while(state, |state| state.1 == round));
        std::mem::forget(leaves);
        BarrierWaitResult(false)
    }
}

/// One whose wait unwinds does not stand here any more.
struct Leaves<'a> {
    barrier: &'a Barrier,
    round: u64,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        // It unwinds already, so this waits.
        let mut state = self.barrier.state.lock();
        if state.1 == self.round {
            state.0 -= 1;
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").field("parties", &self.parties).finish_non_exhaustive()
    }
}
