//! The worker's loop: who runs next, and what to do when nobody can.

use super::batch::{BATCH, QUICK, next_batch, slowest_of_late};
use super::lane::{AtHome, Lane, Passing};
use super::local::Local;
use super::lookout::Lookout;
use super::run_queue::{Next, RunQueue};
use super::runtime::{self, Runtime};
use super::shared::Shared;
use super::{rescue, search, warm};
use crate::green::own::TICK;
use crate::green::record::{Record, RecordRef, Suspend};
use crate::green::start::start;
use crate::green::{locals, report};
use crate::sys::clock::{self, Nanos};
use crate::sys::tls::{self, Block};
use std::io;
use std::sync::atomic::Ordering::Relaxed;

/// One worker's loop state.
pub(crate) struct Worker {
    local: &'static Local,
    /// This OS thread's own thread-locals.
    block: Block,
    runtime: &'static Runtime,
    lookout: Lookout,
    /// Switches in the next batch: fewer when those of late took long.
    batch: u32,
    /// How long, in the slowest batch of late.
    turn: Nanos,
    /// Turns that take no longer change neither.
    usual: Nanos,
    /// Those that run take long enough to fetch what the next one needs.
    warming: bool,
    /// When its round began, in `TICK`s. No `Cell`, like the rest: that would
    /// have all of it read again after each switch.
    tick: u32,
}

impl Worker {
    pub(crate) fn new(local: &'static Local, runtime: &'static Runtime) -> Worker {
        Worker {
            local,
            block: tls::current(),
            runtime,
            lookout: Lookout::new(local, runtime),
            batch: BATCH,
            turn: 0,
            usual: QUICK,
            warming: false,
            tick: 0,
        }
    }

    /// Runs green threads for ever.
    pub(crate) fn run(mut self) -> ! {
        let mut now = clock::now();
        loop {
            if self.runtime.help_wanted.load(Relaxed) {
                rescue::look_after_others(self.local, self.runtime, self.lookout.events());
            }
            self.local.begin_round(self.batch);
            self.local.take_inbox();
            self.show_round(now);
            self.tick = (now / TICK) as u32;
            self.local.fire_timers(now);
            search::take_share(self.local, self.runtime);
            let ran = self.run_batch();
            let start = std::mem::replace(&mut now, clock::now());
            self.local.shared.counters.batch(ran, now);
            self.warming = warm::is_worth_it(ran, now - start);
            let full = ran == self.batch;
            if ran > 0 {
                self.adapt(ran, now - start);
            }
            if full {
                self.lookout.in_passing(now);
            } else {
                self.local.shared.counters.idle_from(now);
                now = self.lookout.idle(now);
                self.local.shared.counters.idle_until(now);
            }
        }
    }

    /// The last `ran` turns took `took`.
    #[inline]
    fn adapt(&mut self, ran: u32, took: Nanos) {
        self.local.shared.turned(ran, took);
        if took > u64::from(ran) * self.usual {
            self.turn = slowest_of_late(self.turn, took / u64::from(ran));
            self.batch = next_batch(self.turn);
            self.usual = if self.batch == BATCH { QUICK } else { 0 };
        }
    }

    /// For the monitor: this worker comes round, and with so much to do.
    #[inline]
    fn show_round(&self, now: Nanos) {
        let Shared { round, queued, counters, .. } = self.local.shared;
        round.store(round.load(Relaxed).wrapping_add(1), Relaxed);
        // SAFETY: the owning OS thread; looking does not nest.
        let runnable = unsafe { self.local.run.with(|q| q.len()) };
        queued.store(runnable as u32, Relaxed);
        counters.round(runnable as u64, now);
    }

    /// Resumes up to a batch; fewer means that the queue is empty.
    fn run_batch(&self) -> u32 {
        if locals::are_own() {
            self.run_along(&Passing::new(self.block))
        } else {
            self.run_along(&AtHome(self.block))
        }
    }

    #[inline(never)] // see `lane.rs`
    fn run_along<L: Lane>(&self, lane: &L) -> u32 {
        let mut ran = 0;
        while ran < self.batch {
            // SAFETY: as below; looking does not nest.
            if L::LEAVES && unsafe { self.local.run.with(|q| q.begins_fresh()) } {
                lane.home();
            }
            // SAFETY: this is the owning OS thread; a pop does not nest.
            match unsafe { self.local.run.with(|q| q.pop()) } {
                Some(Next::Started(thread)) => {
                    if self.warming {
                        // SAFETY: as above; looking does not nest.
                        unsafe { self.local.run.with(|q| warm::up(q)) };
                    }
                    self.local.disarm(&thread);
                    thread.state.begin_run();
                    self.resume(thread, lane);
                }
                Some(Next::Fresh(thread)) => {
                    if let Some(thread) = self.start(thread) {
                        self.resume(thread, lane);
                    }
                }
                None if self.unseat(lane) => {}
                None => break,
            }
            ran += 1;
        }
        lane.home();
        if ran == self.batch {
            self.unseat(lane);
        }
        ran
    }

    /// Nobody stays in the seat; true if it was runnable all the time.
    #[inline]
    fn unseat(&self, lane: &impl Lane) -> bool {
        self.local.unseat().map(|thread| self.push(thread, lane)).is_some()
    }

    /// Readies a fresh one to run; `None` if it cannot.
    #[inline(never)] // see `lane.rs`
    fn start(&self, thread: RecordRef) -> Option<RecordRef> {
        let prepared = self.prepare(&thread);
        // Not before it has its stack: those in use were all made.
        self.local.shared.counters.started.add(1);
        if let Err(why) = prepared {
            report::not_started(&thread, &why);
            self.local.shared.counters.ended.add(1);
            thread.state.finish();
            // SAFETY: as `prepare`'s, and it never runs.
            unsafe { thread.refuse(why) };
            return None;
        }
        thread.settle(self.local.shared, self.local.whole());
        thread.state.begin_run();
        Some(thread)
    }

    /// Gives a fresh one its stack, unless it came with one.
    #[inline]
    fn prepare(&self, thread: &Record) -> io::Result<()> {
        // SAFETY: popped fresh, so this worker's.
        if unsafe { (*thread.own.coroutine.get()).is_some() } {
            return Ok(());
        }
        // SAFETY: the owning OS thread; taking does not nest.
        let stack = unsafe { self.local.stacks.with(|s| s.take(thread.class())) }?;
        // SAFETY: popped fresh, once.
        unsafe {
            start(thread, stack, self.local.shared.counters.now.get(), || self.local.number())
        }
    }

    /// Runs `thread` until it suspends or ends.
    #[inline(always)] // a call less to return from after a switch
    fn resume(&self, thread: RecordRef, lane: &impl Lane) {
        // SAFETY: in its loop it is inside its lock; popped, after it was started.
        match unsafe { lane.resume(self.local, &thread) } {
            Suspend::YIELD => self.push(thread, lane),
            why if why.parks() => self.parked(thread, why.deadline(), lane),
            Suspend::NEXT => self.put(lane, |q| q.push_second(thread)),
            _ended => {
                lane.home();
                if runtime::is_forked() {
                    // It forked, and has returned in the child. The other
                    // green threads run in the parent.
                    // SAFETY: ends the process.
                    unsafe { libc::_exit(0) }
                }
                self.ended(&thread);
            }
        }
    }

    #[inline(always)] // as `resume`
    fn push(&self, thread: RecordRef, lane: &impl Lane) {
        self.put(lane, |q| q.push_started(thread));
    }

    #[inline(always)] // as `resume`
    fn put(&self, lane: &impl Lane, one: impl FnOnce(&mut RunQueue<RecordRef>)) {
        // SAFETY: the owning OS thread; neither looking nor a push nests.
        unsafe {
            if !self.local.run.with(|q| q.has_room()) {
                lane.home();
            }
            self.local.run.with(one);
        }
    }

    #[inline(always)] // as `resume`
    fn parked(&self, thread: RecordRef, deadline: Option<Nanos>, lane: &impl Lane) {
        if deadline.is_some() && !self.local.has_timer() {
            lane.home();
        }
        // Armed before the state says so: once it does, a waker may queue it.
        // Without memory for a timer it stays runnable and looks again itself.
        let armed = deadline.is_none_or(|d| self.local.arm(&thread, d));
        if !armed && deadline.is_some_and(|d| clock::now() >= d) {
            thread.own.timed_out.set(true);
        }
        thread.since.set(self.tick);
        let queued = if !armed {
            thread.park_awake()
        } else if thread.sits_first() {
            self.local.sit(thread)
        } else {
            thread.park()
        };
        if let Some(thread) = queued {
            self.push(thread, lane);
        }
    }

    #[inline(never)] // see `lane.rs`
    fn ended(&self, thread: &Record) {
        self.local.take_stack(thread);
        self.local.shared.counters.ended.add(1);
        thread.state.finish();
    }
}
