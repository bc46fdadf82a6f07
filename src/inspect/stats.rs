//! Statistics: what the workers have counted, and what there is at the moment.

use crate::offload::everyone;
use crate::sched::runtime::{self, Runtime};
use crate::sched::shared::Shared;
use crate::stack;
use crate::sys::clock::{self, Nanos};
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What one worker has done since the runtime started, or all together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Times that a green thread was resumed.
    pub switches: u64,
    /// Green threads that ran for the first time.
    pub started: u64,
    /// Green threads that ended.
    pub ended: u64,
    /// Times that it took green threads that had not started from another worker.
    pub steals: u64,
    /// Green threads of this worker that another thread woke.
    pub woken_by_others: u64,
    /// Looks at the kernel's readiness queue.
    pub polls: u64,
    /// What those reported.
    pub events: u64,
    /// Deadlines that passed.
    pub timers: u64,
    /// Time with nothing to run, the present pause included, and also what was spent on
    /// looking before a sleep ([`Config::busy_poll`](crate::Config::busy_poll)).
    pub idle: Duration,
    /// Time since the runtime started; for several workers, the sum.
    pub uptime: Duration,
    /// Green threads that could run, when the worker last came round.
    pub runnable: usize,
    /// Of those, the ones that have not started yet.
    pub fresh: usize,
    /// How often it was measured how long a runnable one waits for its turn.
    pub delays: u64,
    /// The sum of those.
    pub delay_sum: Duration,
    /// The longest of those.
    pub delay_max: Duration,
}

impl WorkerStats {
    /// The share of its time in which it had something to run, from 0 to 1.
    ///
    /// ```
    /// greenroom::spawn(|| ()).join().unwrap();
    /// let busy = greenroom::inspect::stats().total().busy();
    /// assert!((0.0..=1.0).contains(&busy));
    /// ```
    pub fn busy(&self) -> f64 {
        if self.uptime.is_zero() {
            return 0.0;
        }
        (1.0 - self.idle.as_secs_f64() / self.uptime.as_secs_f64()).clamp(0.0, 1.0)
    }

    /// How long a runnable one waited for its turn, on average.
    ///
    /// ```
    /// let stats = greenroom::inspect::stats().total();
    /// assert!(stats.delay_mean() <= stats.delay_max);
    /// ```
    pub fn delay_mean(&self) -> Duration {
        let mean = self.delay_sum.as_nanos().checked_div(self.delays.into()).unwrap_or(0);
        Duration::from_nanos(mean.try_into().unwrap_or(u64::MAX))
    }

    fn of(worker: &Shared, uptime: Nanos, now: Nanos) -> WorkerStats {
        let c = &worker.counters;
        let asleep = worker.sleep.is_asleep();
        WorkerStats {
            switches: c.switches.get(),
            started: c.started.get(),
            ended: c.ended.get(),
            steals: c.steals.get(),
            woken_by_others: c.woken.get(),
            polls: c.polls.get(),
            events: c.events.get(),
            timers: c.timers.get(),
            idle: Duration::from_nanos(c.idle(now).min(uptime)),
            uptime: Duration::from_nanos(uptime),
            runnable: if asleep { 0 } else { worker.queued.load(Relaxed) as usize },
            fresh: worker.stealer.len(),
            delays: c.delays.get(),
            delay_sum: Duration::from_nanos(c.delay_sum.get()),
            delay_max: Duration::from_nanos(c.delay_max.get()),
        }
    }

    fn add(&mut self, other: &WorkerStats) {
        self.switches += other.switches;
        self.started += other.started;
        self.ended += other.ended;
        self.steals += other.steals;
        self.woken_by_others += other.woken_by_others;
        self.polls += other.polls;
        self.events += other.events;
        self.timers += other.timers;
        self.idle += other.idle;
        self.uptime += other.uptime;
        self.runnable += other.runnable;
        self.fresh += other.fresh;
        self.delays += other.delays;
        self.delay_sum += other.delay_sum;
        self.delay_max = self.delay_max.max(other.delay_max);
    }
}

/// Stacks of green threads, generators and greenlets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StackStats {
    /// Ever made; they are used again, never unmapped.
    pub made: usize,
    /// Of those, the ones on which a green thread stands that has started, and
    /// those of generators and greenlets.
    pub in_use: usize,
}

impl StackStats {
    /// Those that wait to be used again.
    pub fn pooled(&self) -> usize {
        self.made.saturating_sub(self.in_use)
    }
}

/// The OS threads of [`offload`](crate::offload).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OffloadStats {
    /// Threads there are.
    pub threads: usize,
    /// Of those, the ones that wait for work.
    pub idle: usize,
    /// Jobs that wait for a thread.
    pub queued: usize,
}

/// What [`stats`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// One for each worker, in the order of their numbers; none before the
    /// first spawn.
    pub workers: Vec<WorkerStats>,
    /// Spawned by OS threads, and taken by no worker yet.
    pub injected: usize,
    /// Stacks of green threads, generators and greenlets.
    pub stacks: StackStats,
    /// Threads for what can only block.
    pub offload: OffloadStats,
}

impl Stats {
    /// All workers together.
    ///
    /// ```
    /// greenroom::spawn(|| ()).join().unwrap();
    /// assert!(greenroom::inspect::stats().total().started >= 1);
    /// ```
    pub fn total(&self) -> WorkerStats {
        let mut total = WorkerStats::default();
        self.workers.iter().for_each(|worker| total.add(worker));
        total
    }

    /// Green threads that have started and not ended.
    ///
    /// ```
    /// let sleeper = greenroom::spawn(greenroom::park);
    /// let before = greenroom::spawn(|| greenroom::inspect::stats().alive()).join().unwrap();
    /// assert!(before >= 1, "at least the one that asks");
    /// # sleeper.thread().unpark();
    /// ```
    pub fn alive(&self) -> usize {
        let total = self.total();
        total.started.saturating_sub(total.ended) as usize
    }
}

/// What the runtime has done and what it has, now. Costs the workers nothing:
/// they count in any case, and are not asked.
///
/// Each number is right by itself; two of them may be of moments some
/// microseconds apart.
///
/// ```
/// greenroom::spawn(|| greenroom::yield_now()).join().unwrap();
/// let stats = greenroom::inspect::stats();
/// println!("{stats}");
/// assert!(!stats.workers.is_empty());
/// ```
pub fn stats() -> Stats {
    let load = everyone::load();
    let mut stats = Stats {
        offload: OffloadStats { threads: load.threads, idle: load.idle, queued: load.queued },
        ..Stats::default()
    };
    if let Some(runtime) = runtime::get() {
        read_workers(runtime, &mut stats);
    }
    stats.stacks = StackStats { made: stack::made(), in_use: stats.alive() + stack::labelled() };
    stats
}

fn read_workers(runtime: &Runtime, stats: &mut Stats) {
    let now = clock::now();
    let uptime = now.saturating_sub(runtime.started_at);
    stats.workers = runtime.workers.iter().map(|w| WorkerStats::of(w, uptime, now)).collect();
    // After them: one that is taken from there meanwhile is missed, not counted twice.
    stats.injected = runtime.injector.len();
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} green threads alive, {} not started; {} stacks made, {} pooled; \
             {} offload threads, {} idle, {} jobs queued",
            self.alive(),
            self.injected + self.total().fresh,
            self.stacks.made,
            self.stacks.pooled(),
            self.offload.threads,
            self.offload.idle,
            self.offload.queued,
        )?;
        let rows = self.workers.iter().enumerate().map(|(i, w)| (format!("worker {i}"), w.clone()));
        for (name, w) in rows.chain([("in total".to_owned(), self.total())]) {
            writeln!(
                f,
                "{name}: {:.0} % busy, {} runnable; {} switches, {} started, {} ended, \
                 {} steals, {} woken by others, {} polls, {} events, {} timers; \
                 waits for its turn {:?} on average, {:?} at most",
                w.busy() * 100.0,
                w.runnable,
                w.switches,
                w.started,
                w.ended,
                w.steals,
                w.woken_by_others,
                w.polls,
                w.events,
                w.timers,
                w.delay_mean(),
                w.delay_max,
            )?;
        }
        Ok(())
    }
}
