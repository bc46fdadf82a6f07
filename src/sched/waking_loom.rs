//! Every interleaving of spawns with workers that go to sleep, or wake, with at most
//! two preemptions: no fresh one is left while a worker sleeps.

use super::{Idle, Waking};
use crate::sched::sleep::Sleep;
use crate::sys::atomic::AtomicU32;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};
use std::sync::atomic::{AtomicBool, Ordering::*};

/// A worker; what it would do in the kernel need not be modelled.
struct Worker {
    sleep: Sleep,
    /// The eventfd.
    told: AtomicBool,
}

impl Idle for Worker {
    fn sleep(&self) -> &Sleep {
        &self.sleep
    }

    fn wake(&self) {
        self.told.store(true, SeqCst);
    }
}

/// What a worker comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// It has something to do, for ever.
    Busy,
    /// It waits in the kernel.
    Waits,
}

struct Model {
    waking: Waking,
    fresh: AtomicU32,
    /// Those that one who is busy has taken, for others to steal.
    taken: AtomicU32,
    workers: [Arc<Worker>; 2],
}

impl Model {
    fn new() -> Arc<Model> {
        let worker = || {
            let (sleep, told) = (Sleep::new(), AtomicBool::new(false));
            Arc::new(Worker { sleep, told })
        };
        let workers = [worker(), worker()];
        let none = || AtomicU32::new(0);
        Arc::new(Model { waking: Waking::new(), fresh: none(), taken: none(), workers })
    }

    fn spawn(&self) {
        self.fresh.fetch_add(1, Release);
        self.waking.one(&self.workers);
    }

    fn has_fresh(&self) -> bool {
        self.fresh.load(Acquire) > 0 || self.taken.load(Acquire) > 0
    }

    /// As in `search.rs`, one at a time.
    fn find_work(&self) -> bool {
        let found = take(&self.fresh) || take(&self.taken);
        if found && self.has_fresh() {
            self.waking.one(&self.workers);
        }
        found
    }

    /// As in `search.rs`: by one who has something else to do first.
    fn take_share(&self) {
        if take(&self.fresh) {
            self.taken.fetch_add(1, Release);
            self.waking.one(&self.workers);
        }
    }

    /// As in `lookout.rs`: after a wait. `news`: it has work of its own.
    fn wakes(&self, worker: usize, news: bool) -> bool {
        self.workers[worker].sleep.end();
        let for_fresh = self.waking.woke();
        if !news {
            return self.find_work();
        }
        if for_fresh && self.has_fresh() {
            self.waking.one(&self.workers);
        }
        true
    }

    /// A worker with nothing to do, until it has, or waits.
    fn goes_idle(&self, worker: usize, looks: bool) -> End {
        let sleep = &self.workers[worker].sleep;
        for _ in 0..6 {
            sleep.announce(looks);
            let waits = !self.has_fresh() && (!looks || sleep.stop_looking());
            if waits {
                return End::Waits;
            }
            if self.wakes(worker, false) {
                return End::Busy;
            }
        }
        panic!("woken more often than there is something")
    }

    /// The kernel's part: those that were told go on, until all are busy or wait.
    fn settle(&self, mut ends: [End; 2]) {
        self.go_on(&mut ends);
        if ends.contains(&End::Waits) {
            // Nothing that has been is in the way of what comes.
            self.spawn();
            self.go_on(&mut ends);
        }
    }

    fn go_on(&self, ends: &mut [End; 2]) {
        while let Some(told) = (0..2).find(|worker| {
            ends[*worker] == End::Waits && self.workers[*worker].told.swap(false, SeqCst)
        }) {
            if self.wakes(told, false) {
                ends[told] = End::Busy;
            } else {
                ends[told] = self.goes_idle(told, false);
            }
        }
        let idle = ends.contains(&End::Waits);
        assert!(!idle || !self.has_fresh(), "one is left, and {ends:?}");
    }
}

fn take(from: &AtomicU32) -> bool {
    let mut left = from.load(Acquire);
    while left > 0 {
        match from.compare_exchange(left, left - 1, AcqRel, Acquire) {
            Ok(_) => return true,
            Err(now) => left = now,
        }
    }
    false
}

fn with(model: &Arc<Model>, f: impl FnOnce(&Model) -> End + 'static) -> JoinHandle<End> {
    let model = model.clone();
    thread::spawn(move || f(&model))
}

fn explore(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(run);
}

/// Two are spawned while both workers go to sleep.
fn two_against(looks: [bool; 2]) {
    explore(move || {
        let model = Model::new();
        let first = with(&model, move |m| m.goes_idle(0, looks[0]));
        let second = with(&model, move |m| m.goes_idle(1, looks[1]));
        model.spawn();
        model.spawn();
        model.settle([first.join().unwrap(), second.join().unwrap()]);
    });
}

#[test]
fn loom_two_spawned_wake_two_sleepers() {
    two_against([false, false]);
}

#[test]
fn loom_two_spawned_wake_a_looker_and_a_sleeper() {
    two_against([true, false]);
}

#[test]
fn loom_two_spawned_wake_two_lookers() {
    two_against([true, true]);
}

/// Two threads spawn one each; one worker sleeps already, the other is about to look.
#[test]
fn loom_two_who_spawn() {
    explore(|| {
        let model = Model::new();
        model.workers[1].sleep.announce(false);
        let worker = with(&model, |m| m.goes_idle(0, true));
        let spawner = with(&model, |m| {
            m.spawn();
            End::Busy
        });
        model.spawn();
        spawner.join().unwrap();
        model.settle([worker.join().unwrap(), End::Waits]);
    });
}

/// One that looks is told of something else meanwhile, and passes on what it was woken
/// for.
#[test]
fn loom_one_that_has_its_own_to_do_passes_on() {
    explore(|| {
        let model = Model::new();
        model.workers[1].sleep.announce(false);
        let worker = with(&model, |m| {
            let sleep = &m.workers[0].sleep;
            sleep.announce(true);
            let _ = sleep.rise();
            assert!(m.wakes(0, true));
            End::Busy
        });
        model.spawn();
        model.settle([worker.join().unwrap(), End::Waits]);
    });
}

/// A busy one takes what was spawned, and does not come to it: nobody sees it on the way.
#[test]
fn loom_a_busy_one_takes_its_share() {
    for looks in [false, true] {
        explore(move || {
            let model = Model::new();
            let worker = with(&model, move |m| m.goes_idle(1, looks));
            let busy = with(&model, |m| {
                m.take_share();
                End::Busy
            });
            model.spawn();
            model.settle([busy.join().unwrap(), worker.join().unwrap()]);
        });
    }
}
