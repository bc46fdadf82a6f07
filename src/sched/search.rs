//! Where a worker with nothing to run looks for fresh green threads.

use super::local::Local;
use super::runtime::Runtime;

/// As `find_work`, from the injector alone: a busy worker shares with all others.
#[inline]
pub(super) fn take_share(local: &Local, runtime: &Runtime) {
    if take_injected(local, runtime) {
        // One that goes to sleep meanwhile has not seen what is on its way here, and
        // here something else may come first, for long.
        // SAFETY: as below; looking does not nest.
        let several = unsafe { local.run.with(|q| q.len() > 1) };
        if several || !runtime.injector.is_empty() {
            runtime.wake_one();
        }
    }
}

/// Takes a batch of what OS threads spawned; true if there was any.
fn take_injected(local: &Local, runtime: &Runtime) -> bool {
    // SAFETY: the owning OS thread; stealing does not nest.
    unsafe { local.run.with(|q| q.take_injected(&runtime.injector)) }
}

/// Takes fresh ones from the injector or another worker.
pub(super) fn find_work(local: &Local, runtime: &Runtime) -> bool {
    let found = take_injected(local, runtime) || steal(local, runtime);
    // Whoever spawned more than one woke only this worker.
    if found && runtime.has_fresh() {
        runtime.wake_one();
    }
    found
}

fn steal(local: &Local, runtime: &Runtime) -> bool {
    let workers = &runtime.workers;
    let mut others = workers.iter().cycle().skip(local.shared.index + 1).take(workers.len() - 1);
    // SAFETY: the owning OS thread; stealing does not nest.
    let stolen = others.any(|w| unsafe { local.run.with(|q| q.steal(&w.stealer)) });
    local.shared.counters.steals.add(stolen.into());
    stolen
}
