//! Starts the runtime: once, on first use.

use super::facts;
use super::local::Local;
use super::runtime::{self, Runtime, STARTING};
use super::worker::Worker;
use super::{affine, monitor, stall};
use crate::config::{self, Settings, ThreadLocals};
use crate::green::{current, debugger, locals, report, scopes, unparker};
use crate::stack::{SizeClass, StackCache};
use crate::sys::tasks::{Mark, Role};
use crate::sys::{barrier, fault, futex, platform};
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::thread;

pub(crate) use super::runtime::is_forked;

/// Sees to it that a fork's child neither parks nor takes locks that another
/// thread may have held at the fork.
pub(crate) fn watch_forks() {
    static WATCHING: AtomicBool = AtomicBool::new(false);
    if !WATCHING.swap(true, Relaxed) {
        platform::note_process();
        // SAFETY: the handler only stores to atomics and thread-locals.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
}

/// Runs in the child, where only async-signal-safe things are allowed.
extern "C" fn in_child() {
    runtime::forked();
    platform::note_process();
    scopes::leave_green();
}

/// The runtime, started if it was not.
///
/// # Errors
/// The configuration is wrong, or the system has no threads, descriptors or
/// memory left for the workers; the next call tries again.
pub(crate) fn runtime(by: &'static Location<'static>) -> io::Result<&'static Runtime> {
    match runtime::get() {
        Some(runtime) if !is_forked() => Ok(runtime),
        Some(_) => Err(io::Error::other(
            "this process was forked from one that runs green threads, and their workers stayed \
             there; in a forked child, call exec or _exit",
        )),
        None => start(by),
    }
}

#[cold]
fn start(by: &'static Location<'static>) -> io::Result<&'static Runtime> {
    let _starting = STARTING.lock();
    // Its threads are not to be green ones.
    let _native = current::Native::enter();
    if let Some(runtime) = runtime::get() {
        return Ok(runtime);
    }
    debugger::keep();
    let settings = settle(by)?;
    first_stack()?;
    let workers = settings.workers.unwrap_or_else(platform::cores);
    let locals = (0..workers).map(Local::new).collect::<io::Result<Vec<_>>>();
    let locals = locals.map_err(|e| explain(e, "set up its workers", "raise `ulimit -n`"))?;
    watch_overflows()?;
    report::install_panic_hook();
    watch_forks();
    unparker::on_long_wait(stall::poke);
    launch_all(locals, by).map_err(|e| {
        explain(e, "start its workers", "lower GREENROOM_WORKERS or raise `ulimit -u`")
    })
}

/// Fixes the settings, and what follows from them for every stack.
fn settle(by: &'static Location<'static>) -> io::Result<Settings> {
    let settings =
        config::settle(by).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    if settings.thread_locals == ThreadLocals::Own {
        locals::enable()?;
    }
    Ok(settings)
}

fn watch_overflows() -> io::Result<()> {
    fault::install(report::overflow)
        .map_err(|e| explain(e, "watch for stack overflows", "free some memory"))
}

/// To be called before a stack is taken for something that is no green thread,
/// and so needs no workers: fixes the settings and watches for overflows.
///
/// # Errors
/// As `runtime`, but for the workers.
#[inline]
pub(crate) fn stacks(by: &'static Location<'static>) -> io::Result<()> {
    static READY: AtomicBool = AtomicBool::new(false);
    // Acquire: what follows sees the settings.
    if READY.load(Acquire) || runtime::get().is_some() {
        return Ok(());
    }
    let _starting = STARTING.lock();
    let _native = current::Native::enter();
    settle(by)?;
    watch_overflows()?;
    READY.store(true, Release);
    Ok(())
}

/// Starts all workers, or none.
fn launch_all(locals: Vec<Local>, by: &'static Location<'static>) -> io::Result<&'static Runtime> {
    // As long as there is one thread it costs next to nothing.
    let barriers = barrier::prepare();
    let gate = Arc::new(Gate::new());
    let shared = locals.iter().map(|l| l.shared).collect();
    let mut threads = Vec::new();
    for local in locals {
        match launch(local, gate.clone()) {
            Ok(thread) => threads.push(thread),
            Err(e) => {
                gate.open(ABANDON);
                // Each gives back what it had, for the next attempt.
                threads.into_iter().for_each(|thread| drop(thread.join()));
                return Err(e);
            }
        }
    }
    let runtime = runtime::publish(Runtime::new(shared, by));
    gate.open(GO);
    if locals::are_own() && runtime.workers.len() > 1 && barriers {
        // Without it a hog delays its neighbours, and nobody is drawn to other workers.
        let builder = thread::Builder::new().name("green-monitor".into());
        let monitor = builder.spawn(|| {
            let _mark = Mark::new(Role::Ours);
            monitor::run(runtime)
        });
        if monitor.is_ok() {
            affine::are_rescued();
        }
    }
    Ok(runtime)
}

/// Makes one stack, so that what is wrong with stacks (a rubbish
/// GREENROOM_STACK_GUARD, no memory) is said here and not at the first run.
fn first_stack() -> io::Result<()> {
    let class = SizeClass::for_size(config::stack_size()).unwrap_or(SizeClass::DEFAULT);
    StackCache::new().take(class).map(drop)
}

/// Adds to an error what could not be done and what helps.
fn explain(e: io::Error, what: &str, help: &str) -> io::Error {
    io::Error::new(e.kind(), format!("greenroom could not {what}: {e}; {help}"))
}

/// One worker's OS thread; it waits until all are there.
fn launch(local: Local, gate: Arc<Gate>) -> io::Result<thread::JoinHandle<()>> {
    let name = format!("greenroom-{}", local.shared.index);
    thread::Builder::new().name(name).spawn(move || {
        if !gate.wait() {
            return;
        }
        // Without it an overflow still ends the process, only with no message.
        let _alt_stack = fault::ensure_alt_stack();
        let _bug = AbortOnUnwind;
        let _native = current::Native::enter();
        let _mark = Mark::new(Role::Ours);
        let runtime = runtime::get().expect("the gate opens after publishing");
        let local = local.become_worker();
        facts::learn(local);
        Worker::new(local, runtime).run()
    })
}

/// A worker that unwound would take its green threads with it in silence.
/// What users write never unwinds into it, so this is a bug of ours.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        report::say(b"greenroom: a worker panicked, which is a bug in greenroom; aborting\n");
        // SAFETY: ends the process.
        unsafe { libc::abort() }
    }
}

const SHUT: u32 = 0;
const GO: u32 = 1;
const ABANDON: u32 = 2;

/// Holds the workers back until it is certain that all of them run.
struct Gate(AtomicU32);

impl Gate {
    fn new() -> Gate {
        Gate(AtomicU32::new(SHUT))
    }

    fn open(&self, how: u32) {
        self.0.store(how, Release);
        futex::wake_all(&self.0);
    }

    /// True for `GO`.
    fn wait(&self) -> bool {
        loop {
            match self.0.load(Acquire) {
                SHUT => futex::wait(&self.0, SHUT, None),
                how => return how == GO,
            }
        }
    }
}
