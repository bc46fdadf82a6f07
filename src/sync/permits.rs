//! Counted permits: what mutexes, semaphores and queues are made of.
//!
//! The word holds the number of free permits, `CLOSED`, and `WAITERS`, which is
//! set only under the line's lock, and exactly while somebody stands in line or
//! watches (but for the moments in which the lock is held). With `WAITERS` no
//! permit is free: what is released goes to the first in line, and not through
//! the word. If there are only watchers, who want none, it becomes free, and all
//! of them are told. Taking is Acquire, releasing Release; a hand-over is ordered
//! by the node's outcome.

use super::line::{Line, Node, Outcome};
use super::place::{self, Place, Source};
use super::waitable::{Spot, Waitable, Watch};
use crate::green::park::Waiting;
use crate::green::why::{Kind, Why};
use crate::sys::clock::Nanos;
use crate::sys::quick::Quick;
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
    line: Quick<Line>,
    /// What those in line wait for.
    kind: Kind,
}

impl Permits {
    /// `free` permits now, and never more than `most`.
    pub(crate) const fn new(free: usize, most: usize) -> Permits {
        assert!(free <= most && most <= MOST, "too many permits");
        let (word, line) = (AtomicUsize::new(free * ONE), Quick::new(Line::new()));
        Permits { word, most, line, kind: Kind::Permit }
    }

    /// These permits, of a `kind` of their own.
    pub(crate) const fn of(self, kind: Kind) -> Permits {
        Permits { kind, ..self }
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

    /// Has whoever releases look into the line, whose lock is held; false if
    /// there is no need to wait.
    fn announce(&self) -> bool {
        let word = self.word.load(Relaxed);
        word & !WAITERS == 0 && self.word.compare_exchange(word, WAITERS, AcqRel, Relaxed).is_ok()
    }

    /// Gives one back; false if there are as many as there may be.
    #[inline]
    pub(crate) fn release(&self) -> bool {
        let mut word = self.word.load(Relaxed);
        loop {
            // First, for those that never have one: who waits there gets none.
            if word / ONE >= self.most {
                return false;
            }
            if word & WAITERS != 0 {
                if self.hand_over() {
                    return true;
                }
                word = self.word.load(Relaxed);
                continue;
            }
            match self.word.compare_exchange_weak(word, word + ONE, Release, Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Gives one to the first in line, or frees it if there are only watchers;
    /// false if nobody is there any more.
    #[cold]
    fn hand_over(&self) -> bool {
        let mut line = self.line.lock();
        // SAFETY: in line, so not told yet.
        let told = line.grant(u64::MAX, |who: Waiting| unsafe { who.wake() });
        let frees = told.is_none() && line.is_watched();
        if frees {
            self.word.fetch_add(ONE, Release);
            line.tell_watchers();
        }
        self.note_empty(&line);
        drop(line);
        told.map(|told| told.finish()).is_some() || frees
    }

    fn note_empty(&self, line: &Line) {
        if line.is_empty() && !line.is_watched() {
            let word = self.word.load(Relaxed);
            if word < ONE && word & WAITERS != 0 {
                // Such a word changes under the lock alone.
                self.word.store(word & !WAITERS, Relaxed);
            } else if word & WAITERS != 0 {
                self.word.fetch_and(!WAITERS, Relaxed);
            }
        }
    }

    /// Refuses those who wait, and whoever finds none.
    pub(crate) fn close(&self) {
        loop {
            let mut line = self.line.lock();
            self.word.fetch_or(CLOSED, SeqCst);
            // SAFETY: in line, so not told yet.
            let told = line.refuse(|who: Waiting| unsafe { who.wake() });
            if told.is_none() {
                line.tell_watchers();
            }
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

    fn watch(&self, spot: &Spot) -> bool {
        let mut line = self.line.lock();
        while !self.is_ready() {
            if self.announce() {
                // SAFETY: spots stay until they were taken out by `unwatch`.
                unsafe { line.push_watcher(spot.node()) };
                return true;
            }
        }
        false
    }

    fn unwatch(&self, spot: &Spot) {
        self.leave(spot.node());
    }
}

/// Ready when one is free, or it was closed.
impl Waitable for Permits {}

impl Place for Permits {
    fn why(&self) -> Why {
        Why::at(self.kind, self)
    }

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

impl Source for Permits {
    fn try_now(&self) -> Option<Outcome> {
        if self.try_acquire() {
            return Some(Outcome::Granted);
        }
        let word = self.word.load(Acquire);
        (word < ONE && word & CLOSED != 0).then_some(Outcome::Refused)
    }

    /// # Safety
    /// As `Source` says.
    unsafe fn enter(&self, node: &Node) -> Option<Outcome> {
        let mut line = self.line.lock();
        loop {
            if let Some(outcome) = self.try_now() {
                return Some(outcome);
            }
            let word = self.word.load(Relaxed);
            let none = word < ONE && word & CLOSED == 0;
            if none && self.word.compare_exchange(word, word | WAITERS, AcqRel, Relaxed).is_ok() {
                // SAFETY: the caller's promise.
                unsafe { line.push(node) };
                return None;
            }
        }
    }
}
