//! Taking a dump.

use super::holders::Holders;
use super::scan::{Scanner, Sight};
use super::symbols::{Symbols, is_park};
use super::view::{Dump, Frame, ThreadDump, ThreadState, WaitsFor, WorkerDump};
use super::waits::Tables;
use crate::green::current::{self, Inside};
use crate::green::own::TICK;
use crate::offload::everyone::{Apart, try_apart};
use crate::sched::runtime::{self, Runtime};
use crate::sched::shared::Shared;
use crate::sys::clock::{self, Nanos};
use crate::sys::mem;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long it may take to walk stacks and to look at descriptors. The rest is
/// little.
const TIME: Duration = Duration::from_millis(1500);

/// Looks at every green thread: who it is, what it does, what it waits for, and
/// where it stands.
///
/// No green thread and no worker is stopped for it, or even asked, so it works
/// also when one of them computes for ever; then those are not of the same
/// moment, as each is looked at in turn. What could not be seen is said in its
/// place. For a green thread an OS thread does the work, one that is kept for this,
/// and the caller parks; where its calls are not caught, as in a panic hook or in
/// [`native`](crate::patch::native), it does the work itself. Neither a kill nor a
/// [`timeout`](crate::timeout) ends it.
///
/// Naming the functions needs debug information in the program; the first dump
/// reads it, which may take some time. In release builds `debug =
/// "line-tables-only"` is enough.
///
/// ```
/// let sleeper = greenroom::spawn(greenroom::park);
/// greenroom::spawn(|| greenroom::yield_now()).join().unwrap();
/// let dump = greenroom::inspect::dump();
/// println!("{dump}");
/// println!("{}", dump.to_json());
/// # sleeper.thread().unpark();
/// ```
pub fn dump() -> Dump {
    if current::patched().is_none() {
        return dump_here();
    }
    // Not by `offload`: those who keep all its threads may be what is looked for.
    try_apart(Apart::Dumps, dump_here).unwrap_or_else(dump_here)
}

fn dump_here() -> Dump {
    with_holders(TIME).0
}

/// And who holds what, as far as it is known; `time` for stacks and descriptors.
pub(super) fn with_holders(time: Duration) -> (Dump, Holders) {
    // Should it be on a green thread: what it reads blocks.
    let _inside = Inside::enter();
    let start = Instant::now();
    // In a fork's child there are no workers, and locks may be held for ever.
    let Some(runtime) = runtime::get().filter(|_| !runtime::is_forked()) else {
        return Default::default();
    };
    let mut names = Names::new();
    let mut tables = Tables::read(start + time);
    let mut threads = Vec::new();
    let mut holders = Holders::default();
    let missed = Scanner::new(start + time).scan(|sight| {
        holders.saw(&sight);
        threads.push(thread(sight, runtime, &mut tables, &mut names));
    });
    holders.tell(&mut threads);
    threads.sort_by_key(|thread| thread.id);
    let dump = Dump {
        workers: runtime.workers.iter().map(|w| worker(w, &threads)).collect(),
        // In this order: one that is taken from there meanwhile is missed, not counted twice.
        not_started: runtime.workers.iter().map(|w| w.stealer.len()).sum::<usize>()
            + runtime.injector.len(),
        threads,
        missed,
        took: start.elapsed(),
    };
    (dump, holders)
}

fn worker(shared: &Shared, threads: &[ThreadDump]) -> WorkerDump {
    let runs = |t: &&ThreadDump| t.state == ThreadState::Running && t.worker == Some(shared.index);
    WorkerDump {
        running: threads.iter().find(runs).map(|thread| thread.id),
        fresh: shared.stealer.len(),
        asleep: shared.sleep.is_asleep(),
    }
}

fn thread(sight: Sight, runtime: &Runtime, tables: &mut Tables, names: &mut Names) -> ThreadDump {
    let now = clock::now();
    let waits = sight.state == ThreadState::Waiting;
    let frames = sight.slot.frames();
    let backtrace = sight.stack.map(|addresses| names.of(addresses));
    let mut waits_for = Vec::new();
    if waits {
        waits_for = tables.of(sight.owner.record.addr(), sight.said);
        if waits_for.is_empty() && backtrace.as_ref().is_ok_and(|frames| is_park(frames)) {
            waits_for.push(WaitsFor::Unpark);
        }
    }
    ThreadDump {
        id: sight.owner.id,
        name: sight.name,
        state: sight.state,
        age: Some(Duration::from_nanos(now.saturating_sub(sight.owner.born))),
        in_state: waits.then(|| since(sight.since, now)),
        spawned_at: sight.by,
        parent: (sight.parent != 0).then_some(sight.parent),
        worker: number(runtime, sight.worker),
        waits_for,
        deadline: sight
            .deadline
            .filter(|_| waits)
            .map(|d| Duration::from_nanos(d.saturating_sub(now))),
        stack_size: sight.slot.bytes(),
        stack_touched: mem::touched(frames.start, frames.end.next_multiple_of(mem::page_size())),
        backtrace,
    }
}

/// How long ago `tick` was, which has wrapped.
fn since(tick: u32, now: Nanos) -> Duration {
    let ticks = ((now / TICK) as u32).wrapping_sub(tick);
    // Noted a little late, it may be in the future.
    Duration::from_nanos(if ticks > u32::MAX / 2 { 0 } else { u64::from(ticks) * TICK })
}

/// The worker that a record knows as `local`.
fn number(runtime: &Runtime, local: usize) -> Option<usize> {
    let is = |w: &&&'static Shared| w.local.load(Relaxed).addr() == local && local != 0;
    runtime.workers.iter().find(is).map(|w| w.index)
}

/// Stacks with names, each put together once.
struct Names {
    symbols: Symbols,
    stacks: HashMap<Vec<usize>, Arc<[Frame]>>,
}

impl Names {
    fn new() -> Names {
        Names { symbols: Symbols::new(), stacks: HashMap::new() }
    }

    fn of(&mut self, addresses: Vec<usize>) -> Arc<[Frame]> {
        if let Some(known) = self.stacks.get(&addresses) {
            return known.clone();
        }
        let frames = self.symbols.name(&addresses);
        self.stacks.insert(addresses, frames.clone());
        frames
    }
}
