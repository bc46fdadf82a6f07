//! A quick lock with a favourite: who has locked it many times in a row does so from
//! then on with plain stores, until anybody else comes. He may become it again, which takes
//! longer each time; nobody else may.
//!
//! Most queues, pools and futexes are used by the green threads of one worker. So threads
//! are told apart by their OS thread, and those of one cannot meet here, since nobody
//! suspends while holding it, nor locks it again; a signal handler that may have
//! interrupted who holds it only tries. What it lies in is borrowed for the whole of each
//! call, as with `quick.rs`.
//!
//! | word | by | ordering |
//! |---|---|---|
//! | `favourite` 0 to W | W, which holds `raw`; then he fences | Relaxed: whoever else holds `raw` later sees it |
//! | `favourite` W to `LEAVING` | who holds `raw`, mostly another; then he runs a barrier for all | Relaxed: W sees it after that barrier |
//! | `favourite` `LEAVING` to 0 | who holds `raw`, after a barrier of his own, once nobody is `busy` | Release: who sees it without locking (`may_be_held`) sees what W did |
//! | `busy` 0 to 1 | W, who looks at `favourite` again before he goes in | Relaxed: that barrier lies before the look, or behind this |
//! | `busy` 1 to 0 | W, also if he may not go in | Release: what he did is seen by who waits for it |
//!
//! Either W finds that he is no favourite any more, and takes `raw` as all others
//! do, or who dismissed him finds him busy, or done. It is always the same W: one that was
//! dismissed may have stopped on his way in, and would clear another's `busy`. After D. Dice,
//! M. Moir, W. Scherer, "Quickly Reacquirable Locks" (2003). `favour_loom.rs` tries the
//! interleavings.
//!
//! The favourite goes in without a fence. So nobody may conclude from a free lock that he
//! is not about to look at something (Dekker's argument), but only from there being none:
//! `may_be_held`. If that was not to be seen yet, W's fence came later, and W sees what
//! was changed before.

use super::atomic::full_fence;
use super::barrier;
use super::clock;
use super::futex::{self, Word};
use super::lock;
use super::quick::{Held, RawQuick};
use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::Ordering::*;

/// More locks in a row than that, after one, make a favourite: by then he has paid about as
/// much as it takes to make and to dismiss him, microseconds. Models have no time to lose.
const STREAK: u32 = if cfg!(loom) { 0 } else { 255 };
/// The next one needs so many times as many: what making them costs soon comes to nothing.
const AGAIN: u32 = 4;
/// More than anybody counts to.
const NEVER: u32 = u32::MAX;

/// No favourite, and nobody who may become it.
pub(crate) const NOBODY: u32 = 0;
/// In place of the favourite: he was dismissed, and may be inside still.
const LEAVING: u32 = u32::MAX;

/// See the module's head.
pub(crate) struct Favour<T> {
    favourite: Word,
    busy: Word,
    raw: RawQuick,
    /// Under `raw`.
    streak: Cell<Streak>,
    value: UnsafeCell<T>,
}

/// Who locked last, how often in a row, how often makes a favourite, and who it was if
/// there was one.
#[derive(Clone, Copy)]
struct Streak {
    last: u32,
    count: u32,
    asked: u32,
    only: u32,
}

// SAFETY: the value and `streak` are reached by one thread at a time, through the lock.
unsafe impl<T: Send> Sync for Favour<T> {}

/// Access to the value of a held [`Favour`].
pub(crate) type Guard<'a, T> = lock::Guard<'a, T, Inside<'a>>;

/// What came of an attempt.
pub(crate) enum Tried<'a, T> {
    Inside(Guard<'a, T>),
    /// Somebody holds it, or tries to, who is going to unlock it, or else to try again.
    Held,
    /// To be tried again: it was held for a moment, and others may have seen that.
    Again,
}

/// Proof that the lock is held; unlocks when dropped.
pub(crate) enum Inside<'a> {
    Favourite { _busy: Busy<'a> },
    Other { _held: Held<'a> },
}

/// Of the favourite.
pub(crate) struct Busy<'a>(&'a Word);

impl Drop for Busy<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.store(0, Release);
    }
}

impl<T> Favour<T> {
    pub(crate) const fn new(value: T) -> Favour<T> {
        Favour {
            favourite: Word::new(NOBODY),
            busy: Word::new(0),
            raw: RawQuick::new(),
            streak: Cell::new(Streak { last: NOBODY, count: 0, asked: STREAK, only: NOBODY }),
            value: UnsafeCell::new(value),
        }
    }

    /// # Safety
    /// `me` stands for the calling OS thread, always and alone, or is `NOBODY`; and this
    /// thread does not hold the lock.
    #[inline]
    pub(crate) unsafe fn lock(&self, me: u32) -> Guard<'_, T> {
        let inside = match self.enter(me) {
            Some(_busy) => Inside::Favourite { _busy },
            None => Inside::Other { _held: self.lock_raw(me) },
        };
        // SAFETY: reached by holders alone, of whom, by the caller's promise, there is one.
        unsafe { lock::Guard::new(&self.value, inside) }
    }

    /// As `lock`, in a signal handler that may have interrupted who is about to hold it, or
    /// does; never waits, but for a barrier.
    ///
    /// # Safety
    /// As `lock`, but for the last.
    #[cold]
    pub(crate) unsafe fn try_lock(&self, me: u32) -> Tried<'_, T> {
        // The favourite has `raw` as well when he was made it just now.
        if self.busy.load(Acquire) != 0 || self.raw.is_held() {
            return Tried::Held;
        }
        let inside = if me != NOBODY && self.favourite.load(Relaxed) == me {
            let Some(_busy) = self.enter(me) else { return Tried::Again };
            Inside::Favourite { _busy }
        } else {
            let Some(_held) = self.raw.try_lock() else { return Tried::Held };
            if self.favourite.load(Relaxed) != NOBODY {
                if !self.is_gone() {
                    return Tried::Again; // whoever locks next waits for him
                }
                self.favourite.store(NOBODY, Release);
            }
            Inside::Other { _held }
        };
        // SAFETY: as in `lock`.
        Tried::Inside(unsafe { lock::Guard::new(&self.value, inside) })
    }

    /// Whether somebody may hold it (also what this signal handler interrupted), or come in
    /// without a fence, unless it is the calling thread, for which `me` stands. If not, what
    /// the last holder wrote is visible.
    #[inline]
    pub(crate) fn may_be_held(&self, me: impl FnOnce() -> u32) -> bool {
        self.raw.is_held() || self.favourite.load(Acquire) != NOBODY && self.may_be_others(me())
    }

    #[cold]
    fn may_be_others(&self, me: u32) -> bool {
        // He is busy if this is a signal handler.
        self.favourite.load(Acquire) != me || self.busy.load(Relaxed) != 0
    }

    /// While nobody locks it.
    #[cfg(all(test, loom))]
    #[allow(dead_code, reason = "for the copy in the models")]
    pub(crate) fn has_favourite(&self, me: u32) -> bool {
        self.favourite.load(Relaxed) == me && self.busy.load(Relaxed) == 0
    }

    #[inline]
    fn enter(&self, me: u32) -> Option<Busy<'_>> {
        // Only this thread writes its number there: a look is exact if it finds another.
        if me == NOBODY || self.favourite.load(Relaxed) != me {
            return None;
        }
        debug_assert_eq!(self.busy.load(Relaxed), 0, "locked again by who holds it");
        self.busy.store(1, Relaxed);
        let busy = Busy(&self.busy);
        barrier::here(); // who dismisses runs `everywhere` between his store and look
        (self.favourite.load(Relaxed) == me).then_some(busy)
    }

    fn lock_raw(&self, me: u32) -> Held<'_> {
        let held = self.raw.lock();
        if self.favourite.load(Relaxed) != NOBODY {
            self.dismiss();
        } else {
            self.count(me);
        }
        held
    }

    /// Under `raw`.
    #[inline]
    fn count(&self, me: u32) {
        let before = self.streak.get();
        let count = if me == before.last { before.count.saturating_add(1) } else { 0 };
        self.streak.set(Streak { last: me, count, ..before });
        if count > before.asked && me != NOBODY && [NOBODY, me].contains(&before.only) {
            self.favour(me);
        }
    }

    #[cold]
    fn favour(&self, me: u32) {
        // Without barriers he could not be dismissed.
        let can_be = barrier::everywhere();
        let asked = if can_be { self.streak.get().asked.saturating_mul(AGAIN) } else { NEVER };
        self.streak.set(Streak { last: NOBODY, count: 0, asked, only: me });
        if can_be {
            self.favourite.store(me, Relaxed);
            full_fence(); // see the module's head
        }
    }

    /// Under `raw`; the favourite is not inside after this, and does not go in.
    #[cold]
    fn dismiss(&self) {
        if !self.is_gone() {
            self.wait_until_gone();
        }
        self.favourite.store(NOBODY, Release);
    }

    /// Under `raw`: the favourite goes in no more. Whether he is not inside.
    fn is_gone(&self) -> bool {
        self.favourite.store(LEAVING, Relaxed);
        barrier::everywhere_in_time();
        self.busy.load(Acquire) == 0
    }

    fn wait_until_gone(&self) {
        for _ in 0..SPINS {
            if self.busy.load(Acquire) == 0 {
                return;
            }
            std::hint::spin_loop();
        }
        while self.busy.load(Acquire) != 0 {
            futex::wait(&self.busy, 1, Some(clock::now() + SOON));
        }
    }
}

const SPINS: u32 = if cfg!(loom) { 0 } else { 1000 };
/// How often to look after those whether the favourite is done, which wakes nobody: mostly
/// it was interrupted by the kernel.
const SOON: clock::Nanos = 50_000;

#[cfg(all(test, not(loom)))]
#[path = "favour_tests.rs"]
mod tests;
