//! The joining state in each order of events, and under loom.

#[cfg(not(loom))]
mod orders {
    use super::super::*;
    use crate::green::ending::Ending::{Panicked, Returned};

    #[test]
    fn links_stay_through_each_move() {
        // SAFETY: one thread plays both sides, in legal orders.
        unsafe {
            let s = JoinState::new();
            assert!(s.link() && s.link());
            assert!(s.wait(7) && s.give_up() && s.wait(8));
            assert!(!s.is_done() && !s.is_detached() && s.ending().is_none());
            assert!(matches!(s.finish(Panicked, || (), |u| u), (Finished::Woke(8), true)));
            assert!(s.has_come() && s.is_done() && !s.link());
            assert_eq!(s.ending(), Some(Panicked));

            let s = JoinState::<u32>::new();
            assert!(s.link() && !s.detach() && s.is_detached());
            assert!(matches!(s.finish(Returned, || (), |u| u), (Finished::Detached, true)));

            let s = JoinState::<u32>::new();
            assert!(matches!(s.finish(Returned, || (), |u| u), (Finished::Nobody, false)));
            assert!(!s.link());
        }
    }

    #[test]
    fn each_order_of_events() {
        // SAFETY: one thread plays both sides, in legal orders.
        unsafe {
            let s = JoinState::new();
            assert!(s.wait(7));
            assert!(matches!(s.finish(Returned, || (), |u| u).0, Finished::Woke(7)));
            assert!(s.is_done());

            let s = JoinState::new();
            assert!(matches!(s.finish(Returned, || (), |u| u).0, Finished::Nobody));
            assert!(!s.wait(7));
            assert!(s.detach(), "the result is the handle's to drop");

            let s = JoinState::new();
            assert!(s.wait(7));
            assert!(s.give_up());
            assert!(!s.detach());
            assert!(matches!(s.finish(Returned, || (), |u| u).0, Finished::Detached));

            let s = JoinState::new();
            assert!(s.wait(7));
            assert!(matches!(s.finish(Returned, || (), |u| u).0, Finished::Woke(7)));
            assert!(!s.give_up());
        }
    }
}

#[cfg(loom)]
mod loom_tests {
    use super::super::*;
    use loom::cell::UnsafeCell as Tracked;
    use loom::sync::Arc;

    type Shared = Arc<(JoinState<u32>, Tracked<u32>)>;

    fn finisher(shared: &Shared) -> loom::thread::JoinHandle<u32> {
        let shared = shared.clone();
        loom::thread::spawn(move || {
            // SAFETY: the result is the finisher's until `finish`.
            shared.1.with_mut(|r| unsafe { *r = 7 });
            // SAFETY: once.
            match unsafe { shared.0.finish(Ending::Returned, || (), |u| u).0 } {
                Finished::Nobody => 0,
                Finished::Woke(_) => 1,
                // SAFETY: the result is the finisher's again.
                Finished::Detached => shared.1.with(|r| unsafe { *r }) + 3,
            }
        })
    }

    fn read(shared: &Shared) {
        // SAFETY: done, so the result is the joiner's.
        assert_eq!(shared.1.with(|r| unsafe { *r }), 7);
    }

    #[test]
    fn loom_wait_against_finish() {
        loom::model(|| {
            let shared: Shared = Arc::new((JoinState::new(), Tracked::new(0)));
            let t = finisher(&shared);
            // SAFETY: the only joiner.
            let waits = unsafe { shared.0.wait(1) };
            if !waits {
                read(&shared);
            }
            let unparked = t.join().unwrap() == 1;
            assert_eq!(waits, unparked, "one who waits is unparked, once");
        });
    }

    #[test]
    fn loom_deadline_against_finish() {
        loom::model(|| {
            let shared: Shared = Arc::new((JoinState::new(), Tracked::new(0)));
            let t = finisher(&shared);
            // SAFETY: the only joiner, in a legal order.
            unsafe {
                if shared.0.wait(1) && shared.0.give_up() {
                    if shared.0.wait(2) {
                        assert_eq!(t.join().unwrap(), 1);
                        return;
                    }
                }
            }
            read(&shared);
            t.join().unwrap();
        });
    }

    /// Whoever links meets a finisher that looks, or learns that it has ended;
    /// and a joiner's move at the same time loses neither.
    #[test]
    fn loom_link_against_finish_and_wait() {
        let mut few = loom::model::Builder::new();
        few.preemption_bound = Some(3);
        few.check(|| {
            let shared: Arc<(JoinState<u32>, loom::sync::Mutex<u32>)> =
                Arc::new((JoinState::new(), loom::sync::Mutex::new(0)));
            let theirs = shared.clone();
            let ends = loom::thread::spawn(move || {
                // SAFETY: once.
                let (found, linked) = unsafe { theirs.0.finish(Ending::Killed, || (), |u| u) };
                let told = if linked { std::mem::take(&mut *theirs.1.lock().unwrap()) } else { 0 };
                (matches!(found, Finished::Woke(_)), told)
            });
            let theirs = shared.clone();
            let links = loom::thread::spawn(move || {
                let mut list = theirs.1.lock().unwrap();
                *list = 1;
                let linked = theirs.0.link();
                if !linked {
                    *list = 0;
                }
                linked
            });
            // SAFETY: the only joiner.
            let waits = unsafe { shared.0.wait(1) };
            let (woke, told) = ends.join().unwrap();
            assert_eq!(waits, woke);
            assert_eq!(links.join().unwrap(), told == 1);
            assert_eq!(*shared.1.lock().unwrap(), 0, "nothing is left behind");
            assert_eq!(shared.0.ending(), Some(Ending::Killed));
        });
    }

    #[test]
    fn loom_detach_against_finish() {
        loom::model(|| {
            let shared: Shared = Arc::new((JoinState::new(), Tracked::new(0)));
            let t = finisher(&shared);
            // SAFETY: once.
            let mine = unsafe { shared.0.detach() };
            if mine {
                read(&shared);
            }
            let finishers = t.join().unwrap() == 10;
            assert!(mine != finishers, "exactly one drops the result");
        });
    }
}
