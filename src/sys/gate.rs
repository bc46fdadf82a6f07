//! The quick way to a permit, for as long as nobody has had to wait for it.
//!
//! | word | means | left by |
//! |---|---|---|
//! | `FREE` | nobody has it | who takes it: to `HELD` (Acquire); or who `wanted` it: to `SHARED` (Acquire) |
//! | `HELD` | somebody has it | he alone: to `FREE` (Release, a plain store); or to `SHARED`, if it is `wanted` |
//! | `SHARED` | closed: the permit lies elsewhere, where one can wait for it | nobody |
//!
//! Whoever has it taken to `SHARED` puts it there; those who find it so look there.
//!
//! So giving it back takes no atomic read-modify-write, and no fence. Between that
//! store and the look at `wanted` there must be a full barrier all the same: who
//! wants it runs one, on every CPU at once (`barrier.rs`), before he looks at the
//! word again. Either he finds it `FREE` then, or its holder finds it `wanted`.
//! Who gives it back looks there when it is free already, as with `quick.rs`: the
//! gate must be borrowed for the whole call.
//!
//! | `wanted` | means | left by |
//! |---|---|---|
//! | `NO` | nobody wants it | who does |
//! | `YES` | whoever gives it back may not find that yet | who wanted it, after the barrier: to `SEEN` (Release) |
//! | `SEEN` | whoever gives it back finds that; who comes later needs no barrier (Acquire) | nobody |

use super::barrier;
use super::futex::Word;
use std::sync::atomic::Ordering::*;

const FREE: u32 = 0;
const HELD: u32 = 1;
const SHARED: u32 = 2;

const NO: u32 = 0;
const YES: u32 = 1;
const SEEN: u32 = 2;

/// See the module's head.
pub(crate) struct Gate {
    word: Word,
    wanted: Word,
}

/// What came of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    Mine,
    /// Another has it.
    Held,
    /// It lies elsewhere.
    Shared,
}

/// Where the permit is to go.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    Here,
    Elsewhere,
}

impl Gate {
    pub(crate) const fn new() -> Gate {
        Gate { word: Word::new(FREE), wanted: Word::new(NO) }
    }

    #[inline]
    pub(crate) fn take(&self) -> Taken {
        let found = match self.word.load(Relaxed) {
            FREE => self.word.compare_exchange(FREE, HELD, Acquire, Relaxed),
            other => Err(other),
        };
        match found {
            Ok(_) => Taken::Mine,
            Err(HELD) => Taken::Held,
            // That it was `FREE` once more is impossible: the exchange was strong.
            Err(_) => Taken::Shared,
        }
    }

    /// By who has the permit, from here or elsewhere.
    #[inline]
    pub(crate) fn leave(&self) -> Left {
        if self.word.load(Relaxed) != HELD {
            return Left::Elsewhere;
        }
        if self.wanted.load(Relaxed) != NO {
            // Release comes with putting it elsewhere.
            self.word.store(SHARED, Relaxed);
            return Left::Elsewhere;
        }
        self.word.store(FREE, Release);
        barrier::here(); // `want`'s `everywhere` orders these two
        // It may be somebody else's by now; then that one will see it.
        if self.wanted.load(Relaxed) != NO { self.close() } else { Left::Here }
    }

    /// After it was found held: whoever has it will put it elsewhere, and if nobody
    /// has, the caller is to. False: who has it may not notice; the caller waits for
    /// longer than any store takes to be seen, says that it is `seen`, and closes again.
    #[cold]
    pub(crate) fn want(&self) -> bool {
        if self.wanted.load(Acquire) == SEEN {
            return true;
        }
        // Not over `SEEN`. What another has left there is as good.
        let _ = self.wanted.compare_exchange(NO, YES, SeqCst, Relaxed);
        let seen = barrier::everywhere();
        if seen {
            self.seen();
        }
        seen
    }

    /// See `want`.
    #[cold]
    pub(crate) fn seen(&self) {
        self.wanted.store(SEEN, Release);
    }

    /// Once it is wanted: the permit goes elsewhere if nobody has it.
    #[cold]
    pub(crate) fn close(&self) -> Left {
        match self.word.compare_exchange(FREE, SHARED, Acquire, Relaxed) {
            Ok(_) => Left::Elsewhere,
            Err(_) => Left::Here,
        }
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.word.load(Relaxed) == SHARED
    }

    /// For the models.
    #[cfg(all(test, loom))]
    #[allow(dead_code, reason = "in the copy that they include")]
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Relaxed) != NO
    }

    pub(crate) fn is_held(&self) -> bool {
        self.word.load(Relaxed) == HELD
    }
}
