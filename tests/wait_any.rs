//! Waiting for green threads, events, results, semaphores and queues together.

mod common;

use common::{Random, until, workers};
use greenroom::process::{Command, Stdio};
use greenroom::queue::{LifoQueue, PriorityQueue, Queue};
use greenroom::sync::{AsyncResult, Event, Semaphore};
use greenroom::{Waitable, wait_all, wait_all_timeout, wait_any, wait_any_timeout};
use greenroom::{park, sleep, spawn, timeout, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const NOT_SOON: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(5);

/// One of each sort.
struct Things {
    green: greenroom::JoinHandle<()>,
    event: Event,
    result: AsyncResult<u8>,
    permits: Semaphore,
    queue: Queue<u8>,
    stack: LifoQueue<u8>,
    heap: PriorityQueue<u8>,
}

impl Things {
    fn new() -> Arc<Things> {
        Arc::new(Things {
            green: spawn(park),
            event: Event::new(),
            result: AsyncResult::new(),
            permits: Semaphore::new(0),
            queue: Queue::new(),
            stack: LifoQueue::new(),
            heap: PriorityQueue::new(),
        })
    }

    fn all(&self) -> [&dyn Waitable; 8] {
        let thread = self.green.thread();
        let Things { green, event, result, permits, queue, stack, heap } = self;
        [green, thread, event, result, permits, queue, stack, heap]
    }

    fn make_ready(&self, number: usize) {
        match number {
            0 | 1 => self.green.thread().unpark(),
            2 => self.event.set(),
            3 => self.result.set(1).unwrap(),
            4 => assert!(self.permits.release()),
            5 => self.queue.put(1).unwrap(),
            6 => self.stack.put(1).unwrap(),
            _ => self.heap.put(1).unwrap(),
        }
    }

    /// What it was to observe was not taken, and nobody stands in line.
    fn assert_untouched(&self, number: usize) {
        match number {
            0 | 1 => assert!(self.green.is_finished()),
            2 => assert!(self.event.is_set()),
            3 => assert_eq!(self.result.try_get(), Some(&1)),
            4 => assert!(self.permits.try_acquire() && !self.permits.try_acquire()),
            5 => assert_eq!(self.queue.try_get(), Ok(1)),
            6 => assert_eq!(self.stack.try_get(), Ok(1)),
            _ => assert_eq!(self.heap.try_get(), Ok(1)),
        }
    }

    /// Nobody who was cut short took any, or waits.
    fn assert_all_untouched(&self) {
        for number in 1..8 {
            self.make_ready(number);
        }
        until(|| self.green.is_finished());
        (0..8).for_each(|number| self.assert_untouched(number));
    }
}

/// Each sort wakes a waiter, on a green thread and an OS thread.
#[test]
fn each_is_the_first_in_turn() {
    workers(2, || {
        for number in 0..8 {
            for os in [false, true] {
                let things = Things::new();
                let (theirs, begins) = (things.clone(), Arc::new(AtomicBool::new(false)));
                let begun = begins.clone();
                let waits = move || {
                    assert_eq!(wait_any_timeout(&theirs.all(), SOON), None);
                    begins.store(true, SeqCst);
                    wait_any(&theirs.all())
                };
                let first = if os {
                    let waiter = std::thread::spawn(waits);
                    until(|| begun.load(SeqCst));
                    things.make_ready(number);
                    waiter.join().unwrap()
                } else {
                    let waiter = spawn(waits);
                    until(|| begun.load(SeqCst));
                    things.make_ready(number);
                    waiter.join().unwrap()
                };
                // The green thread stands there twice.
                assert!(first == number || first + number == 1, "{first} for {number}");
                assert_eq!(wait_any(&things.all()[2.min(number)..]), number - 2.min(number));
                things.assert_untouched(number);
                things.green.thread().unpark();
            }
        }
    });
}

#[test]
fn all_of_them() {
    workers(2, || {
        let things = Things::new();
        assert!(!wait_all_timeout(&things.all(), SOON));
        let theirs = things.clone();
        let waiter = spawn(move || wait_all_timeout(&theirs.all(), NOT_SOON));
        for number in 1..7 {
            sleep(Duration::from_micros(100));
            things.make_ready(number);
        }
        assert!(!waiter.is_finished());
        things.make_ready(7);
        assert!(waiter.join().unwrap());
        (0..8).for_each(|number| things.assert_untouched(number));
        wait_all(&[]);
    });
}

/// As an event's own `wait`: having been set during the wait is enough.
#[test]
fn an_event_that_was_set_counts() {
    workers(1, || {
        spawn(|| {
            let events = Arc::new([Event::new(), Event::new()]);
            let theirs = events.clone();
            let waiter = spawn(move || wait_all(&[&theirs[0], &theirs[1]]));
            yield_now(); // the waiter runs, and waits
            events[1].set();
            events[1].clear();
            events[0].set();
            waiter.join().unwrap();
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_queue_that_is_shut_down_is_ready() {
    workers(1, || {
        let queue = Queue::<()>::new();
        let theirs = queue.clone();
        let waiter = spawn(move || wait_any(&[&Event::new(), &theirs]));
        until(|| queue.is_empty());
        queue.shutdown(false);
        assert_eq!(waiter.join().unwrap(), 1);
        assert_eq!(wait_any_timeout(&[&queue], Duration::ZERO), Some(0));
    });
}

/// One that is killed while it waits has left all lines: what comes then goes
/// to others.
#[test]
fn a_killed_one_has_left() {
    workers(2, || {
        let things = Things::new();
        let (theirs, began) = (things.clone(), Arc::new(AtomicUsize::new(0)));
        let begins = began.clone();
        let waiter = spawn(move || {
            assert_eq!(wait_any_timeout(&theirs.all(), Duration::from_millis(1)), None);
            begins.fetch_add(1, SeqCst);
            wait_any(&theirs.all())
        });
        until(|| began.load(SeqCst) == 1);
        waiter.kill();
        assert!(waiter.join().unwrap_err().is_killed());
        assert_eq!(Arc::strong_count(&things), 1);
        things.assert_all_untouched();
    });
}

#[test]
fn cut_short_by_a_timeout() {
    workers(2, || {
        let things = Things::new();
        let cut = || timeout(SOON, || wait_any(&things.all())).is_err();
        assert!(cut() && timeout(SOON, || wait_all(&things.all())).is_err());
        let theirs = things.clone();
        let green = spawn(move || timeout(SOON, || wait_any(&theirs.all())).is_err());
        assert!(green.join().unwrap());
        things.assert_all_untouched();
    });
}

/// With nothing but watchers, a permit stays free until one takes it: it is not
/// passed from one to the next for ever.
#[test]
fn many_may_watch_one() {
    workers(2, || {
        let (queue, taken) = (Queue::new(), Arc::new(AtomicUsize::new(0)));
        let watchers: Vec<_> = (0..20)
            .map(|_| {
                let (queue, taken) = (queue.clone(), taken.clone());
                spawn(move || {
                    while taken.load(SeqCst) < 500 {
                        wait_any(&[&queue]);
                        taken.fetch_add(usize::from(queue.try_get().is_ok()), SeqCst);
                    }
                })
            })
            .collect();
        for n in 0..500 {
            queue.put(n).unwrap();
            until(|| taken.load(SeqCst) > n);
        }
        queue.shutdown(false);
        watchers.into_iter().for_each(|watcher| watcher.join().unwrap());
        assert_eq!(taken.load(SeqCst), 500);
    });
}

/// Waiters with limits, kills, and things that come and are taken: no item and
/// no permit is lost.
#[test]
fn races_lose_nothing() {
    const ITEMS: usize = 4000;
    workers(2, || {
        let queues = Arc::new([Queue::new(), Queue::new()]);
        let permits = Arc::new(Semaphore::new(0));
        let got = Arc::new(AtomicUsize::new(0));
        let takers: Vec<_> = (0..6u64)
            .map(|seed| {
                let (queues, permits, got) = (queues.clone(), permits.clone(), got.clone());
                spawn(move || {
                    let mut random = Random::new(seed + 1);
                    while got.load(SeqCst) < 3 * ITEMS {
                        let limit = Duration::from_nanos(random.below(50_000));
                        let found =
                            match wait_any_timeout(&[&queues[0], &queues[1], &*permits], limit) {
                                Some(2) => permits.try_acquire(),
                                Some(number) => queues[number].try_get().is_ok(),
                                None => false,
                            };
                        got.fetch_add(usize::from(found), SeqCst);
                    }
                })
            })
            .collect();
        let killed = {
            let (queues, permits) = (queues.clone(), permits.clone());
            spawn(move || {
                for _ in 0..300 {
                    let (queues, permits) = (queues.clone(), permits.clone());
                    let victim = spawn(move || {
                        loop {
                            wait_any(&[&queues[0], &queues[1], &*permits]);
                            yield_now();
                        }
                    });
                    yield_now();
                    victim.kill();
                }
            })
        };
        for n in 0..ITEMS {
            queues[0].put(n).unwrap();
            queues[1].put(n).unwrap();
            assert!(permits.release());
        }
        killed.join().unwrap();
        takers.into_iter().for_each(|taker| taker.join().unwrap());
        assert_eq!(got.load(SeqCst), 3 * ITEMS);
        assert!(queues[0].is_empty() && queues[1].is_empty() && permits.available() == 0);
    });
}

#[test]
#[should_panic(expected = "the first of nothing")]
fn nothing_can_never_be_ready() {
    wait_any(&[]);
}

/// Children among other things; those who give up leave nothing behind, and who
/// waits later still hears of it.
#[test]
fn children_end_among_other_things() {
    workers(2, || {
        let stop = Event::new();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        for _ in 0..3 {
            assert_eq!(wait_any_timeout(&[&stop, &child], Duration::from_millis(2)), None);
        }
        let stdin = child.stdin.take();
        let ends = spawn(move || drop(stdin));
        assert_eq!(wait_any(&[&stop, &child]), 1);
        wait_all(&[&child, &ends]);
        assert!(child.wait().unwrap().success());
        // Waited for already, it is ready whoever has its number now.
        assert_eq!(wait_any(&[&stop, &child]), 1);

        // One that nobody waits for any more takes its waiter along.
        let mut child = Command::new("sleep").arg("3600").spawn().unwrap();
        assert!(!wait_all_timeout(&[&child], Duration::from_millis(2)));
        child.kill().unwrap();
        let mut std: std::process::Child = child.into();
        assert!(!std.wait().unwrap().success());
        until(|| greenroom::inspect::stats().alive() == 0);
    });
}
