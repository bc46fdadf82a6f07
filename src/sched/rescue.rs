//! Looking after a stale worker: running what waits behind its hog.
//!
//! Only where green threads have their own thread-locals, and so may move
//! while they are queued. The stale worker's structures are claimed from it
//! (`sys/biased.rs`), which works because it is inside a green thread; should
//! that come back meanwhile, it waits until the claim ends.
//!
//! What is in a worker's queue or inbox has its timer, if any, in that
//! worker's heap; so whoever moves one disarms it there.

use super::fds;
use super::local::{Local, Shared};
use super::run_queue::Next;
use super::runtime::Runtime;
use crate::green::record::RecordRef;
use crate::sys::clock;
use crate::sys::selector::{Events, Until};
use std::sync::atomic::Ordering::*;

/// Takes over for every stale worker; `me` runs what they had queued.
#[cold]
pub(crate) fn look_after_others(me: &Local, runtime: &Runtime, events: &mut Events) {
    runtime.has_stale.store(false, Relaxed);
    let others = runtime.workers.iter().filter(|w| w.index != me.shared.index);
    for worker in others.filter(|w| w.stale.load(Acquire)) {
        worker.selector.wait(events, Until::Now);
        for ready in events.iter() {
            // Wakes go to its inbox, which is emptied below.
            fds::dispatch(ready.key, ready.readable, ready.writable, ready.ended);
        }
        take_queued(me, worker);
    }
}

fn take_queued(me: &Local, worker: &Shared) {
    // SAFETY: set before the runtime was published, and never freed.
    let Some(theirs) = (unsafe { worker.local.load(Acquire).as_ref() }) else { return };
    let Some(_claim) = theirs.lock.try_claim() else { return };
    theirs.fire_timers(clock::now());
    // SAFETY: claimed: the owner is kept out, and this does not nest.
    while let Some(next) = unsafe { theirs.run.with(|q| q.pop()) } {
        adopt(me, theirs, next);
    }
    for record in worker.inbox.drain() {
        // SAFETY: `enqueue` gave its reference to the inbox; claimed, this is
        // its one consumer.
        adopt(me, theirs, Next::Started(unsafe { RecordRef::from_raw(record) }));
    }
}

fn adopt(me: &Local, theirs: &Local, next: Next<RecordRef>) {
    // SAFETY (both): this worker's own queue; a push does not nest.
    match next {
        Next::Started(thread) => {
            theirs.disarm(&thread);
            // SAFETY: as above.
            unsafe { me.run.with(|q| q.push_started(thread)) };
        }
        // SAFETY: as above.
        Next::Fresh(thread) => unsafe { me.run.with(|q| q.push_fresh(thread)) },
    }
}
