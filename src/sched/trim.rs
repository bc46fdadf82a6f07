//! Giving back what stands idle: stacks, and memory of records.

use super::local::Local;
use crate::sys::clock::{self, Nanos};
use std::cell::Cell;
use std::time::Instant;

/// How often that is done.
const EVERY: Nanos = 1_000_000_000;
/// How often a part of it, by a worker that has other things to do.
const PART: Nanos = 10_000_000;

/// When to look for it, and whether to wake up for that.
pub(super) struct Trim {
    at: Nanos,
    again: bool,
}

impl Trim {
    pub(super) fn new() -> Trim {
        Trim { at: 0, again: false }
    }

    /// For a worker that has nothing to do: gives its own back; says when to look again,
    /// if ever.
    pub(super) fn idle(&mut self, local: &Local, now: Nanos) -> Option<Nanos> {
        self.if_idle(now, &local.spare, || give_back(local))
    }

    /// For a worker that has: now and then a part of it.
    #[inline]
    pub(super) fn in_passing(&mut self, local: &Local, now: Nanos) {
        self.if_busy(now, &local.spare, || give_back(local));
    }

    /// `give_back` says when there may be more; `spare`: whether something has come to be
    /// spare since it was called.
    fn if_idle(
        &mut self,
        now: Nanos,
        spare: &Cell<bool>,
        give_back: impl FnOnce() -> Option<Nanos>,
    ) -> Option<Nanos> {
        if now >= self.at {
            self.look(now, spare, give_back);
        } else if spare.replace(false) {
            // Given back since the last look, which may have seen no need for another soon.
            self.at = self.at.min(now + EVERY);
            self.again = true;
        }
        self.again.then_some(self.at)
    }

    #[inline]
    fn if_busy(
        &mut self,
        now: Nanos,
        spare: &Cell<bool>,
        give_back: impl FnOnce() -> Option<Nanos>,
    ) {
        if now >= self.at {
            self.look(now, spare, give_back);
            self.at = self.at.clamp(now + PART, now + EVERY);
        }
    }

    #[cold]
    fn look(&mut self, now: Nanos, spare: &Cell<bool>, give_back: impl FnOnce() -> Option<Nanos>) {
        let again = give_back();
        spare.set(false);
        self.at = again.unwrap_or(now + EVERY);
        self.again = again.is_some();
    }
}

/// Gives back what stands idle; when there may be more.
fn give_back(local: &Local) -> Option<Nanos> {
    let time = Instant::now();
    // SAFETY: the owning OS thread; trimming does not nest.
    let stacks = unsafe { local.stacks.with(|s| s.trim(time)) };
    // SAFETY: as above.
    let heap = unsafe { local.heap.with(|h| h.trim(time)) };
    stacks.into_iter().chain(heap).min().map(clock::at)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// As `if_idle` where nothing is to be given back yet.
    fn rests(trim: &mut Trim, now: Nanos, spare: &Cell<bool>) -> Option<Nanos> {
        trim.if_idle(now, spare, || panic!("looked at {now}"))
    }

    #[test]
    fn who_is_idle_wakes_only_for_what_may_be_given_back() {
        let (mut trim, spare) = (Trim::new(), Cell::new(true));
        let now = 5 * EVERY;
        assert_eq!(trim.if_idle(now, &spare, || Some(now + 30)), Some(now + 30));
        assert!(!spare.get(), "that was seen");
        assert_eq!(rests(&mut trim, now + 29, &spare), Some(now + 30));
        assert_eq!(trim.if_idle(now + 30, &spare, || None), None);
        assert_eq!(rests(&mut trim, now + 40, &spare), None, "for good");
    }

    #[test]
    fn what_was_given_back_after_the_last_look_is_not_forgotten() {
        let (mut trim, spare) = (Trim::new(), Cell::new(false));
        let now = 5 * EVERY;
        assert_eq!(trim.if_idle(now, &spare, || None), None);
        spare.set(true);
        assert_eq!(rests(&mut trim, now + 10, &spare), Some(now + EVERY));
        assert!(!spare.get());
        assert_eq!(rests(&mut trim, now + 20, &spare), Some(now + EVERY), "still");
        assert_eq!(trim.if_idle(now + EVERY, &spare, || None), None);
        // Nor does it put off a look that was to come before.
        assert_eq!(
            trim.if_idle(now + 2 * EVERY, &spare, || Some(now + 2 * EVERY + 7)),
            Some(now + 2 * EVERY + 7)
        );
        spare.set(true);
        assert_eq!(rests(&mut trim, now + 2 * EVERY + 1, &spare), Some(now + 2 * EVERY + 7));
    }

    #[test]
    fn who_is_busy_looks_neither_all_the_time_nor_never() {
        let (mut trim, spare) = (Trim::new(), Cell::new(true));
        let mut looks = Vec::new();
        // There is always more at once; from the fifth on there is nothing.
        for now in (EVERY..4 * EVERY).step_by(PART as usize / 4) {
            let more = (looks.len() < 5).then_some(now);
            trim.if_busy(now, &spare, || {
                looks.push(now - EVERY);
                more
            });
        }
        let first = [0, PART, 2 * PART, 3 * PART, 4 * PART, 5 * PART];
        assert_eq!(looks[..6], first);
        assert_eq!(looks[6..], [5 * PART + EVERY, 5 * PART + 2 * EVERY]);
        assert!(!spare.get());
        // Nor only when an idle one would, which may be much later.
        let (mut trim, mut looks) = (Trim::new(), 0);
        for now in (EVERY..=3 * EVERY).step_by(EVERY as usize) {
            trim.if_busy(now, &spare, || {
                looks += 1;
                Some(now + 60 * EVERY)
            });
        }
        assert_eq!(looks, 3);
    }
}
