//! First in, first out, whatever becomes of those who were promised an item.

mod common;

use common::workers;
use greenroom::queue::Queue;
use greenroom::{spawn, yield_now};

/// On a green thread.
fn green(deed: impl FnOnce() + Send + 'static) {
    spawn(deed).join().unwrap();
}

/// Everybody else has run until he waits.
fn all_wait() {
    (0..3).for_each(|_| yield_now());
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
            let theirs = queue.clone();
            let getter = spawn(move || [theirs.get(), theirs.get()]);
            all_wait();
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
            let theirs = queue.clone();
            let getter = spawn(move || [theirs.get(), theirs.get()]);
            all_wait();
            queue.put(1).unwrap();
            queue.put(2).unwrap();
            chooser.thread().kill();
            assert!(chooser.join().unwrap_err().is_killed());
            assert_eq!(getter.join().unwrap(), [Ok(1), Ok(2)]);
        })
    });
}
