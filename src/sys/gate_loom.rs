//! Every interleaving of the gate's moves, with the barrier that one thread runs for
//! all others as a fence of each; where three meet, all with at most three preemptions.

use super::model::{barrier, few, futex};
use gate::{Gate, Left, Taken};
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Condvar, Mutex};

#[path = "gate.rs"]
#[allow(dead_code, reason = "not all of it is tried")]
mod gate;

/// A mutex made of a gate, and of the simplest place where one can wait.
struct Model {
    gate: Gate,
    elsewhere: Mutex<u32>,
    came: Condvar,
    value: UnsafeCell<u32>,
}

// SAFETY: the value is reached by who has the permit.
unsafe impl Sync for Model {}
// SAFETY: nothing is tied to a thread.
unsafe impl Send for Model {}

impl Model {
    fn new() -> Arc<Model> {
        let gate = Gate::new();
        assert!(!gate.is_held() && !gate.is_wanted()); // its words are made here
        let (elsewhere, came) = (Mutex::new(0), Condvar::new());
        Arc::new(Model { gate, elsewhere, came, value: UnsafeCell::new(0) })
    }

    fn put(&self, left: Left) {
        if left == Left::Elsewhere {
            let mut permits = self.elsewhere.lock().unwrap();
            *permits += 1;
            assert_eq!(*permits, 1, "there is one");
            self.came.notify_one();
        }
    }

    fn lock(&self) {
        match self.gate.take() {
            Taken::Mine => return,
            Taken::Shared => {}
            Taken::Held => {
                assert!(self.gate.want());
                self.put(self.gate.close());
            }
        }
        let mut permits = self.elsewhere.lock().unwrap();
        while *permits == 0 {
            permits = self.came.wait(permits).unwrap();
        }
        *permits -= 1;
    }

    fn count(&self) {
        self.lock();
        // SAFETY: this thread has the permit; loom says if another reaches it, too.
        self.value.with_mut(|value| unsafe { *value += 1 });
        self.put(self.gate.leave());
    }
}

/// All get it, one at a time; loom finds it if one waits for ever.
fn counts(times: [u32; 3]) {
    few(3, move || {
        let model = Model::new();
        let others: Vec<_> = times[1..]
            .iter()
            .filter(|times| **times > 0)
            .map(|&times| {
                let model = model.clone();
                loom::thread::spawn(move || (0..times).for_each(|_| model.count()))
            })
            .collect();
        (0..times[0]).for_each(|_| model.count());
        others.into_iter().for_each(|other| other.join().unwrap());
        model.lock();
        // SAFETY: locked.
        assert_eq!(model.value.with(|value| unsafe { *value }), times.iter().sum());
    });
}

#[test]
fn loom_two_wait_for_each_other() {
    counts([2, 1, 0]);
    counts([2, 2, 0]);
}

#[test]
fn loom_three_wait_for_each_other() {
    counts([1, 1, 1]);
}

/// One who does not wait finds it free, or held.
#[test]
fn loom_trying_takes_it_once() {
    loom::model(|| {
        let model = Model::new();
        let theirs = model.clone();
        let other = loom::thread::spawn(move || {
            if theirs.gate.take() == Taken::Mine {
                // SAFETY: this thread has the permit.
                theirs.value.with_mut(|value| unsafe { *value += 1 });
                theirs.put(theirs.gate.leave());
            }
        });
        model.count();
        other.join().unwrap();
    });
}
