//! Who waits for whom, and the cycles in that.
//!
//! Each waits for one thing at a time, mostly, and a lock has one holder, a join
//! one whose end is waited for; so from each leads one edge at most, as far as
//! anything is known, and to follow the edges is to find the cycles.

use super::view::{Holder, ThreadDump, ThreadState, WaitsFor};
use std::collections::HashMap;

/// A thread that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Waiter {
    /// The green thread with this number.
    Green(u64),
    /// The OS thread with this number.
    Os(i32),
}

/// From each to the one that it waits for.
#[derive(Default)]
pub(super) struct Graph(HashMap<Waiter, Waiter>);

/// The one that has to act before this wait can end.
pub(super) fn whom(waits: &[WaitsFor]) -> Option<Waiter> {
    match waits {
        [WaitsFor::Join(id)] => Some(Waiter::Green(*id)),
        [WaitsFor::Lock { holder: Holder::Green(id), .. }] => Some(Waiter::Green(*id)),
        [WaitsFor::Lock { holder: Holder::Os(Some(id)), .. }] => Some(Waiter::Os(*id as i32)),
        _ => None,
    }
}

impl Graph {
    pub(super) fn add(&mut self, waiter: Waiter, waits: &[WaitsFor]) {
        if let Some(whom) = whom(waits) {
            self.0.insert(waiter, whom);
        }
    }

    /// All green threads that wait without a deadline.
    pub(super) fn add_all(&mut self, threads: &[ThreadDump]) {
        let waits = |t: &&ThreadDump| t.state == ThreadState::Waiting && t.deadline.is_none();
        for thread in threads.iter().filter(waits) {
            self.add(Waiter::Green(thread.id), &thread.waits_for);
        }
    }

    /// Each cycle once, beginning with its least member; the least cycle first.
    pub(super) fn cycles(&self) -> Vec<Vec<Waiter>> {
        let mut rounds: HashMap<Waiter, usize> = HashMap::new();
        let mut found = Vec::new();
        for (round, start) in self.0.keys().enumerate() {
            let mut at = *start;
            while !rounds.contains_key(&at) {
                rounds.insert(at, round);
                let Some(next) = self.0.get(&at) else { break };
                at = *next;
            }
            // Came back to one of this very round: that one is in a cycle.
            if rounds.get(&at) == Some(&round) && self.0.contains_key(&at) {
                found.push(self.cycle(at));
            }
        }
        found.sort();
        found
    }

    fn cycle(&self, member: Waiter) -> Vec<Waiter> {
        let next = |at: &Waiter| Some(self.0[at]).filter(|next| *next != member);
        let mut cycle: Vec<_> = std::iter::successors(Some(member), next).collect();
        let least = (0..cycle.len()).min_by_key(|at| cycle[*at]).unwrap_or(0);
        cycle.rotate_left(least);
        cycle
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use Waiter::{Green, Os};

    fn cycles(edges: &[(u64, u64)]) -> Vec<Vec<Waiter>> {
        let mut graph = Graph::default();
        edges.iter().for_each(|(a, b)| graph.add(Green(*a), &[WaitsFor::Join(*b)]));
        graph.cycles()
    }

    #[test]
    fn cycles_are_found_once_and_tails_are_not() {
        assert!(cycles(&[]).is_empty());
        assert!(cycles(&[(1, 2), (2, 3)]).is_empty());
        assert_eq!(cycles(&[(1, 1)]), [[Green(1)]]);
        // A tail of two, and another cycle that has none.
        let found = cycles(&[(9, 8), (8, 3), (3, 1), (1, 2), (2, 3), (5, 4), (4, 5), (7, 6)]);
        assert_eq!(found, [vec![Green(1), Green(2), Green(3)], vec![Green(4), Green(5)]]);
    }

    #[test]
    fn only_what_is_known_leads_on() {
        let held_by = |holder| [WaitsFor::Lock { at: 1, holder }];
        assert_eq!(whom(&held_by(Holder::Green(1))), Some(Green(1)));
        assert_eq!(whom(&held_by(Holder::Os(Some(7)))), Some(Os(7)));
        assert_eq!(whom(&held_by(Holder::Os(None))), None);
        assert_eq!(whom(&held_by(Holder::Ended)), None);
        assert_eq!(whom(&held_by(Holder::Unknown)), None);
        assert_eq!(whom(&[WaitsFor::Item(1)]), None);
        assert_eq!(whom(&[WaitsFor::Join(1), WaitsFor::Join(2)]), None, "either will do");
    }
}
