//! Queues between green and OS threads: order, bounds, shutdown, `join`.

mod common;

use common::{Random, until, workers};
use greenroom::queue::{GetError, LifoQueue, PriorityQueue, PutError, Queue};
use greenroom::spawn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(5);

/// Work itself, which one thread makes and another does: it is never shared.
#[test]
fn closures_are_handed_over() {
    let queue = Queue::<Box<dyn FnOnce() -> u32 + Send>>::new();
    let theirs = queue.clone();
    let worker = spawn(move || theirs.into_iter().map(|work| work()).sum::<u32>());
    for n in 1..=3 {
        let own = std::cell::Cell::new(n);
        queue.put(Box::new(move || own.replace(0))).unwrap();
    }
    queue.shutdown(false);
    assert_eq!(worker.join().unwrap(), 6);
}

#[test]
fn each_leaves_in_its_order() {
    let (fifo, lifo, least) = (Queue::new(), LifoQueue::new(), PriorityQueue::new());
    for n in [2, 3, 1] {
        fifo.put(n).unwrap();
        lifo.put(n).unwrap();
        least.put(n).unwrap();
    }
    assert_eq!((fifo.peek(), lifo.try_peek(), least.peek()), (Ok(2), Ok(1), Ok(1)));
    fifo.shutdown(false);
    lifo.shutdown(false);
    least.shutdown(false);
    assert_eq!(fifo.into_iter().collect::<Vec<_>>(), [2, 3, 1]);
    assert_eq!(lifo.into_iter().collect::<Vec<_>>(), [1, 3, 2]);
    assert_eq!(least.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn what_cannot_be_put_comes_back() {
    let queue = Queue::bounded(1);
    assert_eq!(queue.try_get(), Err(GetError::Empty));
    assert_eq!(queue.get_timeout(SOON), Err(GetError::Timeout));
    queue.put("a").unwrap();
    assert!(queue.is_full());
    assert_eq!(queue.try_put("b"), Err(PutError::Full("b")));
    assert_eq!(queue.put_timeout("b", SOON), Err(PutError::Timeout("b")));
    queue.shutdown(false);
    assert_eq!(queue.try_put("b"), Err(PutError::Shutdown("b")));
    assert_eq!(queue.put("b"), Err(PutError::Shutdown("b")));
    assert_eq!(queue.get(), Ok("a"));
    assert_eq!(queue.get(), Err(GetError::Shutdown));
    assert_eq!(queue.try_get(), Err(GetError::Shutdown));
}

#[test]
fn getters_are_served_in_order() {
    workers(1, || {
        let (queue, served) = (Queue::new(), Queue::new());
        let waiting = Arc::new(AtomicUsize::new(0));
        let getters: Vec<_> = (0..10)
            .map(|n| {
                let (queue, served, waiting) = (queue.clone(), served.clone(), waiting.clone());
                spawn(move || {
                    waiting.fetch_add(1, SeqCst);
                    served.put((n, queue.get().unwrap())).unwrap();
                })
            })
            .collect();
        spawn(move || {
            until(|| waiting.load(SeqCst) == 10);
            (0..10).for_each(|n| queue.put(n).unwrap());
        })
        .join()
        .unwrap();
        getters.into_iter().for_each(|g| g.join().unwrap());
        served.shutdown(false);
        served.into_iter().for_each(|(getter, item)| assert_eq!(getter, item));
    });
}

#[test]
fn shutdown_wakes_all_who_wait() {
    workers(2, || {
        let (empty, full) = (Queue::<u8>::new(), Queue::bounded(1));
        full.put(1).unwrap();
        let (getting, putting) = (empty.clone(), full.clone());
        let getter = spawn(move || getting.get());
        let putter = std::thread::spawn(move || putting.put(2));
        greenroom::sleep(SOON);
        empty.shutdown(false);
        full.shutdown(true);
        assert_eq!(getter.join().unwrap(), Err(GetError::Shutdown));
        assert_eq!(putter.join().unwrap(), Err(PutError::Shutdown(2)));
        assert!(full.join_timeout(SOON), "what was dropped counts as done");
    });
}

#[test]
fn join_waits_for_every_task() {
    workers(2, || {
        let queue = Queue::new();
        (0..100).for_each(|n| queue.put(n).unwrap());
        assert!(!queue.join_timeout(SOON));
        let theirs = queue.clone();
        let worker = spawn(move || theirs.clone().into_iter().for_each(|_: u8| theirs.task_done()));
        queue.join();
        assert!(queue.is_empty());
        queue.shutdown(false);
        worker.join().unwrap();
    });
}

/// Green and OS threads put and get with random timeouts: each item that was
/// put is got, once.
#[test]
fn nothing_is_lost_or_doubled() {
    const EACH: u64 = 3000;
    workers(2, || {
        let queue = Queue::bounded(3);
        let put = |seed: u64| {
            let queue = queue.clone();
            move || {
                let mut random = Random::new(seed);
                for n in 0..EACH {
                    let mut item = seed * EACH + n;
                    while let Err(e) =
                        queue.put_timeout(item, Duration::from_nanos(random.below(100_000)))
                    {
                        item = e.into_inner();
                    }
                }
            }
        };
        let get = |seed: u64| {
            let queue = queue.clone();
            move || {
                let (mut random, mut got) = (Random::new(seed + 50), Vec::new());
                loop {
                    match queue.get_timeout(Duration::from_nanos(random.below(100_000))) {
                        Ok(item) => got.push(item),
                        Err(GetError::Shutdown) => return got,
                        Err(_) => {}
                    }
                }
            }
        };
        let green_gets: Vec<_> = (0..3).map(|s| spawn(get(s))).collect();
        let os_get = std::thread::spawn(get(3));
        let green_puts: Vec<_> = (0..3).map(|s| spawn(put(s))).collect();
        std::thread::spawn(put(3)).join().unwrap();
        green_puts.into_iter().for_each(|p| p.join().unwrap());
        queue.shutdown(false);
        let mut all = os_get.join().unwrap();
        green_gets.into_iter().for_each(|g| all.extend(g.join().unwrap()));
        all.sort_unstable();
        assert!(all.into_iter().eq(0..4 * EACH));
    });
}
