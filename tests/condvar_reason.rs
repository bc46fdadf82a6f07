//! Who waits for a condition is woken when he is notified, and not without reason.

mod common;

use common::workers;
use greenroom::sync::{Condvar, Mutex};
use greenroom::{spawn, yield_now};
use std::sync::Arc;
use std::time::Duration;

/// How one who comes after `notify` waits, if the one that was notified is killed.
fn waits_after(notify: fn(&Condvar)) -> bool {
    spawn(move || {
        let pair = Arc::new((Mutex::new(()), Condvar::new()));
        let theirs = pair.clone();
        let victim = spawn(move || drop(theirs.1.wait(theirs.0.lock())));
        (0..3).for_each(|_| yield_now()); // with one worker: it waits
        notify(&pair.1);
        victim.thread().request_kill();
        let (guard, end) = pair.1.wait_timeout(pair.0.lock(), Duration::from_millis(20));
        drop(guard);
        assert!(victim.join().unwrap_err().is_killed());
        end.timed_out()
    })
    .join()
    .unwrap()
}

#[test]
fn what_one_was_told_that_is_killed_is_told_to_another() {
    workers(1, || assert!(!waits_after(Condvar::notify_one)));
}

#[test]
fn what_all_were_told_is_not_told_to_one_who_comes_later() {
    workers(1, || assert!(waits_after(Condvar::notify_all)));
}
