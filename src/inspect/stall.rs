//! Telling that nothing can go on: everybody waits for another. `sched/stall.rs`
//! says how that is found.

use super::deadlock;
use super::graph::Graph;
pub use super::graph::Waiter;
use super::pace::Pace;
use super::take::with_holders;
use super::view::{ThreadDump, WaitsFor};
use super::waits::meaning;
use crate::green::os_waits::{self, OsWait};
use crate::green::report::say;
use crate::green::why::Kind;
use crate::sched::stall;
use crate::sys::lock::Lock;
use crate::sys::tasks::{self, Mark, Role};
use std::collections::{BTreeSet, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::Duration;

/// Who waits for what, when nothing can go on.
///
/// As text (`Display`) it is what stands on stderr.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StallReport {
    /// All green threads, by their numbers; or those in the cycles.
    pub threads: Vec<ThreadDump>,
    /// The OS threads, but for the runtime's own.
    pub os_threads: Vec<OsThread>,
    /// Others still run: these here are only those that wait for each other's
    /// locks or ends, in a cycle.
    pub others_run: bool,
    /// Each waits for the next one, and the last for the first.
    pub cycles: Vec<Vec<Waiter>>,
    /// Signals whose handlers might still wake somebody. Without any, it is
    /// certain that nothing goes on.
    pub signals: Vec<i32>,
}

/// An OS thread in a [`StallReport`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OsThread {
    /// As the kernel numbers it.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// What it waits for, if it waits in greenroom's own calls: join, locks,
    /// queues. Else it waits in a lock or channel of std or libc, and whose turn
    /// it is there nobody knows.
    pub waits_for: Option<WaitsFor>,
}

/// Nobody waits for the report, so it may take its time.
const TIME: Duration = Duration::from_secs(30);
/// How many times as long as it took to look for cycles nobody does so again.
const SHARE: u32 = 100;

type Callback = Arc<dyn Fn(&StallReport) + Send + Sync>;

static CALLBACK: Lock<Option<Callback>> = Lock::new(None);

/// Has `callback` called, beside the report on stderr, each time that nothing in
/// the process can go on, because every green thread and every OS thread waits for
/// another; and when green threads wait for each other's locks or ends while
/// others still run ([`StallReport::others_run`]), which is looked for now and then
/// when a worker has nothing to do, ever more rarely, up to once a minute, and with
/// very many green threads more rarely still: it takes a hundredth of a core, and never
/// more than a tenth at a time. It replaces an earlier one.
///
/// It is called on an OS thread of its own, on which it may do anything: wake or
/// kill somebody, write a log, end the process.
///
/// There are no false alarms: timers, descriptors, children, work on OS threads,
/// and OS threads that do anything but wait at a lock or a futex without a
/// deadline are all seen. Only the handler of a signal might still wake somebody
/// (see [`StallReport::signals`]). On the other hand two green threads that wait
/// for the two ends of one pipe do not count as a stall, nor does anything while a
/// [monitor](super::monitor) is on that tells the program, which may help then.
///
/// What else happens then, and whether anybody looks at all, is a setting:
/// [`OnStall`](crate::OnStall).
///
/// ```
/// use greenroom::inspect::{WaitsFor, on_stall};
/// on_stall(|report| {
///     let forgotten = report.threads.iter().find(|t| t.name.as_deref() == Some("forgotten"));
///     assert_eq!(forgotten.unwrap().waits_for, [WaitsFor::Unpark]);
///     std::process::exit(0)
/// });
/// let builder = greenroom::Builder::new().name("forgotten".into());
/// builder.spawn(greenroom::park)?.join().unwrap(); // nobody unparks it
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn on_stall(callback: impl Fn(&StallReport) + Send + Sync + 'static) {
    let callback: Callback = Arc::new(callback);
    let before = CALLBACK.lock().replace(callback);
    drop(before);
}

/// Before `main`: the layers below know nothing of reports.
#[used]
#[cfg(not(miri))]
#[unsafe(link_section = ".init_array")]
static HANG_UP: extern "C" fn() = hang_up;

extern "C" fn hang_up() {
    stall::told_by(tell, tell_of_cycles);
}

/// On an OS thread of its own. While that is there it counts as one that may wake
/// others, so nothing else happens before all have been told.
fn tell() {
    say_it(&report());
    stall::poke();
}

/// Likewise: says which cycles there are that were not told of yet.
fn tell_of_cycles() {
    static TOLD: Lock<BTreeSet<Vec<Waiter>>> = Lock::new(BTreeSet::new());
    static SEEKS: AtomicBool = AtomicBool::new(false);
    let mark = Mark::new(Role::Ours);
    // Where there is much to look at, the one before may not have come to its end yet.
    if SEEKS.swap(true, Acquire) {
        return;
    }
    let mut pace = Pace::new();
    let mut cycles = deadlock::seek(&mut pace);
    stall::seek_after(pace.worked() * SHARE);
    SEEKS.store(false, Release);
    {
        let mut told = TOLD.lock();
        cycles.retain(|cycle| told.insert(cycle.clone()));
    }
    if cycles.is_empty() {
        return;
    }
    let in_cycles: HashSet<_> = cycles.iter().flatten().copied().collect();
    let mut threads = with_holders(TIME).0.threads;
    threads.retain(|t| in_cycles.contains(&Waiter::Green(t.id)));
    let report = StallReport { threads, cycles, others_run: true, ..StallReport::default() };
    drop(mark); // from here on it may wake others
    say_it(&report);
}

/// On stderr, but not by std's, whose lock one of them may hold; and to the
/// callback.
fn say_it(report: &StallReport) {
    say(report.to_string().as_bytes());
    let callback = CALLBACK.lock().clone();
    if let Some(callback) = callback {
        // Its end may be the callback's, too, if that was replaced meanwhile.
        let done = catch_unwind(AssertUnwindSafe(move || callback(report)));
        done.unwrap_or_else(std::mem::forget); // the hook has reported it
    }
}

fn report() -> StallReport {
    let (dump, holders) = with_holders(TIME);
    let waits = os_waits::all();
    let mut graph = Graph::default();
    graph.add_all(&dump.threads);
    let mut os_threads = Vec::new();
    for (id, name) in tasks::others() {
        let wait = waits.iter().find(|wait| wait.thread == id);
        let what = |wait: &OsWait| match meaning(Kind::of_number(wait.kind)?, wait.what) {
            WaitsFor::Lock { at, .. } => Some(WaitsFor::Lock { at, holder: holders.of_os(wait) }),
            other => Some(other),
        };
        let waits_for = wait.and_then(what);
        graph.add(Waiter::Os(id), waits_for.as_slice());
        os_threads.push(OsThread { id, name, waits_for });
    }
    let signals = tasks::handled_signals();
    let cycles = graph.cycles();
    StallReport { threads: dump.threads, os_threads, cycles, signals, others_run: false }
}
