//! Every interleaving of the state's moves.

use super::*;
use loom::cell::UnsafeCell;
use loom::sync::Arc;

/// Two notifiers against one park: it is queued exactly once or stays
/// running, and sees what both wrote.
#[test]
fn loom_one_notifier_queues() {
    loom::model(|| {
        let s =
            Arc::new((State::fresh(), UnsafeCell::new(0), UnsafeCell::new(0), AtomicU32::new(0)));
        s.0.begin_run();
        let notifiers: Vec<_> = (0..2)
            .map(|i| {
                let s = s.clone();
                loom::thread::spawn(move || {
                    let cell = if i == 0 { &s.1 } else { &s.2 };
                    // SAFETY: each notifier has a cell of its own.
                    cell.with_mut(|p| unsafe { *p = 1 });
                    if s.0.notify(Mark::NONE) {
                        s.3.fetch_add(1, Release);
                    }
                })
            })
            .collect();
        let parked = s.0.commit_park();
        for n in notifiers {
            n.join().unwrap();
        }
        let queued = s.3.load(Acquire) + u32::from(!parked);
        assert_eq!(queued, 1);
        s.0.begin_run();
        s.0.take_notice();
        assert!(s.0.commit_park(), "nobody is left to notify it");
        // SAFETY: one notifier queued it, or was seen by `begin_run`; the other, too,
        // or left its notice.
        assert_eq!(s.1.with(|p| unsafe { *p }) + s.2.with(|p| unsafe { *p }), 2);
    });
}

/// Two notifiers, of whom one wakes it: before it waits again it has seen what
/// both wrote, by way of the queue (here `s.3`) or of the notice.
#[test]
fn loom_a_late_notice_is_seen_before_the_next_wait() {
    loom::model(|| {
        let s =
            Arc::new((State::fresh(), UnsafeCell::new(0), UnsafeCell::new(0), AtomicU32::new(0)));
        s.0.begin_run();
        assert!(s.0.commit_park());
        for i in 0..2 {
            let s = s.clone();
            loom::thread::spawn(move || {
                let cell = if i == 0 { &s.1 } else { &s.2 };
                // SAFETY: each notifier has a cell of its own.
                cell.with_mut(|p| unsafe { *p = 1 });
                if s.0.notify(Mark::NONE) {
                    s.3.store(1 + i, Release);
                }
            });
        }
        let mut winner = 0;
        while winner == 0 {
            loom::thread::yield_now();
            winner = s.3.load(Acquire);
        }
        s.0.begin_run();
        let (first, second) = if winner == 1 { (&s.1, &s.2) } else { (&s.2, &s.1) };
        // SAFETY: the winner is done with it.
        assert_eq!(first.with(|p| unsafe { *p }), 1);
        if s.0.take_notice() {
            // SAFETY: that was the other.
            assert_eq!(second.with(|p| unsafe { *p }), 1);
        } else if !s.0.commit_park() {
            s.0.begin_run();
            // SAFETY: that was the other.
            assert_eq!(second.with(|p| unsafe { *p }), 1);
        }
    });
}

/// The woken side alone must see the notifier's write, without a join.
#[test]
fn loom_wake_publishes() {
    loom::model(|| {
        let s = Arc::new((State::fresh(), UnsafeCell::new(0)));
        s.0.begin_run();
        let t = {
            let s = s.clone();
            loom::thread::spawn(move || {
                // SAFETY: read only after the notification.
                s.1.with_mut(|p| unsafe { *p = 7 });
                s.0.notify(Mark::NONE);
            })
        };
        while !s.0.take_notice() {
            loom::thread::yield_now();
        }
        // SAFETY: the notifier is done with it.
        assert_eq!(s.1.with(|p| unsafe { *p }), 7);
        t.join().unwrap();
    });
}

/// A waker against a poll that waits itself and takes the notice: it polls
/// again all the same.
#[test]
fn loom_a_wake_outlasts_its_notice() {
    loom::model(|| {
        let s = Arc::new((State::fresh(), UnsafeCell::new(0)));
        s.0.begin_run();
        let t = {
            let s = s.clone();
            loom::thread::spawn(move || {
                // SAFETY: read only after the wake.
                s.1.with_mut(|p| unsafe { *p = 7 });
                s.0.notify(Mark::WOKEN)
            })
        };
        s.0.take_notice(); // in the poll
        let mut woken = s.0.take_woken();
        if !woken {
            if !s.0.take_notice() && s.0.commit_park() {
                assert!(t.join().unwrap(), "the waker queues it");
                s.0.begin_run();
                woken = s.0.take_woken();
            } else {
                woken = s.0.take_woken();
            }
        }
        assert!(woken);
        // SAFETY: the waker is done with it.
        assert_eq!(s.1.with(|p| unsafe { *p }), 7);
    });
}
