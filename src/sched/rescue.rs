//! Helping other workers: running what waits behind a hog, and sharing a queue.
//!
//! Only where green threads have their own thread-locals, and so may move
//! while they are queued. The stale worker's structures are claimed from it
//! (`sys/biased.rs`), which works because it is inside a green thread; should
//! that come back meanwhile, it waits until the claim ends.
//!
//! What is in a worker's queue or inbox has its timer, if any, in that
//! worker's heap; so whoever moves one disarms it there.

use super::fds;
use super::local::Local;
use super::monitor::{CROWDED, EASY, STALE};
use super::run_queue::Next;
use super::runtime::Runtime;
use super::shared::Shared;
use crate::green::record::RecordRef;
use crate::sys::clock;
use crate::sys::selector::{Events, Until};
use std::sync::atomic::Ordering::*;

/// Helps every worker that needs it; `me` runs what they had queued.
#[cold]
pub(crate) fn look_after_others(me: &Local, runtime: &Runtime, events: &mut Events) {
    runtime.help_wanted.store(false, Relaxed);
    for worker in runtime.workers.iter().filter(|w| w.index != me.shared.index) {
        // Each request is answered once, by whoever comes first.
        match worker.strain.swap(EASY, AcqRel) {
            STALE => take_over(me, worker, events),
            CROWDED => share(me, worker),
            _ => continue,
        }
        // While fresh ones were on their way here, nobody saw them; and here they
        // stand behind others.
        if runtime.has_fresh() {
            runtime.wake_one();
        }
    }
}

/// Does a stale worker's round: its reactor, timers, inbox and queue.
fn take_over(me: &Local, worker: &Shared, events: &mut Events) {
    // Not under the claim: a green thread that closes a descriptor wakes others
    // while it holds the descriptor's lock, and waits for the claim to end.
    worker.selector.wait(events, Until::Now);
    // Wakes go to its inbox, which is emptied below.
    me.shared.counters.polls.add(1);
    me.shared.counters.events.add(fds::dispatch(events).0);
    let claim = local_of(worker).and_then(|theirs| Some((theirs, theirs.seat.lock.try_claim()?)));
    let Some((theirs, _claim)) = claim else {
        // It came round, and may be asleep by now: if it was just being woken,
        // the look above has taken the event that wakes it.
        return worker.selector.wake();
    };
    theirs.fire_timers(clock::now());
    if let Some(thread) = theirs.unseat() {
        adopt(me, theirs, Next::Started(thread));
    }
    take(me, theirs, usize::MAX);
    for record in worker.inbox.drain() {
        worker.counters.woken.add(1);
        // SAFETY: `receive` gave its reference to the inbox; claimed, this is
        // its one consumer.
        adopt(me, theirs, Next::Started(unsafe { RecordRef::from_raw(record) }));
    }
}

/// Takes half of a crowded worker's queue.
fn share(me: &Local, worker: &Shared) {
    let Some(theirs) = local_of(worker) else { return };
    // It can be claimed only while it runs a green thread, which it does most
    // of the time.
    let Some(_claim) = (0..TRIES).find_map(|_| theirs.seat.lock.try_claim()) else { return };
    // SAFETY: claimed; looking does not nest.
    let most = unsafe { theirs.run.with(|q| q.len()) } / 2;
    take(me, theirs, most);
}

const TRIES: u32 = 8;

fn local_of(worker: &Shared) -> Option<&Local> {
    // SAFETY: null or what `become_worker` leaked.
    unsafe { worker.local.load(Acquire).cast::<Local>().as_ref() }
}

/// Moves the oldest of their queue. Under their claim.
fn take(me: &Local, theirs: &Local, most: usize) {
    for _ in 0..most {
        // SAFETY: claimed: the owner is kept out, and this does not nest.
        let Some(next) = (unsafe { theirs.run.with(|q| q.pop()) }) else { return };
        adopt(me, theirs, next);
    }
}

/// Moves one from their worker to this one.
fn adopt(me: &Local, theirs: &Local, next: Next<RecordRef>) {
    // SAFETY (both): this worker's own queue; a push does not nest.
    match next {
        Next::Started(thread) => {
            theirs.disarm(&thread);
            // It may have been on its way elsewhere, or back here (`affine.rs`).
            thread.settle(me.shared, me.whole());
            // SAFETY: as above.
            unsafe { me.run.with(|q| q.push_started(thread)) };
        }
        // SAFETY: as above.
        Next::Fresh(thread) => unsafe { me.run.with(|q| q.push_fresh(thread)) },
    }
}
