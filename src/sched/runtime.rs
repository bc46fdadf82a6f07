//! All workers together: where spawned green threads go, and waking an idle
//! worker for them.

use super::counters::Counters;
use super::local::{self, Local};
use super::shared::Shared;
use super::waking::Waking;
use super::watch::Watch;
use crate::green::record::RecordRef;
use crate::sys::clock::{self, Nanos};
use crate::sys::lock::Lock;
use crate::sys::mem;
use crate::sys::raw;
use crossbeam_deque::Injector;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering::*, fence};

/// The started runtime. Lives as long as the process.
pub(crate) struct Runtime {
    pub(crate) workers: Vec<&'static Shared>,
    /// Spawned by threads that are no workers.
    pub(crate) injector: Injector<RecordRef>,
    /// How many they were.
    spawned_outside: AtomicU64,
    /// Who is being woken to look for fresh ones.
    waking: Waking,
    /// Some worker needs help (see `monitor.rs`).
    pub(crate) help_wanted: AtomicBool,
    pub(crate) watch: Watch,
    pub(crate) started_at: Nanos,
    /// What started it.
    pub(crate) started_by: &'static Location<'static>,
}

static RUNTIME: AtomicPtr<Runtime> = AtomicPtr::new(ptr::null_mut());

/// Not zero in the process that started the runtime, and zero in a fork's child,
/// from its first instruction on: before any handler of `pthread_atfork`, and
/// after `_Fork` and `clone`, which call none.
static AT_HOME: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

/// Where the kernel cannot wipe a page: set by our own handler in the child.
static FORKED: AtomicBool = AtomicBool::new(false);

/// Whether this process is a fork's child that must not use the runtime: the
/// workers stayed with the parent.
#[inline]
pub(crate) fn is_forked() -> bool {
    // SAFETY: null, or a page that is never unmapped.
    match unsafe { AT_HOME.load(Relaxed).as_ref() } {
        Some(at_home) => at_home.load(Relaxed) == 0,
        None => FORKED.load(Relaxed),
    }
}

/// Called when the runtime starts.
fn watch_for_forks() {
    if let Ok(page) = mem::wiped_on_fork() {
        page.store(1, Relaxed);
        AT_HOME.store(ptr::from_ref(page).cast_mut(), Relaxed);
    }
}

/// Called in a fork's child. One that was forked before the runtime started has
/// lost nothing, and may start its own. Async-signal-safe.
pub(crate) fn forked() {
    if get().is_some() {
        FORKED.store(true, Relaxed);
    }
}

/// Held while the runtime starts, so that it starts once.
pub(crate) static STARTING: Lock<()> = Lock::new(());

/// The runtime, if it has started.
#[inline]
pub(crate) fn get() -> Option<&'static Runtime> {
    // SAFETY: published by `publish` and never freed.
    unsafe { RUNTIME.load(Acquire).as_ref() }
}

/// Makes `runtime` the one of this process.
pub(crate) fn publish(runtime: Runtime) -> &'static Runtime {
    let runtime = Box::leak(Box::new(runtime));
    watch_for_forks();
    RUNTIME.store(runtime, Release);
    runtime
}

impl Runtime {
    pub(crate) fn new(workers: Vec<&'static Shared>, by: &'static Location<'static>) -> Runtime {
        Runtime {
            workers,
            injector: Injector::new(),
            spawned_outside: AtomicU64::new(0),
            waking: Waking::new(),
            help_wanted: AtomicBool::new(false),
            watch: Watch::new(),
            started_at: clock::now(),
            started_by: by,
        }
    }

    /// The worker that this OS thread is, whoever's thread-locals it has.
    pub(crate) fn worker_here(&self) -> Option<&'static Local> {
        let thread = raw::thread_id();
        let shared = self.workers.iter().find(|worker| worker.thread.load(Relaxed) == thread)?;
        // SAFETY: null, or what `become_worker` leaked, of which the seat is the beginning.
        unsafe { shared.local.load(Acquire).cast::<Local>().as_ref() }
    }

    /// Queues a fresh green thread: on this worker if the caller runs on one.
    pub(crate) fn submit(&self, thread: RecordRef) {
        match local::get() {
            Some(local) => {
                local.shared.counters.spawned.add(1);
                local.queue(|q| q.push_fresh(thread));
                if self.workers.len() > 1 {
                    self.wake_one();
                }
            }
            None => {
                self.spawned_outside.fetch_add(1, Relaxed);
                self.injector.push(thread);
                self.wake_one();
            }
        }
    }

    /// Wakes an idle worker, if there is one and none is on its way. The work
    /// must be visible already.
    pub(crate) fn wake_one(&self) {
        self.waking.one(&self.workers);
    }

    /// Called by a worker that has woken, before it looks for work. True if
    /// somebody was being woken for fresh ones: it must look for them, or else
    /// pass that on.
    pub(crate) fn woke(&self) -> bool {
        let waking = self.waking.woke();
        self.watch.wake();
        waking
    }

    /// Green threads that have not ended, started or not: never more than there were
    /// at some moment of this call. One on each worker may have told its joiner already.
    pub(crate) fn unfinished(&self) -> u64 {
        let of_all = |count: fn(&Counters) -> u64| -> u64 {
            self.workers.iter().map(|worker| count(&worker.counters)).sum()
        };
        let spawned = self.spawned_outside.load(Relaxed) + of_all(|c| c.spawned.get());
        fence(Acquire); // those that end meanwhile count as ended
        spawned.saturating_sub(of_all(|c| c.ended.get()))
    }

    /// Whether there is anything that an idle worker could take.
    pub(crate) fn has_fresh(&self) -> bool {
        !self.injector.is_empty() || self.workers.iter().any(|w| !w.stealer.is_empty())
    }
}
