//! The monitor: an OS thread that looks at the workers now and then.
//!
//! It is not the thread that notices stale workers (`sched/monitor.rs`): that one
//! must never be late, and this one reads debug information and calls the user.

use super::monitor_config::MonitorConfig;
use super::monitor_limits::Limits;
use super::monitor_report::{HogReport, Report};
use super::monitor_sample;
use super::monitor_watch::{Catch, Watch};
use super::monitor_who::who;
use super::symbols::Symbols;
use crate::green::current::Native;
use crate::sched::runtime;
use crate::sync::Event;
use crate::sys::clock::{self, Nanos};
use crate::sys::tasks::{Mark, Role};
use crate::sys::{futex, raw};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::thread;
use std::time::Duration;

/// In one limit so many looks.
const LOOKS: u32 = 4;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(250);

/// A monitor that looks at the workers; see [`monitor`]. Dropped, it stops.
#[must_use = "dropped, it stops"]
pub struct Monitor(Arc<Shared>);

struct Shared {
    /// Not 0: it is to stop.
    stop: AtomicU32,
    ended: Event,
    /// The kernel's number of its thread.
    thread: AtomicU32,
    /// And of the process that has it, which a fork's child is not.
    process: u32,
}

/// Looks at the workers from now on, and reports green threads that keep one from
/// the others, with their names, spawn sites and backtraces, while they still do:
///
/// * those that have not given way for longer than a limit, because they compute,
///   spin, or block the worker in the kernel;
/// * those that give way again and again and never wait.
///
/// Each is reported once, and again when it has lasted twice as long. Limits on the
/// numbers of green threads and stacks, and on memory, can be set too.
///
/// It costs the workers nothing but for those that are suspected, which are
/// interrupted by a signal; so it can be left on. Backtraces need debug information,
/// as those of [`dump`](super::dump) do; that of a call that blocks may end early. The
/// runtime need not have started.
///
/// ```
/// use greenroom::inspect::{Doing, MonitorConfig, Report, monitor};
/// use std::sync::mpsc::channel;
/// use std::time::Duration;
///
/// let (sender, reports) = channel();
/// let config = MonitorConfig::new().on_report(move |report| {
///     let _ = sender.send(report.clone());
/// });
/// let monitor = monitor(config)?;
/// let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
/// let theirs = stop.clone();
/// let hog = greenroom::Builder::new().name("hog".into()).spawn(move || {
///     let mut n = 0_u64;
///     while !theirs.load(std::sync::atomic::Ordering::Relaxed) {
///         n = n.wrapping_mul(3).wrapping_add(1);
///     }
///     n
/// })?;
/// let Report::Hog(report) = reports.recv()? else { panic!("no limit was set") };
/// assert_eq!(report.name.as_deref(), Some("hog"));
/// assert_eq!(report.doing, Doing::Computing);
/// assert!(report.lasts >= Duration::from_millis(100));
/// stop.store(true, std::sync::atomic::Ordering::Relaxed);
/// hog.join()?;
/// monitor.stop();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The signal of `config` cannot be handled; no threads or memory left.
pub fn monitor(config: MonitorConfig) -> io::Result<Monitor> {
    monitor_sample::prepare(config.signal)?;
    let shared = Arc::new(Shared {
        stop: AtomicU32::new(0),
        ended: Event::new(),
        thread: AtomicU32::new(0),
        process: process::id(),
    });
    let theirs = shared.clone();
    // A plain OS thread, also if those that std makes are green ones.
    let _native = Native::enter();
    thread::Builder::new().name("green-watch".into()).spawn(move || {
        theirs.thread.store(raw::thread_id(), Release);
        let _ended = Ended(&theirs.ended); // also if it panics when `config` is dropped
        run(&theirs, config);
    })?;
    Ok(Monitor(shared))
}

/// Says so when dropped.
struct Ended<'a>(&'a Event);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl Monitor {
    /// Stops it, and waits until it has: no report comes after that. Called by its
    /// own `on_report`, it does not wait; nor in a fork's child, where it does not run.
    ///
    /// ```
    /// use greenroom::inspect::{MonitorConfig, monitor};
    /// monitor(MonitorConfig::new())?.stop();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stop(self) {
        let shared = self.0.clone();
        drop(self);
        let is_here = shared.process == process::id();
        if is_here && shared.thread.load(Acquire) != raw::thread_id() {
            shared.ended.wait();
        }
    }

    /// Leaves it on for as long as the process lives.
    ///
    /// ```
    /// use greenroom::inspect::{MonitorConfig, monitor};
    /// monitor(MonitorConfig::new())?.detach();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn detach(self) {
        std::mem::forget(self);
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.0.stop.store(1, Release);
        futex::wake_one(&self.0.stop);
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}

/// Looks until it is stopped.
fn run(shared: &Shared, config: MonitorConfig) {
    let limit = config.limit.max(SHORTEST * LOOKS);
    let tick = (limit / LOOKS).min(LONGEST);
    let mut watch = Watch::new(clock::nanos(limit), config.signal);
    let mut limits = Limits::new(&config);
    let mut next: Nanos = 0;
    let _mark = (!config.may_wake).then(|| Mark::new(Role::Ours));
    loop {
        futex::wait(&shared.stop, 0, Some(next));
        if shared.stop.load(Acquire) != 0 {
            return;
        }
        let start = clock::now();
        if start < next {
            continue;
        }
        next = start.saturating_add(clock::nanos(tick));
        // In a fork's child there are none.
        let runtime = runtime::get().filter(|_| !runtime::is_forked());
        let workers = runtime.map_or(&[][..], |runtime| &runtime.workers);
        let hogs = watch.look(workers).into_iter().filter_map(report);
        let mut reports: Vec<_> = hogs.collect();
        reports.extend(limits.look().into_iter().map(Report::Limit));
        reports.iter().for_each(|report| tell(shared, &config, report));
    }
}

fn tell(shared: &Shared, config: &MonitorConfig, report: &Report) {
    if shared.stop.load(Acquire) == 0 {
        // What it panics with, the hook has reported.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| (config.on_report)(report))) {
            std::mem::forget(payload);
        }
    }
}

/// `None`: it has ended meanwhile.
fn report(caught: Catch) -> Option<Report> {
    let Catch { sighting, worker, lasts, before } = caught;
    let who = who(&sighting.green)?;
    Some(Report::Hog(HogReport {
        id: sighting.green.id,
        name: who.name,
        spawned_at: who.spawned_at,
        worker,
        doing: sighting.doing,
        lasts: Duration::from_nanos(lasts),
        before,
        backtrace: Symbols::new().name(&sighting.stack),
    }))
}
