//! When to look at a worker, and when to say something.
//!
//! Workers count their rounds, of a tenth of a millisecond or a single turn. One whose
//! count has not changed from one look to the next is *suspected*: what it runs is marked.
//! If after the limit the count is still the same, and so is the green thread, and its mark
//! is still there, then it has not given way in between, and is reported; again when it has
//! lasted twice as long, and so on.
//!
//! A worker that comes round all the time, has never been idle and switches more
//! often than work would let it may run one that gives way again and again while it
//! waits for something. Whoever runs there is marked at each look; one that was
//! there a limit ago and has not waited since is looked at closely. The mark costs a
//! worker in such a state a few microseconds for each look, some dozens a second;
//! others are never interrupted.

use super::monitor_look::{Glance, Sighting, Subject, pause, walk};
use super::monitor_report::Doing;
use super::monitor_sample::Green;
use crate::sched::shared::Shared;
use crate::sys::clock::{self, Nanos};
use crate::sys::os_thread;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::Ordering::Relaxed;

/// So many switches in a second are not work.
const TOO_OFTEN: u64 = 10_000;
/// How often one that gives way is looked at closely, and how often it must be hit.
const LOOKS: u32 = 24;
const HITS: u32 = 5;
/// More are not followed: then many give way, and no one is to blame.
const MOST: usize = 64;

/// Something to report.
pub(super) struct Catch {
    pub(super) sighting: Sighting,
    pub(super) worker: usize,
    pub(super) lasts: Nanos,
    pub(super) before: u32,
}

/// One green thread that is suspected, since when, and what comes of it.
#[derive(Clone, Copy)]
struct Suspect {
    id: u64,
    since: Nanos,
    /// When to look again.
    next: Nanos,
    before: u32,
    /// How long its worker had had the CPU then.
    cpu: Nanos,
}

impl Suspect {
    /// From now on: it was marked before.
    fn new(id: u64, subject: Subject<'_>, limit: Nanos) -> Suspect {
        let (now, cpu) = (clock::now(), cpu_time(subject));
        Suspect { id, since: now, next: now.saturating_add(limit), before: 0, cpu }
    }

    /// It is to be reported, now.
    fn catch(&mut self, sighting: Sighting, worker: usize) -> Catch {
        let now = clock::now();
        let lasts = now - self.since;
        let before = self.before;
        self.before += 1;
        self.next = now + lasts; // when it has lasted twice as long
        Catch { sighting, worker, lasts, before }
    }
}

/// What was seen of one worker.
#[derive(Default)]
struct Last {
    at: Nanos,
    round: u32,
    switches: u64,
    idle: Nanos,
    suspect: Option<Suspect>,
}

/// What was seen of all.
pub(super) struct Watch {
    limit: Nanos,
    signal: i32,
    last: Vec<Last>,
    giving_way: HashMap<u64, Suspect>,
}

impl Watch {
    pub(super) fn new(limit: Nanos, signal: i32) -> Watch {
        Watch { limit, signal, last: Vec::new(), giving_way: HashMap::new() }
    }

    /// Looks at all of them.
    pub(super) fn look(&mut self, workers: &[&'static Shared]) -> Vec<Catch> {
        self.last.resize_with(workers.len(), Last::default);
        let mut found = Vec::new();
        for (number, worker) in workers.iter().enumerate() {
            let subject = Subject { worker, signal: self.signal };
            let last = &mut self.last[number];
            // Each at its own time: one may take long to look at.
            let now = clock::now();
            let before = std::mem::replace(&mut last.at, now);
            let round = worker.round.load(Relaxed);
            let same = std::mem::replace(&mut last.round, round) == round;
            let switches = worker.counters.switches.get();
            let switched = switches - std::mem::replace(&mut last.switches, switches);
            let idle = worker.counters.idle(now);
            let never_idle = std::mem::replace(&mut last.idle, idle) == idle;
            if before == 0 || worker.sleep.is_asleep() {
                last.suspect = None;
            } else if same {
                found.extend(keeps(last, subject, now, self.limit));
            } else {
                last.suspect = None;
                if never_idle && switched > TOO_OFTEN * (now - before) / 1_000_000_000 {
                    found.extend(self.gives_way(subject, now));
                }
            }
        }
        let now = clock::now();
        self.giving_way
            .retain(|_, suspect| suspect.next.saturating_add(self.limit.saturating_mul(4)) > now);
        found
    }

    /// `subject` switches all the time.
    fn gives_way(&mut self, subject: Subject<'_>, now: Nanos) -> Option<Catch> {
        let green = *subject.glance(false).green()?;
        let start = || Suspect::new(green.id, subject, self.limit);
        let suspect = follow(&mut self.giving_way, &green, start)?;
        if now < suspect.next {
            return None;
        }
        match closely(subject, green.id) {
            Some(sighting) => Some(suspect.catch(sighting, subject.worker.index)),
            None => {
                suspect.next = now.saturating_add(self.limit);
                None
            }
        }
    }
}

/// What is known of `green`, if it has not waited since it was first seen. Else it is
/// followed from now on, unless there are too many.
fn follow<'a>(
    known: &'a mut HashMap<u64, Suspect>,
    green: &Green,
    start: impl FnOnce() -> Suspect,
) -> Option<&'a mut Suspect> {
    let is_full = known.len() >= MOST;
    match known.entry(green.id) {
        Entry::Occupied(there) if green.found.no_wait => return Some(there.into_mut()),
        Entry::Occupied(mut there) => _ = there.insert(start()),
        Entry::Vacant(_) if is_full => {}
        Entry::Vacant(free) => _ = free.insert(start()),
    }
    None
}

/// `subject` has not come round since the last look.
fn keeps(last: &mut Last, subject: Subject<'_>, now: Nanos, limit: Nanos) -> Option<Catch> {
    let Some(suspect) = &mut last.suspect else {
        let green = *subject.seek(false).green()?;
        last.suspect = Some(Suspect::new(green.id, subject, limit));
        return None;
    };
    if now < suspect.next {
        return None;
    }
    let sighting = subject.examine(suspect.id);
    // It may have come round meanwhile, and what was seen is of another run.
    let round = subject.worker.round.load(Relaxed);
    match sighting.filter(|_| round == last.round) {
        // On a machine with too much to do it may have run for a moment only.
        Some(Sighting { doing: Doing::Computing | Doing::Spinning, .. })
            if cpu_time(subject).saturating_sub(suspect.cpu) < limit / 2 =>
        {
            suspect.next = now + limit / 4;
            None
        }
        Some(sighting) => Some(suspect.catch(sighting, subject.worker.index)),
        None => {
            last.suspect = None;
            None
        }
    }
}

/// How long the worker has had the CPU.
fn cpu_time(subject: Subject<'_>) -> Nanos {
    os_thread::cpu_time(subject.worker.thread.load(Relaxed))
}

/// Whether the green thread with this number gives way by itself after next to no
/// time, without ever waiting.
fn closely(subject: Subject<'_>, id: u64) -> Option<Sighting> {
    let (mut hits, mut long, mut by_itself) = (0, 0, 0);
    let mut seen = None;
    for _ in 0..LOOKS {
        pause();
        let glance = subject.glance(true);
        let Glance::Runs(_) = glance else { continue };
        let Some(green) = glance.green().filter(|green| green.id == id).copied() else { continue };
        if !green.found.no_wait {
            return None;
        }
        hits += 1;
        // The kernel may have run others in between, so once proves nothing.
        long += u32::from(green.found.same_run);
        by_itself += u32::from(green.found.gives_way_itself);
        let stack = walk(&glance);
        // In the middle of a switch a walk ends early.
        if seen.as_ref().map_or(0, |seen: &Sighting| seen.stack.len()) < stack.len() {
            seen = Some(Sighting { green, doing: Doing::GivingWay, stack });
        }
        if hits >= HITS {
            break;
        }
    }
    (hits >= HITS && long * 2 <= hits && by_itself * 4 >= hits * 3).then_some(seen?)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::green::mark::Found;

    #[test]
    fn one_that_has_waited_is_followed_anew_also_among_many() {
        let suspect = |id, since| Suspect { id, since, next: 0, before: 0, cpu: 0 };
        let green = |id, no_wait| {
            let found = Found { no_wait, ..Found::default() };
            Green { record: 0, id, found }
        };
        let mut known: HashMap<_, _> = (0..MOST as u64).map(|id| (id, suspect(id, 10))).collect();
        let mut since = |id, no_wait| {
            follow(&mut known, &green(id, no_wait), || suspect(id, 20)).map(|it| it.since)
        };
        assert_eq!(since(7, true), Some(10));
        assert_eq!(since(7, false), None, "it has waited");
        assert_eq!(since(7, true), Some(20));
        assert_eq!((since(1000, true), since(1000, true)), (None, None), "one too many");
    }
}
