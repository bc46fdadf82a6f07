//! Interleavings of the moves of a lock with a favourite: `favour.rs` and `quick.rs` once
//! more, with a futex and a barrier of loom's. Here the favourite has a fence on his way in.

use super::atomic;
use super::lock;
use super::model::{barrier, few};
use favour::{Favour, NOBODY, Tried};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering::*};
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
    few(3, || {
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
    few(2, || {
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

/// Another locks often enough while the favourite comes in, who would clear his mark.
#[test]
fn loom_nobody_else_is_made_the_favourite() {
    few(2, || {
        let count = count();
        let others = [adder(&count, 2, 3), adder(&count, 3, 1)];
        add_one(&count, 1);
        others.into_iter().for_each(|other| other.join().unwrap());
        // SAFETY: nobody else is left.
        assert_eq!(locked(&count, NOBODY).with(|n| unsafe { *n }), 5);
    });
}

/// A table's shard: who waits asks under the lock, and is counted there; who wakes has
/// made a change, and locks only if somebody may wait.
struct Shard {
    line: Favour<UnsafeCell<u32>>,
    changed: AtomicBool,
    waiting: AtomicBool,
    postponed: AtomicBool,
}

impl Shard {
    /// Whether it waits.
    fn wait(&self, me: u32) -> bool {
        // SAFETY: each number is one thread's, which does not nest it.
        let _line = unsafe { self.line.lock(me) };
        atomic::fence_after_rmw(); // as there
        let waits = !self.changed.load(Relaxed);
        self.waiting.store(waits, Relaxed);
        waits
    }

    fn lock_by_one(&self) {
        // SAFETY: as above.
        drop(unsafe { self.line.lock(1) });
    }

    /// As a signal handler: what it cannot do now, whoever holds the lock does later.
    fn wake_or_postpone(&self, me: u32) {
        let mut noted = false;
        loop {
            // SAFETY: as above.
            match unsafe { self.line.try_lock(me) } {
                Tried::Inside(line) => {
                    // SAFETY: under the lock; loom checks that.
                    line.with_mut(|n| unsafe { *n += 1 });
                    drop(line);
                    return self.catch_up(me);
                }
                Tried::Held if noted => return,
                Tried::Held => {
                    self.postponed.swap(true, SeqCst);
                    barrier::everywhere_in_time();
                    noted = true;
                }
                Tried::Again => noted = false,
            }
        }
    }

    fn catch_up(&self, me: u32) {
        barrier::here();
        if self.postponed.load(Relaxed) {
            self.postponed.swap(false, SeqCst);
            self.wake_or_postpone(me);
        }
    }

    fn wake(&self, me: u32) {
        self.changed.store(true, Relaxed);
        atomic::full_fence();
        if self.line.may_be_held(|| me) || self.waiting.load(Relaxed) {
            // SAFETY: as above.
            let _line = unsafe { self.line.lock(me) };
            self.waiting.store(false, Relaxed);
        }
    }
}

/// One that 1 has locked so often that it is its favourite the time after next.
fn shard() -> Arc<Shard> {
    let shard = Arc::new(Shard {
        line: Favour::new(UnsafeCell::new(0)),
        changed: AtomicBool::new(false),
        waiting: AtomicBool::new(false),
        postponed: AtomicBool::new(false),
    });
    assert!(shard.line.has_favourite(NOBODY)); // its words are made here
    shard.lock_by_one();
    shard
}

/// Nobody waits for what has come: whoever waits becomes the favourite, or is it.
#[test]
fn loom_a_favourite_that_waits_is_seen() {
    for before in 0..3 {
        few(3, move || {
            let shard = shard();
            let other = shard.clone();
            let other = thread::spawn(move || other.wake(2));
            (0..before).for_each(|_| shard.lock_by_one());
            let waits = shard.wait(1);
            other.join().unwrap();
            assert!(!(waits && shard.waiting.load(Relaxed)));
        });
    }
}

/// As above, while a third dismisses him: also one who may not wait until he has gone.
#[test]
fn loom_a_favourite_that_leaves_is_seen() {
    for tries in [true, false] {
        few(2, move || {
            let shard = shard();
            shard.lock_by_one();
            let (wakes, dismisses) = (shard.clone(), shard.clone());
            let waker = thread::spawn(move || wakes.wake(2));
            // SAFETY: each number is one thread's, which does not nest it.
            let third = thread::spawn(move || unsafe {
                if tries { drop(dismisses.line.try_lock(3)) } else { drop(dismisses.line.lock(3)) }
            });
            let waits = shard.wait(1);
            waker.join().unwrap();
            third.join().unwrap();
            assert!(!(waits && shard.waiting.load(Relaxed)));
        });
    }
}

/// As above, where the favourite is who wakes.
#[test]
fn loom_a_favourite_sees_who_waits() {
    few(3, || {
        let shard = shard();
        shard.lock_by_one();
        assert!(shard.line.has_favourite(1));
        let other = shard.clone();
        let other = thread::spawn(move || other.wait(2));
        shard.wake(1);
        let waits = other.join().unwrap();
        assert!(!(waits && shard.waiting.load(Relaxed)));
    });
}

/// Some only try, and the favourite does as well, or locks: what is postponed is done.
fn what_is_postponed_is_done(others: &'static [u32], favourite_tries: bool, bound: usize) {
    few(bound, move || {
        let shard = shard();
        shard.lock_by_one();
        let tries = |me: &u32| {
            let (shard, me) = (shard.clone(), *me);
            thread::spawn(move || shard.wake_or_postpone(me))
        };
        let others: Vec<_> = others.iter().map(tries).collect();
        if favourite_tries {
            shard.wake_or_postpone(1);
        } else {
            shard.lock_by_one();
            shard.catch_up(1);
        }
        others.into_iter().for_each(|other| other.join().unwrap());
        assert!(!shard.postponed.load(Relaxed));
    });
}

#[test]
fn loom_what_is_postponed_is_done() {
    what_is_postponed_is_done(&[2], true, 4);
    what_is_postponed_is_done(&[2, 3], true, 2);
    what_is_postponed_is_done(&[2, 3], false, 2);
}
