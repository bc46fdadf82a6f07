//! Every interleaving of the quick lock's moves: `quick.rs` once more, with a futex
//! and a barrier of loom's.

use super::model::{barrier, few, futex};
use super::{clock, lock};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};
use quick::Quick;

#[path = "quick.rs"]
#[allow(dead_code, reason = "not all of it is tried")]
mod quick;

type Count = Quick<UnsafeCell<u32>>;

fn count() -> Arc<Count> {
    let count = Arc::new(Quick::new(UnsafeCell::new(0)));
    drop(count.lock()); // its words are made here
    count
}

fn add_one(count: &Count) {
    // SAFETY: under the lock; loom checks that.
    count.lock().with_mut(|n| unsafe { *n += 1 });
}

fn adder(count: &Arc<Count>) -> JoinHandle<()> {
    let count = count.clone();
    thread::spawn(move || add_one(&count))
}

/// One at a time is inside, sees what the last one did, and nobody sleeps on.
#[test]
fn loom_two_lock_twice() {
    loom::model(|| {
        let count = count();
        let other = adder(&count);
        add_one(&count);
        add_one(&count);
        other.join().unwrap();
        // SAFETY: nobody else is left.
        assert_eq!(count.lock().with(|n| unsafe { *n }), 3);
    });
}

/// One who wakes up finds the lock taken by a third, while another sleeps.
#[test]
fn loom_three_lock() {
    few(3, || {
        let count = count();
        let others = [adder(&count), adder(&count)];
        add_one(&count);
        others.into_iter().for_each(|other| other.join().unwrap());
        // SAFETY: nobody else is left.
        assert_eq!(count.lock().with(|n| unsafe { *n }), 3);
    });
}
