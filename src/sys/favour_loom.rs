//! Every interleaving of the moves of a lock with a favourite: `favour.rs` and
//! `quick.rs` once more, with a futex and a barrier of loom's.

use super::lock;
use super::model::barrier;
use favour::{Favour, NOBODY};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

#[path = "favour.rs"]
#[allow(dead_code, reason = "not all of it is tried")]
mod favour;

#[path = "quick.rs"]
#[allow(dead_code, reason = "not all of it is tried")]
mod quick;

/// Nobody waits long: it is always time to look again.
mod clock {
    pub(super) use crate::sys::clock::Nanos;

    pub(super) fn now() -> Nanos {
        0
    }
}

/// Who waits for a while lets the others go on.
mod futex {
    use super::super::model::futex;
    pub(super) use super::super::model::futex::{Word, wake_one};
    use super::clock::Nanos;

    pub(super) fn wait(word: &Word, expected: u32, deadline: Option<Nanos>) {
        match deadline {
            Some(_) => loom::thread::yield_now(),
            None => futex::wait(word, expected, None),
        }
    }
}

type Count = Favour<UnsafeCell<u32>>;

/// One whose favourite is 1.
fn count() -> Arc<Count> {
    let count = Arc::new(Favour::new(UnsafeCell::new(0)));
    for _ in 0..4 {
        drop(locked(&count, 1)); // its words are made here
    }
    assert!(count.has_favourite(1));
    count
}

fn locked(count: &Count, me: u32) -> favour::Guard<'_, UnsafeCell<u32>> {
    // SAFETY: each number is one thread's, which does not nest it.
    unsafe { count.lock(me) }
}

fn add_one(count: &Count, me: u32) {
    // SAFETY: under the lock; loom checks that.
    locked(count, me).with_mut(|n| unsafe { *n += 1 });
}

fn adder(count: &Arc<Count>, me: u32, times: u32) -> JoinHandle<()> {
    let count = count.clone();
    thread::spawn(move || (0..times).for_each(|_| add_one(&count, me)))
}

/// The favourite comes and goes while another dismisses him: one at a time is
/// inside, and sees what the last one did.
#[test]
fn loom_a_favourite_is_dismissed() {
    loom::model(|| {
        let count = count();
        let other = adder(&count, 2, 1);
        add_one(&count, 1);
        add_one(&count, 1);
        other.join().unwrap();
        // SAFETY: nobody else is left.
        assert_eq!(locked(&count, NOBODY).with(|n| unsafe { *n }), 3);
        assert!(!count.has_favourite(1));
    });
}

/// Two come at once.
#[test]
fn loom_a_favourite_is_dismissed_by_two() {
    let mut few = loom::model::Builder::new();
    few.preemption_bound = Some(3);
    few.check(|| {
        let count = count();
        let others = [adder(&count, 2, 1), adder(&count, NOBODY, 1)];
        add_one(&count, 1);
        others.into_iter().for_each(|other| other.join().unwrap());
        // SAFETY: nobody else is left.
        assert_eq!(locked(&count, NOBODY).with(|n| unsafe { *n }), 3);
    });
}

/// One is made the favourite while another comes.
#[test]
fn loom_a_favourite_is_made() {
    let mut few = loom::model::Builder::new();
    few.preemption_bound = Some(2);
    few.check(|| {
        let count = Arc::new(Favour::new(UnsafeCell::new(0)));
        drop(locked(&count, NOBODY)); // its words are made here
        assert!(count.has_favourite(NOBODY));
        let other = adder(&count, 2, 1);
        (0..3).for_each(|_| add_one(&count, 1));
        other.join().unwrap();
        // SAFETY: nobody else is left.
        assert_eq!(locked(&count, NOBODY).with(|n| unsafe { *n }), 4);
    });
}
