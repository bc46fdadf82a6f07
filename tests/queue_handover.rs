//! An item that is handed to one who waits: in order, to one alone, and to the
//! next if he does not want it any more.

mod common;

use common::{Random, workers};
use greenroom::queue::{GetError, PutError, Queue};
use greenroom::{JoinHandle, spawn, yield_now};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// On a green thread.
fn green(deed: impl FnOnce() + Send + 'static) {
    spawn(deed).join().unwrap();
}

/// With one worker: everybody else has run until he waits.
fn all_wait() {
    (0..3).for_each(|_| yield_now());
}

#[test]
fn getters_are_given_items_in_the_order_in_which_both_came() {
    workers(1, || {
        green(|| {
            let queue = Queue::new();
            let got = Arc::new(Mutex::new(Vec::new()));
            let getters: Vec<_> = (0..5)
                .map(|me| {
                    let (queue, got) = (queue.clone(), got.clone());
                    spawn(move || {
                        let item = queue.get().unwrap();
                        got.lock().unwrap().push((me, item));
                    })
                })
                .collect();
            all_wait();
            (0..5).for_each(|item| queue.put(item).unwrap());
            assert_eq!(queue.len(), 0, "all were handed over");
            assert_eq!(queue.try_get(), Err(GetError::Empty), "who comes later gets none of them");
            getters.into_iter().for_each(|t| t.join().unwrap());
            assert_eq!(*got.lock().unwrap(), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
        })
    });
}

#[test]
fn putters_are_given_room_in_the_order_in_which_they_came() {
    workers(1, || {
        green(|| {
            let queue = Queue::bounded(1);
            queue.put(0).unwrap();
            let putters: Vec<_> = (1..5)
                .map(|item| {
                    let queue = queue.clone();
                    spawn(move || queue.put(item).unwrap())
                })
                .collect();
            all_wait();
            let got: Vec<_> = (0..5).map(|_| queue.get().unwrap()).collect();
            assert_eq!(got, [0, 1, 2, 3, 4]);
            putters.into_iter().for_each(|t| t.join().unwrap());
        })
    });
}

/// It was given the item, but is killed before it runs: the item is the next to
/// be got again, and takes the room that it had left.
#[test]
fn what_a_killed_getter_was_given_comes_back_in_front() {
    workers(1, || {
        green(|| {
            let queue = Queue::bounded(1);
            let theirs = queue.clone();
            let getter = spawn(move || theirs.get());
            all_wait();
            queue.put(1).unwrap();
            queue.put(2).unwrap();
            assert_eq!((queue.len(), queue.try_put(3)), (1, Err(PutError::Full(3))));
            getter.thread().kill();
            assert!(getter.join().unwrap_err().is_killed());
            assert_eq!(queue.len(), 2, "one more than its bound");
            assert_eq!(queue.get(), Ok(1));
            assert_eq!(queue.try_put(3), Err(PutError::Full(3)), "still");
            assert_eq!(queue.get(), Ok(2));
            queue.try_put(3).unwrap();
            assert_eq!(queue.try_put(4), Err(PutError::Full(4)));
            (0..2).for_each(|_| queue.task_done());
            assert!(!queue.join_timeout(Duration::ZERO), "each counts once");
            assert_eq!(queue.get(), Ok(3));
            queue.task_done();
            assert!(queue.join_timeout(Duration::ZERO));
        })
    });
}

#[test]
fn what_a_killed_getter_was_given_goes_to_the_one_behind_it() {
    workers(1, || {
        green(|| {
            let queue = Queue::new();
            let [first, second]: [JoinHandle<_>; 2] = std::array::from_fn(|_| {
                let queue = queue.clone();
                spawn(move || queue.get())
            });
            all_wait();
            queue.put("an item").unwrap();
            first.thread().kill();
            assert!(first.join().unwrap_err().is_killed());
            assert_eq!(second.join().unwrap(), Ok("an item"));
        })
    });
}

/// ... and nowhere once an immediate shutdown has dropped what was there.
#[test]
fn what_comes_back_after_an_immediate_shutdown_is_dropped() {
    workers(1, || {
        green(|| {
            let (queue, item) = (Queue::new(), Arc::new(()));
            let theirs = queue.clone();
            let getter = spawn(move || theirs.get());
            all_wait();
            queue.put(item.clone()).unwrap();
            queue.shutdown(true);
            getter.thread().kill();
            assert!(getter.join().unwrap_err().is_killed());
            assert_eq!(Arc::strong_count(&item), 1);
            assert_eq!(queue.try_get(), Err(GetError::Shutdown));
            queue.join(); // nothing is left that anybody would report done
        })
    });
}

#[test]
fn who_looks_waits_as_long_as_he_said() {
    workers(1, || {
        green(|| {
            let queue = Queue::new();
            assert_eq!(queue.peek_timeout(Duration::from_millis(2)), Err(GetError::Timeout));
            let theirs = queue.clone();
            let looker = spawn(move || theirs.peek_timeout(Duration::from_secs(60)));
            all_wait();
            queue.put(7).unwrap();
            assert_eq!(looker.join().unwrap(), Ok(7));
            assert_eq!(queue.get(), Ok(7), "nothing was taken");
            queue.shutdown(false);
            assert_eq!(queue.peek_timeout(Duration::from_secs(60)), Err(GetError::Shutdown));
        })
    });
}

/// Getters that give up, green and not, while items come: of one producer each
/// getter sees a rising sequence, and all arrive.
#[test]
fn deadlines_meet_items() {
    workers(2, || {
        const EACH: u64 = 4000;
        let queue = Queue::bounded(3);
        let sum = Arc::new(AtomicU64::new(0));
        let taker = |seed| {
            let (queue, sum) = (queue.clone(), sum.clone());
            move || {
                let (mut random, mut last) = (Random::new(seed), [0; 2]);
                loop {
                    let patience = Duration::from_nanos(random.below(30_000));
                    match queue.get_timeout(patience) {
                        Ok((from, item)) => {
                            assert!(item > last[from], "out of order");
                            last[from] = item;
                            sum.fetch_add(item, SeqCst);
                        }
                        Err(GetError::Timeout) => {}
                        Err(_) => return,
                    }
                }
            }
        };
        let green: Vec<_> = (1..4).map(|seed| spawn(taker(seed))).collect();
        let plain: Vec<_> = (4..6).map(|seed| std::thread::spawn(taker(seed))).collect();
        let makers: Vec<_> = (0..2)
            .map(|from| {
                let queue = queue.clone();
                spawn(move || (1..=EACH).for_each(|item| queue.put((from, item)).unwrap()))
            })
            .collect();
        makers.into_iter().for_each(|t| t.join().unwrap());
        queue.shutdown(false);
        green.into_iter().for_each(|t| t.join().unwrap());
        plain.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(sum.load(SeqCst), EACH * (EACH + 1));
    });
}

/// Getters that are killed at any moment: each item is got once, by one who
/// lives, and in the end there is as much room as there was.
#[test]
fn kills_meet_items() {
    workers(2, || {
        const ITEMS: u64 = 3000;
        let queue = Queue::bounded(2);
        let (sum, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (theirs, ended) = (queue.clone(), over.clone());
        let maker = spawn(move || {
            (1..=ITEMS).for_each(|item| theirs.put(item).unwrap());
            ended.store(true, SeqCst);
        });
        let mut random = Random::new(11);
        while !over.load(SeqCst) {
            let getters: Vec<_> = (0..4)
                .map(|_| {
                    let (queue, sum) = (queue.clone(), sum.clone());
                    spawn(move || {
                        loop {
                            let item = queue.get().unwrap();
                            sum.fetch_add(item, SeqCst);
                            queue.task_done();
                        }
                    })
                })
                .collect();
            (0..random.below(20)).for_each(|_| yield_now());
            getters.iter().for_each(|t| t.thread().kill());
            for getter in getters {
                assert!(getter.join().unwrap_err().is_killed());
            }
        }
        maker.join().unwrap();
        while let Ok(item) = queue.try_get() {
            sum.fetch_add(item, SeqCst);
            queue.task_done();
        }
        assert_eq!(sum.load(SeqCst), ITEMS * (ITEMS + 1) / 2);
        queue.join();
        assert_eq!((0..9).take_while(|_| queue.try_put(0).is_ok()).count(), 2);
        assert!(queue.is_full());
    });
}
