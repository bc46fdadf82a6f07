//! Finding green threads that wait for each other's locks or ends, while others
//! still run.
//!
//! Once in a while, ever more rarely, all that say what they wait for are asked,
//! which takes a word or two of each, a little at a time (`pace.rs`): a cycle does
//! not run away. Mostly that shows none. Those in one are looked at twice, and the
//! cycle is real if in both looks each
//!
//! * waits for the same thing, without a deadline, since the same time, which was
//!   before the round that its worker was in at the first look: then it has not
//!   run from the one look to the other;
//! * has a lock, or an end, that the one before it waits for. A lock's mark is
//!   cleared before the lock is released, so one that stands there and has not
//!   run has not released it.
//!
//! So at the moment between the looks all of that was true at once, and nobody
//! but a kill can change it.

use super::graph::{Graph, Waiter};
use super::holders::Holders;
use super::pace::Pace;
use super::scan::{Scanner, Sight};
use super::view::{Holder, ThreadState, WaitsFor};
use super::waits::meaning;
use crate::green::own::TICK;
use crate::green::snapshot::Snapshot;
use crate::green::why::{Kind, Why};
use crate::sched::runtime::{self, Runtime};
use crate::stack::Owner;
use crate::stack::atlas::{self, Slot};
use crate::sys::{clock, peek};
use std::collections::HashMap;
use std::time::Instant;

/// One that says what it waits for.
struct Saying {
    slot: Slot,
    owner: Owner,
    said: (Kind, u64),
}

/// All cycles of green threads that there are now for certain.
pub(super) fn seek(pace: &mut Pace) -> Vec<Vec<Waiter>> {
    let Some(runtime) = runtime::get().filter(|_| !runtime::is_forked()) else {
        return Vec::new();
    };
    let (saying, holders) = ask_all(pace);
    let held_by = holders.all(|| pace.step());
    let mut graph = Graph::default();
    for (id, saying) in &saying {
        graph.add(Waiter::Green(*id), &[wait_of(saying.said, held_by.get(id))]);
    }
    let mut scanner = Scanner::new(Instant::now());
    let real = |cycle: &Vec<Waiter>| is_real(cycle, &saying, &holders, runtime, &mut scanner);
    let mut cycles = graph.cycles();
    cycles.retain(real);
    cycles
}

/// What everybody says, by their numbers.
fn ask_all(pace: &mut Pace) -> (HashMap<u64, Saying>, Holders) {
    let (mut all, mut holders) = (HashMap::new(), Holders::default());
    for slot in atlas::slots() {
        let tag = slot.tag();
        let Some(owner) = tag.owner() else { continue };
        pace.step();
        let mut record = Snapshot::new();
        if peek::copy(owner.record.addr(), record.bytes()).is_err() || tag.owner() != Some(owner) {
            continue;
        }
        // SAFETY: the tag names it still, so it was alive when it was copied.
        holders.note(owner.id, unsafe { record.block() });
        let mut copy = [0; Why::LEN];
        if record.why() == 0 || peek::copy(record.why(), &mut copy).is_err() {
            continue;
        }
        let locks = [Kind::Mutex, Kind::Turn, Kind::Reentrant, Kind::CMutex, Kind::CLock];
        let ends = |(kind, _): &(Kind, u64)| *kind == Kind::Join || locks.contains(kind);
        if let Some(said) = Why::read(&copy).filter(ends) {
            holders.waits(owner.id, Some(said));
            all.insert(owner.id, Saying { slot, owner, said });
        }
    }
    (all, holders)
}

fn wait_of((kind, what): (Kind, u64), held_by: Option<&Holder>) -> WaitsFor {
    match meaning(kind, what) {
        WaitsFor::Lock { at, .. } => {
            WaitsFor::Lock { at, holder: held_by.copied().unwrap_or(Holder::Unknown) }
        }
        other => other,
    }
}

/// See the module's head.
fn is_real(
    cycle: &[Waiter],
    saying: &HashMap<u64, Saying>,
    holders: &Holders,
    runtime: &Runtime,
    scanner: &mut Scanner,
) -> bool {
    let member = |waiter: &Waiter| match waiter {
        Waiter::Green(id) => saying.get(id),
        Waiter::Os(_) => None,
    };
    let Some(members) = cycle.iter().map(member).collect::<Option<Vec<_>>>() else {
        return false;
    };
    let mut look =
        || members.iter().map(|m| look_at(m, holders, scanner)).collect::<Option<Vec<_>>>();
    let Some(first) = look() else { return false };
    first.iter().all(|since| are_newer(runtime, *since)) && look() == Some(first)
}

/// Since when it waits as it said, if it does.
fn look_at(saying: &Saying, holders: &Holders, scanner: &mut Scanner) -> Option<u32> {
    let waits = |sight: &Sight| {
        sight.state == ThreadState::Waiting
            && sight.deadline.is_none()
            && sight.said == Some(saying.said)
            && holders.agree(saying.owner.id, saying.said)
    };
    scanner.look(saying.slot, saying.owner).filter(waits).map(|sight| sight.since)
}

/// Whether one that parks from now on will say so with a later time than `since`:
/// every worker's present or next round began later.
fn are_newer(runtime: &Runtime, since: u32) -> bool {
    let later = |tick: u32| matches!(tick.wrapping_sub(since), 1..=0x7fff_ffff);
    let tick = |nanos: u64| (nanos / TICK) as u32;
    later(tick(clock::now()))
        && runtime.workers.iter().all(|w| w.sleep.is_asleep() || later(tick(w.counters.now.get())))
}
