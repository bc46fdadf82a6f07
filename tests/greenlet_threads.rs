//! Greenlets of several threads, among generators, and without room.

mod common;

use common::{Counted, in_child, workers};
use greenroom::generator::{Builder, ParentError, SwitchError};
use greenroom::{Generator, Greenlet, Step, joinall, sleep, spawn};
use std::cell::RefCell;
use std::time::Duration;

#[test]
fn another_green_thread_is_refused() {
    thread_local!(static LEFT: RefCell<Option<Greenlet<u32>>> = const { RefCell::new(None) });
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_THREAD_LOCALS", "shared")];
    let ended = in_child(&vars, || {
        let leave = || {
            let main = Greenlet::current();
            let left = Greenlet::new(move |n| {
                let _counted = Counted::new();
                main.switch(n)
            });
            assert_eq!(left.switch(3), 3);
            LEFT.set(Some(left));
        };
        spawn(leave).join().unwrap();
        let find = || {
            let left = LEFT.take().unwrap();
            assert!(matches!(left.try_switch(4), Err(SwitchError::OtherThread(4))));
            let mine = Greenlet::new(|n| n);
            assert_eq!(mine.set_parent(&left), Err(ParentError::OtherThread));
            assert_ne!(Greenlet::current(), left.parent().unwrap());
        };
        spawn(find).join().unwrap();
        assert_eq!(common::DROPPED.load(std::sync::atomic::Ordering::SeqCst), 0);
    });
    ended.assert_success();
    ended.assert_says("greenlet was dropped by another green thread than its own", 1);
}

#[test]
fn without_a_stack_the_first_switch_says_so() {
    let huge = Builder::new().stack_size(2 << 30).greenlet(|n: u32| n);
    assert_eq!(huge.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    let ended = in_child(&[("GREENROOM_STACK_SIZE", "much")], || {
        let none = Greenlet::new(|n: u32| n);
        for _ in 0..2 {
            assert!(matches!(none.try_switch(3), Err(SwitchError::NotStarted(3, _))));
        }
        assert!(none.is_dead());
    });
    ended.assert_success();
}

/// Green threads have their own, and a greenlet that waits parks all of them.
#[test]
fn each_green_thread_has_its_own() {
    workers(2, || {
        let all = (0..40).map(|id: u32| {
            spawn(move || {
                let main = Greenlet::current();
                let adds = Greenlet::new(move |mut n: u32| {
                    loop {
                        sleep(Duration::from_micros(200));
                        n = main.switch(n + id);
                    }
                });
                (0..20).map(|n| adds.switch(n)).sum::<u32>()
            })
        });
        for (id, sum) in joinall(all.collect::<Vec<_>>()).into_iter().enumerate() {
            assert_eq!(sum.unwrap(), 190 + 20 * id as u32);
        }
    });
}

/// One may switch in the middle of a generator that it has resumed, in one that
/// was resumed by another.
#[test]
fn generators_and_greenlets_mix() {
    let main = Greenlet::current();
    let mut outer = Generator::<u32, u32, ()>::new(move |co, first| {
        let within = Greenlet::new(move |n: u32| {
            let mut below = Generator::<u32, u32, ()>::new(move |co, mut n| {
                loop {
                    n = main.switch(n + 100); // to the body of `outer`
                    n = co.yield_(n + 1000);
                }
            });
            let mut n = n;
            loop {
                n = below.resume(n).yielded().unwrap();
            }
        });
        let mut n = first;
        loop {
            n = co.yield_(within.switch(n));
        }
    });
    let other = Greenlet::new(|n: u32| n + 1);
    assert_eq!(outer.resume(1), Step::Yielded(101));
    assert_eq!(other.switch(5), 6);
    assert_eq!(outer.resume(2), Step::Yielded(1102));
    assert_eq!(outer.resume(3), Step::Yielded(1103));
    drop(outer);
}

#[test]
fn an_overflow_names_it() {
    fn recurse(depth: usize) -> usize {
        let frame = std::hint::black_box([depth; 64]);
        if depth == usize::MAX { 0 } else { recurse(depth + 1) + frame[depth % 64] }
    }
    let ended = in_child(&[], || {
        let deep = Builder::new().name("deep".into()).stack_size(1).greenlet(recurse).unwrap();
        deep.switch(1);
    });
    ended.assert_signal(libc::SIGABRT);
    ended.assert_says("\ngreenlet 'deep' has overflowed its stack (64 KiB; see", 1);
}
