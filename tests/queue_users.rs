//! Queues and the code of those who use them: comparisons that panic, copies
//! that take long, items that only one thread may have.

mod common;

use common::{slow::Copied, until, workers};
use greenroom::queue::{Channel, GetError, LifoQueue, PriorityQueue, Queue};
use greenroom::{spawn, yield_now};
use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// A job is `Send`, and mostly not `Sync`.
#[test]
fn jobs_pass_from_thread_to_thread() {
    type Job = Box<dyn FnOnce() -> u32 + Send>;
    workers(2, || {
        let (fifo, lifo, channel) = (Queue::new(), LifoQueue::new(), Channel::new());
        let (a, b, c) = (fifo.clone(), lifo.clone(), channel.clone());
        let worker = spawn(move || {
            let jobs: [Job; 3] = [a.get().unwrap(), b.get().unwrap(), c.get().unwrap()];
            jobs.into_iter().map(|job| job()).sum::<u32>()
        });
        fifo.put(Box::new(|| 1)).unwrap();
        lifo.put(Box::new(|| 2)).unwrap();
        channel.put(Box::new(|| 4)).unwrap();
        assert_eq!(worker.join().unwrap(), 7);
    });
}

static PANICS: AtomicBool = AtomicBool::new(false);

/// What cannot be compared while `PANICS`.
#[derive(Debug, PartialEq, Eq)]
struct Moody(u32);

impl Ord for Moody {
    fn cmp(&self, other: &Moody) -> Ordering {
        assert!(!PANICS.load(SeqCst), "on purpose");
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Moody {
    fn partial_cmp(&self, other: &Moody) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A comparison that panics may lose the item, but no more than that: what is
/// left can be got, its room is free, and nobody waits for its work.
#[test]
fn a_get_that_panics_leaves_the_queue_in_order() {
    workers(1, || {
        let queue = PriorityQueue::bounded(4);
        (0..4).for_each(|n| queue.put(Moody(n)).unwrap());
        PANICS.store(true, SeqCst);
        assert!(catch_unwind(AssertUnwindSafe(|| queue.get())).is_err());
        PANICS.store(false, SeqCst);
        let left = queue.len();
        for n in left..4 {
            queue.try_put(Moody(n as u32)).expect("there is room for what was lost");
        }
        assert!(queue.try_put(Moody(9)).is_err(), "and for no more");
        for _ in 0..4 {
            queue.try_get().unwrap();
            queue.task_done();
        }
        assert_eq!(queue.try_get(), Err(GetError::Empty), "it was not shut down");
        queue.join();
    });
}

#[test]
fn a_put_that_panics_leaves_the_queue_in_order() {
    workers(1, || {
        let queue = PriorityQueue::bounded(2);
        queue.put(Moody(2)).unwrap();
        PANICS.store(true, SeqCst);
        assert!(catch_unwind(AssertUnwindSafe(|| queue.put(Moody(1)))).is_err());
        PANICS.store(false, SeqCst);
        let left = queue.len();
        assert_eq!(queue.is_full(), queue.try_put(Moody(0)).is_err());
        (0..left).for_each(|_| _ = queue.try_get().unwrap());
    });
}

/// Whoever looks takes nothing: a `try_get` meanwhile finds the item.
#[test]
fn what_is_looked_at_can_be_got() {
    workers(2, || {
        let slow = Copied::default();
        let (begun, go) = (slow.begun.clone(), slow.go.clone());
        let queue = Queue::new();
        queue.put(slow).unwrap();
        let (looking, getting) = (queue.clone(), queue.clone());
        let looker = spawn(move || looking.peek().is_ok());
        until(|| begun.load(SeqCst) == 1);
        let getter = spawn(move || getting.try_get().is_ok());
        (0..100).for_each(|_| yield_now()); // holds as well if it is not there yet
        go.set();
        assert!(looker.join().unwrap());
        assert!(getter.join().unwrap(), "it was there all the time");
    });
}

/// One that waited for an item to look at was served, and has not run yet: it
/// is to keep nobody from the item.
#[test]
fn who_looks_keeps_nothing() {
    workers(1, || {
        let queue = Queue::new();
        let looking = queue.clone();
        let looker = spawn(move || looking.peek());
        let got = spawn(move || {
            (0..10).for_each(|_| yield_now());
            queue.put(7).unwrap();
            queue.try_get()
        });
        assert_eq!(got.join().unwrap(), Ok(7));
        assert_eq!(looker.join().unwrap(), Ok(7));
    });
}

#[test]
fn shutdown_meets_one_who_looks() {
    workers(1, || {
        let queue = Queue::new();
        let (looking, again, getting) = (queue.clone(), queue.clone(), queue.clone());
        let looker = spawn(move || looking.peek());
        let second = spawn(move || again.peek());
        let getter = spawn(move || getting.into_iter().collect::<Vec<_>>());
        spawn(move || {
            (0..10).for_each(|_| yield_now());
            queue.put(7).unwrap();
            queue.shutdown(false);
        })
        .join()
        .unwrap();
        assert_eq!(getter.join().unwrap(), [7], "what is in it can still be got");
        assert_eq!(looker.join().unwrap(), Ok(7));
        assert!(matches!(second.join().unwrap(), Ok(7) | Err(GetError::Shutdown)));
    });
}
