//! Kills of green threads with generators on their way.

mod common;

use common::{Counted, slow, until, workers};
use greenroom::{Generator, joinall, sleep, spawn};
use std::panic::{catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// The kill unwinds the body, then whoever resumed it.
#[test]
fn a_kill_unwinds_through_it() {
    workers(1, || {
        let green = spawn(|| {
            let _outer = Counted::new();
            let mut waits = Generator::<(), (), ()>::new(|co, ()| {
                let _inner = Counted::new();
                co.yield_(());
                let caught = catch_unwind(greenroom::park);
                drop(Counted::new());
                resume_unwind(caught.unwrap_err());
            });
            let mut suspended = Generator::<(), (), ()>::new(|co, ()| {
                let _inner = Counted::new();
                co.yield_(());
            });
            suspended.resume(());
            waits.resume(());
            waits.resume(());
        });
        until(|| common::MADE.load(SeqCst) == 3);
        green.kill();
        assert!(green.join().unwrap_err().is_killed());
        Counted::assert_gone(4);
        // The stacks are whole.
        let all = (0..20).map(|id| spawn(move || slow::numbers(id).count()));
        let all = joinall(all.collect::<Vec<_>>());
        assert!(all.into_iter().all(|count| count.unwrap() == 20));
    });
}

/// A destructor that waits while a killed green thread unwinds does wait.
#[test]
fn destructors_may_wait_when_a_kill_drops_it() {
    struct Waits;
    impl Drop for Waits {
        fn drop(&mut self) {
            sleep(Duration::from_millis(2));
            drop(Counted::new());
        }
    }
    workers(1, || {
        let green = spawn(|| {
            let mut suspended = Generator::<(), (), ()>::new(|co, ()| {
                let _waits = Waits;
                loop {
                    co.yield_(());
                }
            });
            suspended.resume(());
            drop(Counted::new());
            greenroom::park();
        });
        until(|| common::MADE.load(SeqCst) == 1);
        green.kill();
        assert!(green.join().unwrap_err().is_killed());
        Counted::assert_gone(2);
    });
}
