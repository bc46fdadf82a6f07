//! Who is woken from another worker moves there, now and then.
//!
//! Two that keep waking each other from different workers pay for it each time, more
//! than for all else that they do: a worker has to be told, and perhaps woken. So where
//! green threads have their own thread-locals, one that is woken from elsewhere moves
//! there once in a while: its waker asks for it, and its worker, which has what it left
//! there (a timer; perhaps still its thread-locals, see `lane.rs`), hands it on. Those that
//! keep waking each other come together so, and then nothing has to move any more. At random,
//! for a ring of them would otherwise only turn. (The pull is Linux's, `wake_affine` of its
//! scheduler, which moves whoever is woken if that balances the load; how they come to
//! agree is the voter model: R. A. Holley, T. M. Liggett, "Ergodic theorems for weakly
//! interacting infinite systems and the voter model", 1975.)
//!
//! Only where the turns on both sides are short, and few wait there: what takes longer
//! than to be woken from elsewhere is better done at the same time.

use super::shared::Shared;
use crate::green::record::Record;
use crate::sys::clock::Nanos;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Less than it takes to wake a worker that sleeps.
const SHORT: Nanos = 4_000;
/// One of so many moves; a power of two.
const RARELY: u32 = 8;

impl Shared {
    /// In its last batch `ran` turns took `took`.
    #[inline]
    pub(super) fn turned(&self, ran: u32, took: Nanos) {
        self.ran.store(ran, Relaxed);
        self.took.store(took, Relaxed);
    }

    /// So many turns take no longer than to wake another worker.
    #[inline]
    fn does_soon(&self, turns: u32) -> bool {
        let ran = self.ran.load(Relaxed);
        u64::from(turns).saturating_mul(self.took.load(Relaxed)) <= SHORT * u64::from(ran)
    }

    /// Its turns are short.
    #[inline]
    pub(super) fn is_quick(&self) -> bool {
        self.does_soon(1)
    }

    /// By its last round, who is queued there now will not wait for long.
    #[inline]
    pub(super) fn is_near(&self) -> bool {
        self.does_soon(self.queued.load(Relaxed).saturating_add(1))
    }
}

/// Whether one that sits in a queue of a worker that does not come round is taken from
/// there (`rescue.rs`): else nobody may be drawn to where he would have to wait for that.
static ARE_RESCUED: AtomicBool = AtomicBool::new(false);

/// The monitor runs.
pub(super) fn are_rescued() {
    ARE_RESCUED.store(true, Relaxed);
}

/// When it is time for one to move, by one worker.
pub(super) struct Affine {
    random: Cell<u32>,
    /// In which round it last was, of which there is one at most: of a round that takes long
    /// nothing is known yet.
    drew: Cell<u32>,
}

impl Affine {
    pub(super) fn new(index: usize) -> Affine {
        Affine { random: Cell::new(2 * index as u32 + 1), drew: Cell::new(u32::MAX) }
    }

    /// Whether the worker of `here` asks for `thread`, which was woken there and is another's.
    /// For who has its scheduler's reference.
    #[inline]
    pub(super) fn draws(&self, here: &Shared, thread: &Record) -> bool {
        let round = here.round.load(Relaxed);
        let may = thread.own.block.get().is_some() && ARE_RESCUED.load(Relaxed);
        let draws = may && self.drew.get() != round && here.is_near() && self.is_time();
        if draws {
            self.drew.set(round);
        }
        draws
    }

    /// By G. Marsaglia, "Xorshift RNGs", 2003.
    fn is_time(&self) -> bool {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.set(x);
        x >> 16 & (RARELY - 1) == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sched::run_queue::RunQueue;

    fn shared() -> Shared {
        Shared::new(0, RunQueue::new().stealer()).unwrap()
    }

    #[test]
    fn near_is_who_has_short_turns_and_few_of_them() {
        let shared = shared();
        assert!(shared.is_quick() && shared.is_near());
        shared.turned(10, 10 * 1_000);
        shared.queued.store(3, Relaxed);
        assert!(shared.is_quick() && shared.is_near());
        shared.queued.store(4, Relaxed);
        assert!(shared.is_quick() && !shared.is_near());
        shared.turned(2, 2 * 100_000);
        shared.queued.store(0, Relaxed);
        assert!(!shared.is_quick() && !shared.is_near());
        shared.turned(1, u64::MAX);
        assert!(!shared.is_quick());
    }

    #[test]
    fn it_is_time_now_and_then() {
        for index in 0..64 {
            let affine = Affine::new(index);
            let times = (0..8_000).filter(|_| affine.is_time()).count();
            assert!((700..1_300).contains(&times), "{times} of 8000, worker {index}");
        }
    }
}
