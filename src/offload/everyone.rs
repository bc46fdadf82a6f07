//! The crew that all of the process shares, and [`offload`].

use super::crew::{Crew, is_member};
use super::roster::{Load, Rules};
use crate::error::JoinError;
use crate::green::cancel;
use crate::green::current::Inside;
use crate::green::kill::uncancellable;
use std::panic::resume_unwind;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering::*};
use std::time::Duration;

/// How long a thread stays without work: starting another costs some tens of
/// microseconds, and a waiting one some kilobytes.
pub(super) const KEEP: Duration = Duration::from_secs(5);
/// How many may wait apart.
const APART_THREADS: usize = 128;

/// A crew for ever, made when first needed.
type Slot = AtomicPtr<Arc<Crew>>;

fn crew(slot: &Slot, rules: Rules) -> &'static Arc<Crew> {
    // SAFETY: null, or leaked below.
    if let Some(crew) = unsafe { slot.load(Acquire).as_ref() } {
        return crew;
    }
    let new = Box::into_raw(Box::new(Arc::new(Crew::new(rules))));
    match slot.compare_exchange(ptr::null_mut(), new, AcqRel, Acquire) {
        // SAFETY: from a box, and never freed.
        Ok(_) => unsafe { &*new },
        Err(first) => {
            // SAFETY: from the box above; nobody has seen it.
            drop(unsafe { Box::from_raw(new) });
            // SAFETY: leaked by whoever was first.
            unsafe { &*first }
        }
    }
}

/// What [`offload`] uses.
static EVERYONE: Slot = AtomicPtr::new(ptr::null_mut());

/// What it has to do at the moment.
pub(crate) fn load() -> Load {
    // SAFETY: null, or leaked by `crew`.
    let crew = unsafe { EVERYONE.load(Acquire).as_ref() };
    crew.map_or_else(Load::default, |crew| crew.load())
}

/// Runs `f` on an OS thread that may block, and waits for its result: a green
/// thread parks, a plain OS thread blocks. For what can only block (a C
/// library that waits in its own way, a file system) and for long computing.
///
/// The threads are started when they are needed, at most
/// [`Config::offload_threads`](crate::Config::offload_threads) of them; further
/// calls wait their turn. If the system gives not even one thread, and in a
/// forked child, `f` runs where it is called, as it does on one of these
/// threads. `f` must not wait for another call of `offload`: with all threads
/// waiting, none would be left for it.
///
/// # Panics
/// If `f` panics, with its payload.
///
/// ```
/// let sum = greenroom::spawn(|| greenroom::offload(|| (1..=1_000_000u64).sum::<u64>()));
/// assert_eq!(sum.join().unwrap(), 500_000_500_000);
/// ```
pub fn offload<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if is_member() {
        return f();
    }
    let rules = Rules { threads: None, queue: usize::MAX, keep: KEEP, here: true };
    result(crew(&EVERYONE, rules).spawn(f).join())
}

fn result<T>(joined: Result<T, JoinError>) -> T {
    match joined {
        Ok(value) => value,
        Err(JoinError::Panicked(payload)) => resume_unwind(payload),
        Err(other) => {
            cancel::check(); // run here, it may have ended as the caller is to
            panic!("an offloaded call has no result: {other}")
        }
    }
}

/// Which threads apart: calls of one sort do not keep out those of another
/// that they wait for, or that tell why they wait.
#[derive(Clone, Copy)]
pub(crate) enum Apart {
    /// Those who open a FIFO to write.
    Writers,
    /// Those who wait for a terminal, which go on at the will of its user.
    Terminals,
    /// Those who wait for any child.
    Children,
    /// Those who look what the others wait for.
    Dumps,
    Others,
}

const SORTS: usize = Apart::Others as usize + 1;

/// Between two tries when all threads apart wait.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);

/// Runs a call that may wait for what only another offloaded call can bring, on
/// threads apart; `None` if none of those is free.
pub(crate) fn try_apart<T: Send + 'static>(
    whose: Apart,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    static APART: [Slot; SORTS] = [const { AtomicPtr::new(ptr::null_mut()) }; SORTS];
    let rules = Rules { threads: Some(APART_THREADS), queue: 0, keep: KEEP, here: false };
    let handle = crew(&APART[whose as usize], rules).try_spawn(call).ok()?;
    // Its caller may be C, and the call cannot be taken back.
    match uncancellable(|| handle.join()) {
        Err(JoinError::NotStarted(_)) => None,
        other => Some(result(other)),
    }
}

/// Runs a call of libc that may block, for the current thread. It owns all that
/// it reads and writes, so it may go on when nobody waits for it any more. If it
/// has to run on a green thread, what libc calls inside is not caught.
pub(crate) fn libc_call<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    // The caller may be C.
    uncancellable(|| {
        offload(move || {
            let _inside = Inside::enter();
            call()
        })
    })
}

#[cfg(all(test, not(loom), not(miri)))]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::time::Instant;

    fn threads(name: &str) -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let comm = |task: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
        };
        tasks.filter_map(comm).filter(|comm| comm.starts_with(name)).count()
    }

    /// Grows with what is to be done at once, and shrinks when it is idle.
    #[test]
    fn idle_threads_leave() {
        let before = threads("greenroom-offlo");
        let keep = Duration::from_millis(30);
        let crew = Arc::new(Crew::new(Rules { threads: Some(5), queue: 100, keep, here: true }));
        let together = Arc::new(Barrier::new(5));
        let meet = |_| {
            let together = together.clone();
            crew.spawn(move || together.wait().is_leader())
        };
        let meeting: Vec<_> = (0..5).map(meet).collect();
        meeting.into_iter().for_each(|h| assert!(h.join().is_ok()));
        let limit = Instant::now() + Duration::from_secs(60);
        while threads("greenroom-offlo") > before {
            assert!(Instant::now() < limit, "they stay");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(crew.spawn(|| 7).join().unwrap(), 7, "and come again");
    }
}
