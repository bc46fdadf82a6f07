//! A quick lock with a favourite: who has locked it many times in a row does so from
//! then on with plain stores, until anybody else comes; and then never again.
//!
//! Most queues and pools are used by the green threads of one worker. So threads are told
//! apart by their OS thread, and those of one cannot meet here, since nobody suspends
//! while holding it, nor locks it again, nor in a signal handler. What it lies in is
//! borrowed for the whole of each call, as with `quick.rs`.
//!
//! | word | by | ordering |
//! |---|---|---|
//! | `favourite` 0 to W | W, which holds `raw`, once | Relaxed: whoever else holds `raw` later sees it |
//! | `favourite` W to 0 | another, who holds `raw`; he runs a barrier for all, and waits until nobody is `busy` | Relaxed: W sees it after that barrier |
//! | `busy` 0 to 1 | W, who looks at `favourite` again before he goes in | Relaxed: that barrier lies before the look, or behind this |
//! | `busy` 1 to 0 | W, also if he may not go in | Release: what he did is seen by who waits for it |
//!
//! Either W finds that he is no favourite any more, and takes `raw` as all others
//! do, or who dismissed him finds him busy, or done. After D. Dice, M. Moir, W. Scherer,
//! "Quickly Reacquirable Locks" (2003). `favour_loom.rs` tries every interleaving.

use super::barrier;
use super::clock;
use super::futex::{self, Word};
use super::lock;
use super::quick::{Held, RawQuick};
use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::Ordering::*;

/// So many locks in a row make a favourite: by then he has paid about as much for them
/// as it takes to make and to dismiss him, some microseconds. Models have no time to lose.
const STREAK: u32 = if cfg!(loom) { 1 } else { 256 };
/// In place of a count: there was a favourite, or cannot be one.
const NEVER: u32 = u32::MAX;

/// No favourite, and nobody who may become it.
pub(crate) const NOBODY: u32 = 0;

/// See the module's head.
pub(crate) struct Favour<T> {
    favourite: Word,
    busy: Word,
    raw: RawQuick,
    /// Who locked last, and how often in a row. Under `raw`.
    last: Cell<(u32, u32)>,
    value: UnsafeCell<T>,
}

// SAFETY: the value and `last` are reached by one thread at a time, through the lock.
unsafe impl<T: Send> Sync for Favour<T> {}

/// Access to the value of a held [`Favour`].
pub(crate) type Guard<'a, T> = lock::Guard<'a, T, Inside<'a>>;

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
            last: Cell::new((NOBODY, 0)),
            value: UnsafeCell::new(value),
        }
    }

    /// # Safety
    /// `me` stands for the calling OS thread, always and alone, or is `NOBODY`; and
    /// this thread does not hold the lock.
    #[inline]
    pub(crate) unsafe fn lock(&self, me: u32) -> Guard<'_, T> {
        let inside = match self.enter(me) {
            Some(busy) => Inside::Favourite { _busy: busy },
            None => Inside::Other { _held: self.lock_raw(me) },
        };
        // SAFETY: the value is reached by holders of this lock alone, of whom, by the
        // caller's promise, there is one.
        unsafe { lock::Guard::new(&self.value, inside) }
    }

    /// For the models, while nobody locks it.
    #[cfg(all(test, loom))]
    #[allow(dead_code, reason = "in the copy that they include")]
    pub(crate) fn has_favourite(&self, me: u32) -> bool {
        self.favourite.load(Relaxed) == me && self.busy.load(Relaxed) == 0
    }

    #[inline]
    fn enter(&self, me: u32) -> Option<Busy<'_>> {
        // Only this thread writes its own number there, so a plain look is exact if
        // it finds another.
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
        let (last, count) = self.last.get();
        if count == NEVER {
            return;
        }
        let count = if me == last { count + 1 } else { 0 };
        self.last.set((me, count));
        if count >= STREAK && me != NOBODY {
            self.favour(me);
        }
    }

    #[cold]
    fn favour(&self, me: u32) {
        self.last.set((NOBODY, NEVER));
        // Without barriers he could not be dismissed.
        if barrier::everywhere() {
            self.favourite.store(me, Relaxed);
        }
    }

    /// Under `raw`; the favourite is not inside after this, and does not go in.
    #[cold]
    fn dismiss(&self) {
        self.favourite.store(NOBODY, Relaxed);
        barrier::everywhere_in_time();
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

/// How often to look before that.
const SPINS: u32 = if cfg!(loom) { 0 } else { 1000 };
/// How often to look whether the favourite is done, which wakes nobody: mostly it
/// was interrupted by the kernel.
const SOON: clock::Nanos = 50_000;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    const TURNS: u64 = if cfg!(miri) { 20 } else { 2000 };

    fn locked<T>(lock: &Favour<T>, me: u32) -> Guard<'_, T> {
        // SAFETY: each test uses a number for one thread alone, which does not nest it.
        unsafe { lock.lock(me) }
    }

    #[test]
    fn a_streak_makes_a_favourite_until_another_comes() {
        let lock = Favour::new(0);
        for _ in 0..STREAK {
            *locked(&lock, 8) += 1;
            assert_eq!(lock.favourite.load(Relaxed), NOBODY);
        }
        for _ in 0..10 {
            *locked(&lock, 8) += 1;
        }
        let can_be = !cfg!(miri); // there are no barriers
        assert_eq!(lock.favourite.load(Relaxed), if can_be { 8 } else { NOBODY });
        *locked(&lock, 16) += 1;
        assert_eq!(lock.favourite.load(Relaxed), NOBODY);
        for _ in 0..2 * STREAK {
            *locked(&lock, 8) += 1;
        }
        assert_eq!(lock.favourite.load(Relaxed), NOBODY, "once was enough");
        assert_eq!(*locked(&lock, NOBODY), u64::from(3 * STREAK) + 11);
    }

    #[test]
    fn nobody_is_no_favourite() {
        let lock = Favour::new(());
        (0..2 * STREAK).for_each(|_| drop(locked(&lock, NOBODY)));
        assert_eq!(lock.favourite.load(Relaxed), NOBODY);
    }

    /// Many times, since it is dismissed only once: all count, the favourite first.
    #[test]
    fn counts_exactly_whoever_comes() {
        for _ in 0..if cfg!(miri) { 2 } else { 200 } {
            let (lock, begun) = (Favour::new(0_u64), AtomicU64::new(0));
            std::thread::scope(|s| {
                for me in [8, 16, NOBODY] {
                    let (lock, begun) = (&lock, &begun);
                    s.spawn(move || {
                        while me != 8 && begun.load(Relaxed) < TURNS / 2 {
                            std::hint::spin_loop();
                        }
                        for turn in 0..TURNS {
                            *locked(lock, me) += 1;
                            if me == 8 {
                                begun.store(turn, Relaxed);
                            }
                        }
                    });
                }
            });
            assert_eq!(*locked(&lock, NOBODY), 3 * TURNS);
        }
    }
}
