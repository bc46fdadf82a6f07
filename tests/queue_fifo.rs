//! First in, first out, whatever becomes of those who were promised an item.

mod common;

use common::workers;
use greenroom::queue::{GetError, Queue};
use greenroom::{JoinHandle, killall, spawn, yield_now};

/// On a green thread.
fn green(deed: impl FnOnce() + Send + 'static) {
    spawn(deed).join().unwrap();
}

/// Everybody else has run until he waits.
fn all_wait() {
    (0..3).for_each(|_| yield_now());
}

/// They stand in line.
fn getters<const N: usize>(queue: &Queue<i32>) -> [JoinHandle<Result<i32, GetError>>; N] {
    let getters = std::array::from_fn(|_| {
        let queue = queue.clone();
        spawn(move || queue.get())
    });
    all_wait();
    getters
}

/// It stands in line for two.
fn getter_of_two(queue: &Queue<i32>) -> JoinHandle<[Result<i32, GetError>; 2]> {
    let queue = queue.clone();
    let getter = spawn(move || [queue.get(), queue.get()]);
    all_wait();
    getter
}

/// One who looks takes nothing, so the getter behind him gets what came first.
#[test]
fn nobody_is_handed_what_comes_later_than_what_is_looked_at() {
    workers(1, || {
        green(|| {
            let queue = Queue::new();
            let theirs = queue.clone();
            let looker = spawn(move || theirs.peek());
            all_wait();
            let getter = getter_of_two(&queue);
            queue.put(1).unwrap();
            queue.put(2).unwrap();
            assert_eq!(looker.join().unwrap(), Ok(1));
            assert_eq!(getter.join().unwrap(), [Ok(1), Ok(2)]);
        })
    });
}

/// So it is if that was promised to one who dies before he takes it.
#[test]
fn nobody_is_handed_what_comes_later_than_what_is_promised() {
    workers(1, || {
        green(|| {
            let queue = Queue::new();
            let theirs = queue.clone();
            let chooser = spawn(move || {
                greenroom::select! {
                    item = get(theirs) => item,
                }
            });
            all_wait();
            let getter = getter_of_two(&queue);
            queue.put(1).unwrap();
            queue.put(2).unwrap();
            chooser.thread().kill();
            assert!(chooser.join().unwrap_err().is_killed());
            assert_eq!(getter.join().unwrap(), [Ok(1), Ok(2)]);
        })
    });
}

/// Getters that are killed together: what they were handed is in the order in
/// which it was put.
#[test]
fn what_killed_getters_were_given_keeps_its_order() {
    workers(1, || {
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]] {
            green(move || {
                let queue = Queue::new();
                let getters = getters::<5>(&queue);
                (1..4).for_each(|item| queue.put(item).unwrap());
                killall(order.map(|at: usize| getters[at].thread().clone()));
                for getter in getters {
                    assert!(getter.join().unwrap_err().is_killed());
                }
                queue.put(4).unwrap();
                let got: Vec<_> = (0..4).map(|_| queue.try_get().unwrap()).collect();
                assert_eq!(got, [1, 2, 3, 4]);
            });
        }
    });
}

/// ... before what came later, and if not all of it comes back.
#[test]
fn what_comes_back_goes_before_what_came_later() {
    workers(1, || {
        green(|| {
            let queue = Queue::bounded(3);
            let [first, second, third] = getters(&queue);
            (1..7).for_each(|item| queue.put(item).unwrap());
            killall([first, third].map(|getter| getter.thread().clone()));
            assert_eq!(second.join().unwrap(), Ok(2));
            let got: Vec<_> = (0..5).map(|_| queue.try_get().unwrap()).collect();
            assert_eq!(got, [1, 3, 4, 5, 6]);
            (0..3).for_each(|item| queue.try_put(item).unwrap());
            assert!(queue.try_put(3).is_err(), "as much room as before");
        });
    });
}
