//! Dumps from wherever somebody may ask for one, and from many places at once.

mod common;

use common::{in_child, until, workers};
use greenroom::inspect::{Dump, dump};
use greenroom::{Generator, spawn};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

static SEEN: AtomicUsize = AtomicUsize::new(0);

/// A dump shows the one that waits.
fn look() {
    let has = |dump: &Dump| dump.threads.iter().any(|t| t.name.as_deref() == Some("waits"));
    let dump = dump();
    assert!(has(&dump), "{dump}");
    SEEN.fetch_add(1, SeqCst);
}

fn with_one_that_waits(deed: impl FnOnce()) {
    let waits = greenroom::Builder::new().name("waits".into()).spawn(greenroom::park).unwrap();
    until(|| dump().threads.len() == 1);
    deed();
    waits.thread().unpark();
    waits.join().unwrap();
}

/// Dumps when it is dropped.
struct Looks;

impl Drop for Looks {
    fn drop(&mut self) {
        look();
    }
}

thread_local!(static AT_THE_END: Cell<Option<Looks>> = const { Cell::new(None) });

#[test]
fn in_a_generator() {
    // Stacks as small as they may be.
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_STACK_SIZE", "65536")];
    in_child(&vars, || {
        with_one_that_waits(|| {
            let three = || {
                let looks = Generator::new(|co, ()| {
                    for _ in 0..3 {
                        look();
                        co.yield_(());
                    }
                });
                assert_eq!(looks.count(), 3);
            };
            three();
            spawn(three).join().unwrap();
            assert_eq!(SEEN.load(SeqCst), 6);
        });
    })
    .assert_success();
}

#[test]
fn at_the_end_of_threads() {
    workers(1, || {
        with_one_that_waits(|| {
            thread::spawn(|| AT_THE_END.set(Some(Looks))).join().unwrap();
            assert_eq!(SEEN.load(SeqCst), 1);
            spawn(|| -> () {
                let _looks = Looks;
                panic!("on purpose");
            })
            .join()
            .unwrap_err();
            assert_eq!(SEEN.load(SeqCst), 2);
            let killed = spawn(|| {
                let _looks = Looks;
                greenroom::park();
            });
            until(|| {
                dump().threads.iter().all(|t| !t.waits_for.is_empty()) && dump().threads.len() == 2
            });
            killed.kill();
            assert!(killed.join().unwrap_err().is_killed());
            assert_eq!(SEEN.load(SeqCst), 3);
        });
    });
}

#[test]
fn in_the_thread_locals_of_a_green_thread() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_THREAD_LOCALS", "own")];
    in_child(&vars, || {
        with_one_that_waits(|| {
            spawn(|| AT_THE_END.set(Some(Looks))).join().unwrap();
            assert_eq!(SEEN.load(SeqCst), 1);
        });
    })
    .assert_success();
}

#[test]
fn from_many_at_once_while_others_come_and_go() {
    workers(2, || {
        let stop = Arc::new(AtomicBool::new(false));
        with_one_that_waits(|| {
            let makers = (0..2).map(|_| {
                let stop = stop.clone();
                spawn(move || {
                    while !stop.load(SeqCst) {
                        let some = (0..100).map(|_| spawn(greenroom::yield_now));
                        greenroom::joinall(some.collect::<Vec<_>>());
                    }
                })
            });
            let makers: Vec<_> = makers.collect();
            let os: Vec<_> =
                (0..4).map(|_| thread::spawn(|| (0..10).for_each(|_| look()))).collect();
            let green: Vec<_> = (0..40).map(|_| spawn(look)).collect();
            os.into_iter().for_each(|one| one.join().unwrap());
            greenroom::joinall(green).into_iter().for_each(|r| r.unwrap());
            stop.store(true, SeqCst);
            greenroom::joinall(makers).into_iter().for_each(|r| r.unwrap());
            assert_eq!(SEEN.load(SeqCst), 80);
        });
    });
}
