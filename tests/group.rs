//! Groups: who is in one, joining and killing them together, and failures.

mod common;

use common::{Counted, Random, in_child, until, workers};
use greenroom::sync::Event;
use greenroom::{Ending, Group, JoinError, park, sleep, spawn, timeout, yield_now};
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(5);

#[test]
fn join_waits_for_all() {
    let deed = || {
        let group = Group::new();
        let done = Arc::new(AtomicUsize::new(0));
        let handles: Vec<_> = (0..100)
            .map(|n| {
                let done = done.clone();
                group.spawn(move || {
                    if n % 3 == 0 {
                        sleep(Duration::from_millis(1));
                    }
                    done.fetch_add(1, SeqCst);
                    n
                })
            })
            .collect();
        group.join().unwrap();
        assert_eq!((done.load(SeqCst), group.len()), (100, 0));
        // All have ended for everybody, by then.
        assert!(handles.iter().all(|handle| handle.is_finished()));
        for (n, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap(), n);
        }
        group.join().unwrap(); // an empty one at once
    };
    workers(2, move || {
        deed();
        spawn(deed).join().unwrap();
    });
}

/// One that was joined has left.
#[test]
fn who_is_joined_has_left() {
    workers(2, || {
        let group = Group::new();
        for n in 0..3000 {
            let handle = group.spawn(move || {
                if n % 2 == 0 {
                    yield_now()
                }
            });
            if n % 3 == 0 {
                until(|| handle.is_finished());
            }
            handle.join().unwrap();
            assert_eq!(group.len(), 0);
        }
    });
}

#[test]
fn members_may_add_members() {
    workers(2, || {
        let group = Group::new();
        let done = Arc::new(AtomicUsize::new(0));
        fn branch(group: &Group, done: &Arc<AtomicUsize>, depth: usize) {
            for _ in 0..2 {
                let (inner, counts) = (group.clone(), done.clone());
                group.spawn(move || {
                    counts.fetch_add(1, SeqCst);
                    if depth > 0 {
                        branch(&inner, &counts, depth - 1);
                    }
                });
            }
        }
        branch(&group, &done, 8);
        group.join().unwrap();
        assert_eq!(done.load(SeqCst), (1 << 10) - 2);
    });
}

#[test]
fn every_failure_is_reported_once() {
    in_child(&[("GREENROOM_WORKERS", "2")], || {
        let group = Group::new();
        for n in 0..20 {
            // Most are gone before anybody joins; their handles, too.
            group.spawn(move || assert!(n % 4 != 0, "failure {n}"));
        }
        let taken = group.spawn(|| panic!("{}", String::from("joined")));
        assert!(taken.join().unwrap_err().is_panic());
        group.spawn(park).kill();
        let named = greenroom::Builder::new().name("added".into()).spawn(|| -> () {
            park();
            std::panic::panic_any(7)
        });
        let named = named.unwrap();
        group.add(&named);
        assert!(!group.is_empty());
        named.thread().unpark();
        let error = group.join().unwrap_err();
        assert_eq!((error.count(), error.failures().len()), (7, 7));
        let mut texts: Vec<_> = error.failures().iter().filter_map(|f| f.message()).collect();
        texts.sort();
        let expected =
            ["failure 0", "failure 12", "failure 16", "failure 4", "failure 8", "joined"];
        assert_eq!(texts, expected);
        let added = error.failures().iter().find(|f| f.name() == Some("added")).unwrap();
        assert_eq!(added.id(), named.thread().id());
        assert_eq!((added.ending(), added.message()), (Ending::Panicked, None));
        assert!(error.to_string().starts_with("7 green thread(s) failed: "), "{error}");
        group.join().unwrap();
    })
    .assert_success();
}

/// How a `timeout` ends a wait may be carried out of it: whoever ends by that
/// was cut short, which is no failure.
#[test]
fn to_be_cut_short_is_no_failure() {
    workers(1, || {
        let wait = || catch_unwind(|| sleep(Duration::from_secs(3600)));
        let mut end = None;
        assert!(timeout(SOON, || end = wait().err()).is_err());
        let (group, end) = (Group::new(), end.unwrap());
        let member = group.spawn(|| resume_unwind(end));
        group.join().unwrap();
        assert!(matches!(member.join(), Err(JoinError::Elapsed)));
    });
}

/// However many fail, only so much is kept; the number is exact.
#[test]
fn endless_failures_do_not_fill_memory() {
    in_child(&[("GREENROOM_WORKERS", "1")], || {
        std::panic::set_hook(Box::new(|_| {}));
        let group = Group::new();
        (0..3000).for_each(|_| drop(group.spawn(|| panic!())));
        let error = group.join().unwrap_err();
        assert_eq!((error.count(), error.failures().len()), (3000, 1000));
    })
    .assert_success();
}

#[test]
fn join_with_a_limit() {
    workers(2, || {
        let group = Group::new();
        let parked = group.spawn(park);
        assert!(group.join_timeout(SOON).is_none());
        assert!(group.join_timeout(Duration::ZERO).is_none());
        parked.thread().unpark();
        assert!(group.join_timeout(Duration::MAX).unwrap().is_ok());
    });
}

/// Parked, running and fresh ones, those that were spawned and those that were
/// added; and then it is as new.
#[test]
fn kill_ends_all_of_them() {
    workers(1, || {
        spawn(|| {
            let group = Group::new();
            let made: Vec<_> = (0..50)
                .map(|n| {
                    let one = Counted::new();
                    let wait = move || {
                        let _one = one;
                        if n % 2 == 0 { park() } else { sleep(Duration::from_secs(3600)) }
                    };
                    if n % 5 == 0 {
                        let elsewhere = spawn(wait);
                        group.add(&elsewhere);
                        elsewhere
                    } else {
                        group.spawn(wait)
                    }
                })
                .collect();
            sleep(Duration::from_millis(1));
            let fresh = group.spawn(|| unreachable!("the only worker runs us"));
            assert_eq!(group.len(), 51);
            group.kill();
            assert_eq!(group.len(), 0);
            Counted::assert_gone(50);
            assert!(fresh.join().unwrap_err().is_killed());
            assert!(made.into_iter().all(|one| one.join().unwrap_err().is_killed()));
            group.join().unwrap(); // kills are no failures
            group.spawn(|| ()).join().unwrap();
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_member_that_kills_its_group_ends_as_well() {
    workers(2, || {
        let group = Group::new();
        let others: Vec<_> = (0..5).map(|_| group.spawn(park)).collect();
        let inner = group.clone();
        let killer = group.spawn(move || {
            inner.kill();
            unreachable!("it has ended");
        });
        assert!(killer.join().unwrap_err().is_killed());
        group.join().unwrap();
        assert!(others.into_iter().all(|one| one.join().unwrap_err().is_killed()));
    });
}

#[test]
fn a_member_cannot_wait_for_itself() {
    in_child(&[("GREENROOM_WORKERS", "1")], || {
        let (group, other) = (Group::new(), Group::new());
        let (own, others) = (group.clone(), other.clone());
        let member = group.spawn(move || {
            own.add(greenroom::current().unwrap());
            others.add(greenroom::current().unwrap());
            for group in [&own, &others] {
                assert!(group.join_timeout(SOON).is_none());
                let joins = std::panic::AssertUnwindSafe(|| group.join());
                assert!(std::panic::catch_unwind(joins).is_err());
                assert!(group.discard(greenroom::current().unwrap()));
                group.join().unwrap();
            }
        });
        member.join().unwrap();
    })
    .assert_success();
}

#[test]
fn those_added_and_discarded() {
    workers(2, || {
        let (one, other) = (Group::new(), Group::new());
        let green = spawn(park);
        one.add(&green);
        one.add(green.thread()); // once is enough
        other.add(&green);
        let own = one.spawn(park);
        one.add(&own);
        assert_eq!((one.len(), other.len()), (2, 1));
        assert!(one.discard(&own) && !one.discard(&own));
        assert!(other.discard(&green) && !other.discard(&green));
        other.join().unwrap();
        assert_eq!(one.len(), 1);
        // A discarded one may be added again, and may fail on its own.
        other.add(&own);
        own.thread().unpark();
        other.join().unwrap();
        own.join().unwrap();
        green.thread().unpark();
        one.join().unwrap();
        // One that has ended is not added.
        one.add(&green);
        assert!(one.is_empty());
        // A group may go before those that were added.
        let late = spawn(park);
        Group::new().add(&late);
        late.thread().unpark();
        late.join().unwrap();
    });
}

/// A waiter that is killed, and a discard that empties the group, wake nobody
/// and everybody.
#[test]
fn joiners_that_leave_and_joiners_that_stay() {
    workers(2, || {
        let group = Group::new();
        let member = group.spawn(park);
        let waiting = Arc::new(AtomicUsize::new(0));
        let joiners: Vec<_> = (0..4)
            .map(|_| {
                let (group, waiting) = (group.clone(), waiting.clone());
                spawn(move || {
                    assert!(group.join_timeout(Duration::from_millis(1)).is_none());
                    waiting.fetch_add(1, SeqCst);
                    group.join().unwrap();
                })
            })
            .collect();
        until(|| waiting.load(SeqCst) == 4);
        joiners[1].kill();
        joiners[3].kill();
        assert!(group.discard(&member));
        for (n, joiner) in joiners.into_iter().enumerate() {
            match joiner.join() {
                Ok(()) => assert!(n % 2 == 0),
                Err(error) => assert!(n % 2 == 1 && error.is_killed()),
            }
        }
        member.thread().unpark();
        member.join().unwrap();
    });
}

/// Spawning, adding, discarding, killing, joining and ending at once: all that
/// was made is gone in the end, and so are all members.
#[test]
fn races_leave_nothing() {
    const ROUNDS: usize = 600;
    workers(2, || {
        let mut random = Random::new(5);
        for _ in 0..ROUNDS {
            let group = Group::new();
            let go = Arc::new(Event::new());
            let greens: Vec<_> = (0..4)
                .map(|n| {
                    let (one, go, spins) = (Counted::new(), go.clone(), random.below(2000));
                    let work = move || {
                        let _one = one;
                        go.wait();
                        (0..spins).for_each(|_| std::hint::spin_loop());
                        yield_now();
                    };
                    if n % 2 == 0 { group.spawn(work) } else { spawn(work) }
                })
                .collect();
            let what = random.below(3);
            let adder = {
                let (group, threads) =
                    (group.clone(), greens.iter().map(|g| g.thread().clone()).collect::<Vec<_>>());
                spawn(move || {
                    for thread in &threads {
                        group.add(thread);
                        if what == 1 {
                            group.discard(thread);
                        }
                    }
                })
            };
            go.set();
            if what == 2 {
                group.kill();
            }
            adder.join().unwrap();
            group.join().unwrap();
            for green in greens {
                match green.join() {
                    Ok(()) => {}
                    Err(JoinError::Killed) => assert_eq!(what, 2),
                    Err(other) => panic!("{other}"),
                }
            }
            assert_eq!(group.len(), 0);
        }
        Counted::assert_gone(4 * ROUNDS);
    });
}
