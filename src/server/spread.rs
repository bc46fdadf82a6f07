//! One servant on each worker.
//!
//! Which worker runs a green thread is settled when it starts: its own, unless
//! an idle one steals it first. So a servant that finds itself on a worker that
//! has one sends a fresh one in its place, and keeps its worker busy until
//! somebody else has taken that up. It does not always work out; then two share
//! a worker, which costs only speed.

use crate::sched::{local, start};
use crate::sys::clock::{self, Nanos};
use crate::sys::lock::Lock;
use crate::sys::real;
use crate::task::spawn::Builder;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};

/// How often one is sent on, and how long it is given to be taken up.
const TRIES: u32 = 32;
const PATIENCE: Nanos = 1_000_000;

/// Which workers have a servant.
#[derive(Clone)]
pub(super) struct Seats(Arc<[AtomicBool]>);

/// How many workers there are; starts them.
///
/// # Errors
/// There is no runtime to be had.
pub(super) fn workers() -> io::Result<usize> {
    Ok(start::runtime(Location::caller())?.workers.len())
}

impl Seats {
    /// # Errors
    /// There is no runtime to be had.
    pub(super) fn new() -> io::Result<Seats> {
        Ok(Seats((0..workers()?).map(|_| AtomicBool::new(false)).collect()))
    }

    /// Whether the caller's worker had none, and has one now.
    fn take(&self) -> bool {
        let here = local::get().map(|local| local.shared.index);
        here.and_then(|here| self.0.get(here)).is_none_or(|seat| !seat.swap(true, SeqCst))
    }
}

/// Runs `servant` on a worker that has none, if it comes to one.
pub(super) fn run<F: FnOnce() + Send + 'static>(servant: F, seats: Seats) {
    try_here(servant, seats, TRIES);
}

fn try_here<F: FnOnce() + Send + 'static>(servant: F, seats: Seats, tries: u32) {
    if tries == 0 || seats.take() {
        return servant();
    }
    // In a box of its own, for when it cannot be sent.
    let parcel = Arc::new(Lock::new(Some(servant)));
    let theirs = parcel.clone();
    let sent = Builder::new().spawn(move || {
        let servant = theirs.lock().take();
        drop(theirs);
        servant.into_iter().for_each(|servant| try_here(servant, seats.clone(), tries - 1));
    });
    let give_up = clock::now().saturating_add(PATIENCE);
    while sent.is_ok() && clock::now() < give_up {
        if Arc::strong_count(&parcel) == 1 {
            return;
        }
        // The core, not the worker: the thief may need it.
        // SAFETY: takes no arguments.
        unsafe { real::sched_yield() };
    }
    if sent.is_err() {
        let servant = parcel.lock().take();
        servant.into_iter().for_each(|servant| servant());
    }
}

#[cfg(all(test, not(loom), not(miri)))]
mod tests {
    use super::*;
    use crate::sys::reexec::in_child;
    use crate::{park, spawn};
    use std::collections::BTreeSet;
    use std::sync::atomic::AtomicUsize;

    /// Starts a servant per worker, all from one; where each of them ran.
    fn round() -> Vec<usize> {
        let places = Arc::new(Lock::new(Vec::new()));
        let done = Arc::new(AtomicUsize::new(0));
        let seats = Seats::new().unwrap();
        let (theirs, count) = (places.clone(), done.clone());
        let starting = spawn(move || {
            for _ in 0..3 {
                let (places, done, seats) = (theirs.clone(), count.clone(), seats.clone());
                let servant = move || {
                    places.lock().push(local::get().unwrap().shared.index);
                    done.fetch_add(1, SeqCst);
                };
                spawn(move || run(servant, seats));
            }
        });
        starting.join().unwrap();
        while done.load(SeqCst) < 3 {
            crate::sleep(std::time::Duration::from_micros(200));
        }
        places.lock().clone()
    }

    #[test]
    fn each_worker_gets_one() {
        let ended = in_child(&[("GREENROOM_WORKERS", "3")], || {
            // With other programs on all cores it need not work out each time.
            let spread = (0..200).any(|_| {
                let places = round();
                assert_eq!(places.len(), 3, "each runs once");
                places.into_iter().collect::<BTreeSet<_>>().len() == 3
            });
            assert!(spread, "never");
        });
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }

    #[test]
    fn it_runs_all_the_same_where_all_have_one() {
        let ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
            let seats = Seats::new().unwrap();
            let run_one = || {
                let (seats, me) = (seats.clone(), crate::current());
                let waiting = spawn(park);
                let woken = waiting.thread().clone();
                assert!(me.is_none());
                spawn(move || run(move || woken.unpark(), seats));
                waiting.join().unwrap();
            };
            run_one();
            run_one();
        });
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}
