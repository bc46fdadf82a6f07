//! The worker's loop: who runs next, and what to do when nobody can.

use super::batch::{BATCH, next_batch};
use super::local::{Local, Shared};
use super::run_queue::Next;
use super::runtime::{self, Runtime};
use super::stall::{NEVER, QUIET};
use super::trim::Trim;
use super::{fds, rescue, search, warm};
use crate::green::own::TICK;
use crate::green::record::{Record, RecordRef, Suspend};
use crate::green::start::start;
use crate::green::{current, report};
use crate::sys::clock::{self, Nanos};
use crate::sys::selector::{Events, Until};
use crate::sys::tls::{self, Block};
use corosensei::CoroutineResult;
use std::io;
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;

/// One worker's loop state.
pub(crate) struct Worker {
    local: &'static Local,
    /// This OS thread's own thread-locals.
    block: Block,
    runtime: &'static Runtime,
    events: Events,
    /// Switches in the next batch: fewer when the last ones took long.
    batch: u32,
    /// Those that run take long enough to fetch what the next one needs.
    warming: bool,
    /// When its round began, in `TICK`s. No `Cell`, like the rest: that would
    /// have all of it read again after each switch.
    tick: u32,
    /// A descriptor that somebody here probably waits for.
    witness: i32,
    trim: Trim,
}

impl Worker {
    pub(crate) fn new(local: &'static Local, runtime: &'static Runtime) -> Worker {
        Worker {
            local,
            block: tls::current(),
            runtime,
            events: Events::new(),
            batch: BATCH,
            warming: false,
            tick: 0,
            witness: -1,
            trim: Trim::new(),
        }
    }

    /// Runs green threads for ever.
    pub(crate) fn run(mut self) -> ! {
        let mut now = clock::now();
        loop {
            if self.runtime.help_wanted.load(Relaxed) {
                rescue::look_after_others(self.local, self.runtime, &mut self.events);
            }
            self.local.take_inbox();
            self.show_round(now);
            self.tick = (now / TICK) as u32;
            self.local.fire_timers(now);
            search::take_injected(self.local, self.runtime);
            let ran = self.run_batch();
            let start = std::mem::replace(&mut now, clock::now());
            self.local.shared.counters.batch(ran, now);
            self.warming = warm::is_worth_it(ran, now - start);
            if ran == self.batch {
                self.batch = next_batch(ran, now - start);
                self.poll();
            } else {
                self.batch = BATCH;
                self.local.shared.counters.idle_from(now);
                self.idle(now);
                now = clock::now();
                self.local.shared.counters.idle_until(now);
            }
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
        for ran in 0..self.batch {
            // SAFETY: this is the owning OS thread; a pop does not nest.
            match unsafe { self.local.run.with(|q| q.pop()) } {
                Some(Next::Started(thread)) => {
                    if self.warming {
                        // SAFETY: as above; looking does not nest.
                        unsafe { self.local.run.with(|q| warm::up(q)) };
                    }
                    self.local.disarm(&thread);
                    thread.state.begin_run();
                    self.resume(thread);
                }
                Some(Next::Fresh(thread)) => self.start(thread),
                None if self.unseat() => {}
                None => return ran,
            }
        }
        self.unseat();
        self.batch
    }

    /// Nobody stays in the seat; true if it was runnable all the time.
    #[inline]
    fn unseat(&self) -> bool {
        self.local.unseat().map(|thread| self.push(thread)).is_some()
    }

    /// Gives a fresh one its stack, and runs it.
    #[inline]
    fn start(&self, thread: RecordRef) {
        let prepared = self.prepare(&thread);
        // Not before it has its stack: those in use were all made.
        self.local.shared.counters.started.add(1);
        match prepared {
            Ok(()) => {
                thread.settle(self.local.shared, self.local.whole());
                thread.state.begin_run();
                self.resume(thread);
            }
            Err(why) => {
                report::not_started(&thread, &why);
                self.local.shared.counters.ended.add(1);
                thread.state.finish();
                // SAFETY: as above, and `start` is not called.
                unsafe { thread.refuse(why) };
            }
        }
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
        unsafe { start(thread, stack, self.local.shared.counters.now.get()) }
    }

    /// Switches to `thread` until it suspends or ends.
    #[inline(always)] // a call less to return from after a switch
    fn resume(&self, thread: RecordRef) {
        // SAFETY: only its worker touches the coroutine; it was started.
        let coroutine = unsafe { (*thread.own.coroutine.get()).as_mut().unwrap_unchecked() };
        let result = if let Some(block) = thread.own.block.get() {
            if !ptr::eq(thread.own.seat.get(), &self.local.seat) {
                thread.settle(self.local.shared, self.local.whole()); // it has moved
            }
            // SAFETY: a running green thread's block is its worker's; nothing
            // between the two switches uses a thread-local of the worker.
            unsafe {
                self.local.seat.lock.exit();
                tls::switch(block);
                let result = coroutine.resume(());
                tls::switch(self.block);
                self.local.seat.lock.enter();
                result
            }
        } else {
            current::enter(&thread);
            let result = coroutine.resume(());
            current::leave();
            result
        };
        match result {
            CoroutineResult::Yield(Suspend::YIELD) => self.push(thread),
            CoroutineResult::Yield(why) => self.parked(thread, why.deadline()),
            CoroutineResult::Return(()) => {
                if runtime::is_forked() {
                    // It forked, and has returned in the child. The other
                    // green threads run in the parent.
                    // SAFETY: ends the process.
                    unsafe { libc::_exit(0) }
                }
                self.ended(&thread)
            }
        }
    }

    #[inline]
    fn push(&self, thread: RecordRef) {
        // SAFETY: the owning OS thread; a push does not nest.
        unsafe { self.local.run.with(|q| q.push_started(thread)) };
    }

    #[inline]
    fn parked(&self, thread: RecordRef, deadline: Option<Nanos>) {
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
            self.push(thread);
        }
    }

    fn ended(&self, thread: &Record) {
        // SAFETY: its worker, and it has returned.
        let coroutine = unsafe { (*thread.own.coroutine.get()).take() };
        if let Some(coroutine) = coroutine {
            let stack = coroutine.into_stack();
            stack.tag().end();
            let free = if thread.is_pthread() {
                // SAFETY: it has returned, here.
                unsafe { thread.ended(stack) }
            } else {
                Some(stack)
            };
            if let Some(stack) = free {
                // SAFETY: the owning OS thread; giving does not nest.
                unsafe { self.local.stacks.with(|s| s.give(stack)) };
            }
        }
        self.local.shared.counters.ended.add(1);
        thread.state.finish();
    }

    /// Looks at the kernel without waiting.
    fn poll(&mut self) {
        if self.local.shared.has_fds.load(Relaxed) {
            self.local.shared.selector.wait(&mut self.events, Until::Now);
            self.dispatch();
        }
    }

    fn dispatch(&mut self) {
        let (count, last) = fds::dispatch(&self.events);
        self.local.shared.counters.polls.add(1);
        self.local.shared.counters.events.add(count);
        self.witness = last.unwrap_or(self.witness);
    }

    /// Nothing is runnable here: finds something elsewhere, or sleeps.
    fn idle(&mut self, now: Nanos) {
        if search::find_work(self.local, self.runtime) {
            return;
        }
        let trim_at = self.trim.stacks(self.local, now);
        let deadline = self.local.next_deadline();
        let shared = self.local.shared;
        shared.wakes_at.store(deadline.unwrap_or(NEVER), Relaxed);
        shared.sleep.announce();
        let wakes = deadline.is_some() || fds::is_awaited(self.witness);
        let look_at = QUIET.look_at(shared, self.runtime, now, wakes);
        // What came before the announcement woke nobody: look once more.
        let until = if shared.inbox.is_empty() && !self.runtime.has_fresh() {
            let first = deadline.into_iter().chain(trim_at).chain(look_at).min();
            first.map_or(Until::Event, Until::Deadline)
        } else {
            Until::Now
        };
        shared.selector.wait(&mut self.events, until);
        shared.sleep.end();
        let for_fresh = self.runtime.woke();
        self.dispatch();
        // SAFETY: the owning OS thread.
        if unsafe { self.local.run.with(|q| q.is_empty()) } && shared.inbox.is_empty() {
            if !search::find_work(self.local, self.runtime) {
                QUIET.look_if_due(look_at, self.local, self.runtime);
            }
        } else if for_fresh && self.runtime.has_fresh() {
            // There is something else to do here first, perhaps for long.
            self.runtime.wake_one();
        }
    }
}
