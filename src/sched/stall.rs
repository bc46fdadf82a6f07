//! Notices that nothing can go on: everybody waits for another.
//!
//! **What that is.** At one moment: every worker sleeps, with nothing queued and
//! no timer armed; nobody waits for a descriptor; and every other OS thread waits
//! at a futex without a deadline. Then no green thread will ever run again, nor
//! any OS thread, but by the handler of a signal. Whatever else could wake one
//! (a child that ends, a job on an OS thread, a thread that sends later, DNS) is
//! a descriptor or an OS thread that does something else.
//!
//! **Who looks.** The last worker to go to sleep, if it sees no reason why
//! somebody should wake it, waits for a while only, and looks when that is over.
//! So it costs what is busy nothing, and what is idle some loads: it remembers the
//! last descriptor that was ready, and one that a look found, and while somebody
//! waits for one of them, that is reason enough. An OS thread that begins to wait
//! has it look (`poke`).
//!
//! **How the look is exact.** It consists of two rounds. Nobody has moved from
//! the one to the other, as the rounds of the workers and the switches of the OS
//! threads show (`sys/tasks.rs`), so at the moment in between all of it was true
//! at once.
//!
//! | verdict | then |
//! |---|---|
//! | stalled | it is reported, on a thread of its own; nobody looks again before a green thread has run, or that thread is done |
//! | still stalled then, or there is no thread to tell it | the process is aborted, or joins fail, if that was chosen and no signal could help |
//! | somebody waits for a descriptor | likewise nobody looks |
//! | unsure: an OS thread does something else | look again after twice the time |
//!
//! Besides, now and then, somebody looks for cycles among those that wait while
//! others run (`inspect/deadlock.rs`).
//!
//! The state that a verdict is about is known by the number of switches that all
//! workers have made.

use super::local::Local;
use super::runtime::{self, Runtime};
use super::shared::Shared;
use super::{fds, joiners};
use crate::config::{self, OnStall};
use crate::green::current::Native;
use crate::green::report;
use crate::sys::clock::{self, Nanos};
use crate::sys::tasks::{self, Task};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering::*, fence};
use std::thread;
use std::time::Duration;

/// How long everybody must have slept, before the first look.
const FIRST: Nanos = 5_000_000;
/// How long after an OS thread has begun to wait.
const SOON: Nanos = 500_000;
/// The most between two looks.
const MOST: Nanos = 10_000_000_000;
/// How long after the start to look for cycles, and the most between two looks.
const CYCLES_FIRST: Nanos = 100_000_000;
const CYCLES_MOST: Nanos = 60_000_000_000;
/// No time: there is nothing to wake up for.
pub(super) const NEVER: Nanos = Nanos::MAX;

/// What is known of the present state, by whichever worker was the last awake.
pub(super) struct Quiet {
    /// Which state: so many switches.
    switches: AtomicU64,
    /// When to look at it, and how long it was until then.
    due: AtomicU64,
    gap: AtomicU64,
    /// A descriptor that somebody waited for.
    witness: AtomicI32,
    /// The last state that was found to be stalled.
    stalled: AtomicU64,
    /// When to look for cycles, and how long after that again.
    cycles_at: AtomicU64,
    cycles_gap: AtomicU64,
}

pub(super) static QUIET: Quiet = Quiet::new();

/// Tells the users; see `inspect`. Called on a thread of its own, once per
/// stall; has somebody look again (`poke`) when it is done.
type Teller = fn();
static TELLER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
/// Likewise of cycles among those that wait, while others run.
static CYCLES: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Says who tells of stalls, and of cycles. At any time, also before `main`.
pub(crate) fn told_by(stalls: Teller, cycles: Teller) {
    TELLER.store(stalls as *mut (), Release);
    CYCLES.store(cycles as *mut (), Release);
}

impl Quiet {
    const fn new() -> Quiet {
        Quiet {
            switches: AtomicU64::new(0),
            due: AtomicU64::new(NEVER),
            gap: AtomicU64::new(FIRST),
            witness: AtomicI32::new(-1),
            stalled: AtomicU64::new(NEVER),
            cycles_at: AtomicU64::new(0),
            cycles_gap: AtomicU64::new(CYCLES_FIRST),
        }
    }

    /// When a worker that has announced its sleep is to look. `wakes`: it knows that
    /// something will wake somebody.
    #[inline]
    pub(super) fn look_at(
        &self,
        me: &Shared,
        runtime: &Runtime,
        now: Nanos,
        wakes: bool,
    ) -> Option<Nanos> {
        if now >= self.cycles_at.load(Relaxed) {
            self.seek_cycles(now);
        }
        if wakes { None } else { self.plan(me, runtime, now) }
    }

    /// Has somebody look for cycles among those that wait, now and then: each
    /// time after twice as long as before.
    #[cold]
    fn seek_cycles(&self, now: Nanos) {
        let at = self.cycles_at.load(Relaxed);
        let gap = self.cycles_gap.load(Relaxed);
        // The first one to come does it, and not in the first moments.
        if self.cycles_at.compare_exchange(at, now + gap, AcqRel, Relaxed).is_err() {
            return;
        }
        self.cycles_gap.store((gap * 2).min(CYCLES_MOST), Relaxed);
        if at != 0 && config::on_stall() != OnStall::Ignore {
            start(&CYCLES);
        }
    }

    #[cold]
    fn plan(&self, me: &Shared, runtime: &Runtime, now: Nanos) -> Option<Nanos> {
        let awaited = fds::is_awaited(self.witness.load(Relaxed));
        let ignored = config::on_stall() == OnStall::Ignore;
        if awaited || ignored || !others_rest(me, runtime) || !has_any(runtime) {
            return None;
        }
        let switches = switches(runtime);
        if self.switches.swap(switches, Relaxed) != switches {
            self.gap.store(FIRST, Relaxed);
            self.due.store(now + FIRST, Relaxed);
        }
        Some(self.due.load(Relaxed)).filter(|due| *due != NEVER)
    }

    /// Nothing is to be done; `at`: when to look.
    #[inline]
    pub(super) fn look_if_due(&self, at: Option<Nanos>, me: &Local, runtime: &Runtime) {
        if at.is_some_and(|at| clock::now() >= at) {
            self.look(me, runtime);
        }
    }

    #[cold]
    fn look(&self, me: &Local, runtime: &Runtime) {
        match verdict(me, runtime) {
            Verdict::Stalled => {
                self.due.store(NEVER, Relaxed);
                let state = self.switches.load(Relaxed);
                if self.stalled.swap(state, AcqRel) != state { tell() } else { act() }
            }
            Verdict::Awaited(fd) => {
                self.witness.store(fd, Relaxed);
                self.due.store(NEVER, Relaxed);
            }
            Verdict::Unsure => {
                let gap = (self.gap.load(Relaxed) * 2).min(MOST);
                self.gap.store(gap, Relaxed);
                self.due.store(clock::now() + gap, Relaxed);
            }
        }
    }
}

/// Nobody is to look for cycles before that time is over.
pub(crate) fn seek_after(pause: Duration) {
    QUIET.cycles_at.fetch_max(clock::after(pause), AcqRel);
}

/// An OS thread has waited for a while, for a green thread perhaps: has somebody
/// look now, unless somebody is awake, who would look anyway.
#[cold]
pub(crate) fn poke() {
    let Some(runtime) = runtime::get().filter(|_| !runtime::is_forked()) else { return };
    let asleep = runtime.workers.iter().all(|w| rests(w)) && has_any(runtime);
    if !asleep || fds::is_awaited(QUIET.witness.load(Relaxed)) {
        return;
    }
    QUIET.gap.store(FIRST, Relaxed);
    // The caller needs a moment to get where it can be seen to wait, or to end.
    QUIET.due.store(clock::now() + SOON, Relaxed);
    runtime.workers.iter().any(|w| w.sleep.rouse(|| w.selector.wake()));
}

/// It was reported, and still is so.
fn act() {
    let what = config::on_stall();
    if !matches!(what, OnStall::Abort | OnStall::Error) || !tasks::handled_signals().is_empty() {
        return;
    }
    if what == OnStall::Abort {
        report::say(b"greenroom: stalled; aborting, as was chosen\n");
        // SAFETY: ends the process.
        unsafe { libc::abort() }
    }
    joiners::fail_all();
}

/// Whether the worker sleeps until it is woken.
fn rests(worker: &Shared) -> bool {
    // It has said until when before it announced its sleep.
    let asleep = worker.sleep.is_asleep();
    fence(Acquire);
    asleep && worker.wakes_at.load(Relaxed) == NEVER && worker.inbox.is_empty()
}

fn others_rest(me: &Shared, runtime: &Runtime) -> bool {
    runtime.workers.iter().all(|w| w.index == me.index || rests(w))
}

/// Whether there are green threads at all.
fn has_any(runtime: &Runtime) -> bool {
    let counters = runtime.workers.iter().map(|w| &w.counters);
    counters.fold(0, |n, c| n + c.started.get().wrapping_sub(c.ended.get()) as i64) != 0
}

fn switches(runtime: &Runtime) -> u64 {
    runtime.workers.iter().map(|w| w.counters.switches.get()).sum()
}

enum Verdict {
    Stalled,
    /// Somebody waits for this descriptor.
    Awaited(i32),
    Unsure,
}

/// What one round of looks has found; the same twice, nobody has moved.
#[derive(PartialEq)]
struct Look {
    rounds: Vec<u32>,
    tasks: Vec<Task>,
}

fn verdict(me: &Local, runtime: &Runtime) -> Verdict {
    if let Some(fd) = fds::any_awaited() {
        return Verdict::Awaited(fd);
    }
    let first = Look::take(me, runtime);
    fence(SeqCst);
    let again = Look::take(me, runtime);
    match (first, again) {
        (Some(first), Some(again)) if first == again => Verdict::Stalled,
        _ => Verdict::Unsure,
    }
}

impl Look {
    /// `None`: something moves, or may.
    fn take(me: &Local, runtime: &Runtime) -> Option<Look> {
        // The calling worker stands still while it looks.
        // SAFETY: its OS thread; looking does not nest.
        let idle = unsafe { me.run.with(|q| q.is_empty()) } && me.shared.inbox.is_empty();
        let still = || idle && me.next_deadline().is_none() && others_rest(me.shared, runtime);
        if !still() || runtime.has_fresh() {
            return None;
        }
        let rounds = runtime.workers.iter().map(|w| w.round.load(Relaxed)).collect();
        let tasks = tasks::all_waiting()?;
        let free = fds::any_awaited().is_none();
        // A worker that woke since is awake, or has come round.
        (free && still()).then_some(Look { rounds, tasks })
    }
}

fn tell() {
    if !start(&TELLER) {
        report::say(b"greenroom: stalled: nothing is left that could wake any green thread\n");
        act(); // nobody else is told, who might help
    }
}

/// Starts a teller on a thread of its own, for the users' code may run there.
fn start(teller: &AtomicPtr<()>) -> bool {
    let teller = teller.load(Acquire);
    !teller.is_null() && {
        // SAFETY: set by `told_by` alone.
        let teller = unsafe { std::mem::transmute::<*mut (), Teller>(teller) };
        let _native = Native::enter();
        thread::Builder::new().name("green-stall".into()).spawn(teller).is_ok()
    }
}
