//! Counted permits: what mutexes, semaphores and queues are made of.
//!
//! The word holds the number of free permits, `CLOSED`, and `WAITERS`, which is
//! set only under the line's lock, and exactly while somebody stands in line
//! (but for the moments in which the lock is held). With `WAITERS` no permit is
//! free: what is released goes to the first in line, and never through the
//! word. Taking is Acquire, releasing Release; a hand-over is ordered by the
//! node's outcome.

use super::line::{Line, Node, Outcome};
use super::place::{self, Place};
use super::waitable::{Spot, Watch};
use crate::green::park::Waiting;
use crate::sys::clock::Nanos;
use crate::sys::lock::Lock;
use std::sync::atomic::{AtomicUsize, Ordering::*};

const WAITERS: usize = 1;
const CLOSED: usize = 2;
const ONE: usize = 4;
/// The highest number of permits.
pub(crate) const MOST: usize = usize::MAX / ONE - 1;

/// See above.
pub(crate) struct Permits {
    word: AtomicUsize,
    most: usize,
    line: Lock<Line>,
}

impl Permits {
    /// `free` permits now, and never more than `most`.
    pub(crate) const fn new(free: usize, most: usize) -> Permits {
        assert!(free <= most && most <= MOST, "too many permits");
        Permits { word: AtomicUsize::new(free * ONE), most, line: Lock::new(Line::new()) }
    }

    /// How many there may be.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// How many are free.
    pub(crate) fn free(&self) -> usize {
        self.word.load(Acquire) / ONE
    }

    #[inline]
    pub(crate) fn try_acquire(&self) -> bool {
        let mut word = self.word.load(Relaxed);
        while word >= ONE {
            match self.word.compare_exchange_weak(word, word - ONE, Acquire, Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Waits for one, at most until `deadline`. Once closed, takes what is
    /// left and is refused then.
    #[inline]
    pub(crate) fn acquire(&self, deadline: Option<Nanos>) -> Outcome {
        if self.try_acquire() { Outcome::Granted } else { self.stand_in_line(deadline) }
    }

    #[cold]
    fn stand_in_line(&self, deadline: Option<Nanos>) -> Outcome {
        let node = place::node();
        // SAFETY: `wait` returns or unwinds when the node is out of line.
        match unsafe { self.enter(&node) } {
            Some(outcome) => outcome,
            None => place::wait(self, &node, deadline),
        }
    }

    /// Puts `node` in line; else what it would have got there.
    ///
    /// # Safety
    /// As `Line::push`.
    unsafe fn enter(&self, node: &Node) -> Option<Outcome> {
        let mut line = self.line.lock();
        loop {
            if self.try_acquire() {
                return Some(Outcome::Granted);
            }
            let word = self.word.load(Relaxed);
            if word & CLOSED != 0 {
                return Some(Outcome::Refused);
            }
            let none = word < ONE;
            if none && self.word.compare_exchange(word, word | WAITERS, AcqRel, Relaxed).is_ok() {
                break;
            }
        }
        // SAFETY: the caller's promise.
        unsafe { line.push(node) };
        None
    }

    /// Gives one back; false if there are as many as there may be.
    #[inline]
    pub(crate) fn release(&self) -> bool {
        let mut word = self.word.load(Relaxed);
        loop {
            if word & WAITERS != 0 {
                if self.hand_over() {
                    return true;
                }
                word = self.word.load(Relaxed);
                continue;
            }
            if word / ONE >= self.most {
                return false;
            }
            match self.word.compare_exchange_weak(word, word + ONE, Release, Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Gives one to the first in line; false if nobody stands there any more.
    #[cold]
    fn hand_over(&self) -> bool {
        let mut line = self.line.lock();
        // SAFETY: in line, so not told yet.
        let told = line.grant(u64::MAX, |who: Waiting| unsafe { who.wake() });
        self.note_empty(&line);
        drop(line);
        told.map(|told| told.finish()).is_some()
    }

    fn note_empty(&self, line: &Line) {
        if line.is_empty() {
            self.word.fetch_and(!WAITERS, Relaxed);
        }
    }

    /// Refuses those who wait, and whoever finds none.
    pub(crate) fn close(&self) {
        self.word.fetch_or(CLOSED, SeqCst);
        loop {
            let mut line = self.line.lock();
            // SAFETY: in line, so not told yet.
            let told = line.refuse(|who: Waiting| unsafe { who.wake() });
            self.note_empty(&line);
            drop(line);
            match told {
                Some(told) => told.finish(),
                None => return,
            }
        }
    }
}

impl Watch for Permits {
    fn is_ready(&self) -> bool {
        self.word.load(Acquire) & !WAITERS != 0
    }

    /// It is granted a permit, and gives it back when it leaves.
    fn watch(&self, spot: &Spot) -> bool {
        // SAFETY: spots stay until they were taken out by `unwatch`.
        match unsafe { self.enter(spot.node()) } {
            None => true,
            Some(outcome) => {
                if outcome == Outcome::Granted {
                    self.release();
                }
                false
            }
        }
    }

    fn unwatch(&self, spot: &Spot) {
        place::abandon(self, spot.node());
    }
}

impl Place for Permits {
    fn leave(&self, node: &Node) -> bool {
        let mut line = self.line.lock();
        // SAFETY: `wait` was given a node that is in this line.
        let left = unsafe { line.leave(node) };
        self.note_empty(&line);
        left
    }

    fn pass_on(&self) {
        self.release();
    }
}
