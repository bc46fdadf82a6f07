//! Notices workers that do not come round, because one of their green threads
//! computes or spins on memory; and workers with a queue while others sleep.
//!
//! A thread of its own, because the hogged worker cannot look, and idle ones
//! are asleep. It looks every few milliseconds while any worker is awake, and
//! sleeps too once all have slept for a while. What is to be done about it,
//! others do (`rescue.rs`); the monitor only says so and wakes one.

use super::runtime::Runtime;
use super::shared::Shared;
use crate::sys::clock;
use crate::sys::futex;
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::time::Duration;

/// Between two looks. A worker that shows no round between two is stale.
pub(crate) const TICK: Duration = Duration::from_millis(4);
/// Looks in a row that find everybody asleep, before the monitor sleeps too.
const PATIENCE: u32 = 25;

/// `Shared::strain`: nothing to do for it.
pub(crate) const EASY: u32 = 0;
/// Others sleep while it has a queue: take half of that.
pub(crate) const CROWDED: u32 = 1;
/// It does not come round: take all, and do its rounds.
pub(crate) const STALE: u32 = 2;
/// So many runnable ones are a queue.
const CROWD: u32 = 4;
/// Looks in a row that find a queue, before it is shared though another worker would not be
/// woken sooner than it is gone through: who keep waking each other are better off together.
const TOGETHER: u32 = 16;

/// What the looks at a worker have found.
#[derive(Default)]
struct Seen {
    round: u32,
    /// A queue, so many times in a row since others were last asked to share it.
    queue: u32,
}

/// Looks for ever.
pub(crate) fn run(runtime: &'static Runtime) -> ! {
    let mut seen: Vec<Seen> = runtime.workers.iter().map(|_| Seen::default()).collect();
    let mut quiet = 0;
    loop {
        // Not a sleep through libc: the monitor only waits for time.
        futex::wait(&AtomicU32::new(0), 0, Some(clock::after(TICK)));
        let idle = runtime.workers.iter().any(|w| w.sleep.is_asleep());
        let mut wanted = false;
        for (worker, seen) in runtime.workers.iter().zip(&mut seen) {
            let strain = look(worker, seen, idle);
            worker.strain.store(strain, Release);
            wanted |= strain != EASY;
        }
        if wanted {
            runtime.help_wanted.store(true, Release);
            runtime.wake_one();
        }
        quiet = if all_asleep(runtime) { quiet + 1 } else { 0 };
        if quiet >= PATIENCE {
            runtime.watch.sleep_while(|| all_asleep(runtime));
            quiet = 0;
        }
    }
}

fn all_asleep(runtime: &Runtime) -> bool {
    runtime.workers.iter().all(|w| w.sleep.is_asleep())
}

/// How `worker` does, compared with the last look; `idle`: others sleep.
fn look(worker: &Shared, seen: &mut Seen, idle: bool) -> u32 {
    let round = worker.round.load(Relaxed);
    let same = std::mem::replace(&mut seen.round, round) == round;
    let queue = !worker.sleep.is_asleep() && worker.queued.load(Relaxed) >= CROWD;
    seen.queue = if queue { seen.queue.saturating_add(1) } else { 0 };
    match worker.sleep.is_asleep() {
        true => EASY,
        false if same => STALE,
        false if idle && queue && (!worker.is_near() || seen.queue >= TOGETHER) => {
            seen.queue = 0;
            CROWDED
        }
        false => EASY,
    }
}
