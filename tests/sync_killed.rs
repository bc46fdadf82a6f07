//! A kill takes nothing with it that others wait for: no notice, no permit, no
//! turn.

mod common;

use common::{slow::Copied, until, workers};
use greenroom::queue::{GetError, Queue};
use greenroom::sync::{Condvar, Mutex, RwLock};
use greenroom::{ThreadPool, spawn, yield_now};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::time::Duration;

fn settle() {
    (0..20).for_each(|_| spawn(yield_now).join().unwrap());
}

/// It was notified, and is killed while it waits for the mutex.
#[test]
fn a_notice_goes_to_the_next() {
    workers(1, || {
        let pair = Arc::new((Mutex::new(()), Condvar::new()));
        let waiter = || {
            let pair = pair.clone();
            spawn(move || drop(pair.1.wait(pair.0.lock())))
        };
        let (first, second) = (waiter(), waiter());
        settle();
        let held = pair.0.lock();
        pair.1.notify_one();
        settle();
        first.thread().kill();
        drop(held);
        until(|| second.is_finished());
        assert!(first.join().unwrap_err().is_killed());
        second.join().unwrap();
    });
}

/// It was given an item to look at, and is killed while another looks.
#[test]
fn an_item_to_look_at_stays() {
    workers(1, || {
        let slow = Copied::default();
        let (begun, go) = (slow.begun.clone(), slow.go.clone());
        let queue = Queue::new();
        let (looking, putting) = (queue.clone(), queue.clone());
        let victim = spawn(move || looking.peek().is_ok());
        settle();
        let other = spawn(move || {
            putting.put(slow).unwrap();
            putting.peek().is_ok() // before the first one runs
        });
        until(|| begun.load(SeqCst) == 1);
        settle();
        victim.thread().request_kill();
        settle();
        go.set();
        assert!(victim.join().unwrap_err().is_killed());
        assert!(other.join().unwrap());
        assert!(queue.try_get().is_ok(), "it is there, and nobody has it");
        assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    });
}

#[test]
fn a_turn_goes_to_the_next() {
    workers(1, || {
        let lock = Arc::new(RwLock::new(0));
        let inside = lock.read();
        let theirs = lock.clone();
        let writer = spawn(move || *theirs.write() += 1);
        settle();
        assert!(lock.try_read().is_none(), "a writer waits");
        let theirs = lock.clone();
        let reader = spawn(move || *theirs.read());
        settle();
        writer.thread().kill();
        until(|| reader.is_finished());
        assert_eq!(reader.join().unwrap(), 0);
        drop(inside);
        assert_eq!(*lock.try_write().unwrap(), 0);
    });
}

/// One that waits for a place in a pool, or for a pool's end, ends; and its place
/// is another's.
#[test]
fn a_place_in_a_pool_goes_to_the_next() {
    workers(1, || {
        let pool = Arc::new(ThreadPool::bounded(1, 0));
        let (go, wait) = mpsc::channel::<()>();
        let busy = pool.spawn(move || wait.recv().is_ok());
        let theirs = pool.clone();
        let victim = spawn(move || theirs.spawn(|| 1).join().unwrap());
        settle();
        let theirs = pool.clone();
        let next = spawn(move || theirs.spawn(|| 2).join().unwrap());
        settle();
        victim.thread().request_kill();
        until(|| victim.is_finished());
        assert!(victim.join().unwrap_err().is_killed());
        let theirs = pool.clone();
        let impatient = spawn(move || {
            greenroom::timeout(Duration::from_millis(5), || drop(theirs.spawn(|| 3))).is_err()
        });
        until(|| impatient.is_finished());
        assert!(impatient.join().unwrap());
        go.send(()).unwrap();
        assert!(busy.join().unwrap());
        assert_eq!(next.join().unwrap(), 2);
        assert_eq!(pool.apply(|| 4), 4, "no place is lost");
        pool.shutdown(true);
    });
}
