//! Generators: values in and out, ends, panics, nesting, being refused.

mod common;

use common::{Counted, in_child, workers};
use greenroom::generator::{Builder, Co, ResumeError};
use greenroom::{Generator, PatchError, Step, patch_all};
use std::cell::RefCell;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// Counts down from what it is given.
fn countdown() -> Generator<(), u32, &'static str> {
    Generator::new(|co, ()| {
        for n in (1..=3).rev() {
            co.yield_(n);
        }
        "lift-off"
    })
}

#[test]
fn values_go_both_ways() {
    let mut consumer = Generator::<u32, String, u32>::new(|co, first| {
        let (mut sum, mut n) = (first, first);
        while n != 0 {
            n = co.yield_(format!("{n} of {sum}"));
            sum += n;
        }
        sum
    });
    assert_eq!(consumer.resume(1), Step::Yielded("1 of 1".into()));
    assert_eq!(consumer.resume(5), Step::Yielded("5 of 6".into()));
    assert_eq!(consumer.resume(2), Step::Yielded("2 of 8".into()));
    assert!(!consumer.is_done());
    assert_eq!(consumer.resume(0), Step::Returned(8));
    assert!(consumer.is_done());
}

#[test]
fn one_without_input_is_an_iterator_that_stays_ended() {
    let mut numbers = countdown();
    assert_eq!(numbers.by_ref().collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!((numbers.next(), numbers.next()), (None, None));
    let mut steps = countdown();
    assert_eq!(steps.nth(2), Some(1));
    assert_eq!(steps.resume(()).returned(), Some("lift-off"));
}

#[test]
fn what_moves_through_is_neither_copied_nor_lost() {
    workers(1, || {
        let made = |n: usize| (0..n).map(|_| Counted::new()).collect::<Vec<_>>();
        let mut pass = Generator::<Vec<Counted>, Vec<Counted>, Vec<Counted>>::new(|co, first| {
            let second = co.yield_(first);
            assert_eq!(second.len(), 2);
            drop(co.yield_(second));
            Vec::from([Counted::new()])
        });
        assert_eq!(pass.resume(made(1)).yielded().map(|v| v.len()), Some(1));
        assert_eq!(pass.resume(made(2)).yielded().map(|v| v.len()), Some(2));
        assert_eq!(pass.resume(made(3)).returned().map(|v| v.len()), Some(1));
        assert_eq!(pass.try_resume(made(4)).unwrap_err().into_inner().len(), 4);
        Counted::assert_gone(11);
    });
}

#[test]
fn large_and_overaligned_values_arrive_whole() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(128))]
    struct Large([u64; 500]);
    let mut next = Generator::<Large, Large, Large>::new(|co, first| {
        let local = Large(first.0.map(|n| n + 1));
        assert_eq!((&raw const local).addr() % 128, 0);
        co.yield_(local)
    });
    let large = |n: u64| Large(std::array::from_fn(|i| n + i as u64));
    assert_eq!(next.resume(large(5)), Step::Yielded(large(6)));
    assert_eq!(next.resume(large(9)), Step::Returned(large(9)));
}

#[test]
fn a_closure_may_be_large() {
    #[repr(align(256))]
    struct Aligned([u8; 20_000]);
    workers(1, || {
        let text = |n: u8| (Aligned([n; 20_000]), Counted::new());
        let (large, unused) = (text(7), text(8));
        let mut sums = Generator::<(), usize, ()>::new(move |co, ()| {
            let large = large; // all of it
            assert_eq!(large.0.0.as_ptr().addr() % 256, 0);
            co.yield_(large.0.0.iter().map(|n| *n as usize).sum());
        });
        assert_eq!(sums.resume(()), Step::Yielded(140_000));
        drop(sums);
        assert_eq!(common::DROPPED.load(std::sync::atomic::Ordering::SeqCst), 1);
        drop(Generator::<(), usize, ()>::new(move |_, ()| drop(unused)));
        Counted::assert_gone(2);
        let large = [3; 1000];
        let greenlet = greenroom::Greenlet::new(move |n: u64| n + large.iter().sum::<u64>());
        assert_eq!(greenlet.switch(4), 3004);
    });
}

#[test]
fn a_finished_one_gives_back_what_it_was_to_get() {
    let mut one = Generator::<String, (), usize>::new(|_, text| text.len());
    assert_eq!(one.resume("four".into()), Step::Returned(4));
    let again = one.try_resume("more".into()).unwrap_err();
    assert!(matches!(again, ResumeError::Finished(_)), "{again:?}");
    assert_eq!(again.into_inner(), "more");
    let panicked = catch_unwind(AssertUnwindSafe(|| one.resume("more".into()))).unwrap_err();
    let text = panicked.downcast::<String>().unwrap();
    assert!(text.contains("the generator has finished"), "{text}");
}

#[test]
fn a_panic_goes_to_whoever_resumes() {
    workers(1, || {
        let mut faulty = Generator::<u32, u32, ()>::new(|co, first| {
            let _counted = Counted::new();
            let second = co.yield_(first);
            std::panic::resume_unwind(Box::new(first + second));
        });
        assert_eq!(faulty.resume(3), Step::Yielded(3));
        let panic = catch_unwind(AssertUnwindSafe(|| faulty.resume(4))).unwrap_err();
        assert_eq!(*panic.downcast::<u32>().unwrap(), 7);
        Counted::assert_gone(1);
        assert!(faulty.is_done());
        assert!(matches!(faulty.try_resume(5), Err(ResumeError::Finished(5))));
        assert!(!std::thread::panicking());
    });
}

struct Tree {
    value: u32,
    children: Vec<Tree>,
}

/// A generator on each level, which resumes those below.
fn values(tree: Tree) -> Generator<(), u32, u32> {
    Generator::new(move |co, ()| {
        let mut depth = 0;
        co.yield_(tree.value);
        for child in tree.children {
            let mut below = values(child);
            loop {
                match below.resume(()) {
                    Step::Yielded(value) => co.yield_(value),
                    Step::Returned(n) => break depth = depth.max(n),
                }
            }
        }
        depth + 1
    })
}

#[test]
fn they_nest() {
    let leaf = |value| Tree { value, children: Vec::new() };
    let deep = (3..40).rev().fold(leaf(40), |below, value| Tree { value, children: vec![below] });
    let tree = Tree { value: 1, children: vec![leaf(2), deep, leaf(41)] };
    let mut all = values(tree);
    assert_eq!(all.by_ref().take(41).collect::<Vec<_>>(), (1..=41).collect::<Vec<_>>());
    assert_eq!(all.resume(()), Step::Returned(39));
}

/// Several at a time, resumed in any order.
#[test]
fn they_do_not_mind_each_other() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let mut all: Vec<_> = (0..50)
        .map(|id| {
            let log = log.clone();
            Generator::<u32, (), ()>::new(move |co, mut n| {
                loop {
                    log.borrow_mut().push((id, n));
                    n = co.yield_(());
                }
            })
        })
        .collect();
    let mut expected = Vec::new();
    for round in 0..20 {
        for step in 0..50 {
            let id = (step * 7 + round) % 50;
            all[id as usize].resume(round);
            expected.push((id, round));
        }
    }
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn many_use_few_stacks() {
    workers(1, || {
        let mappings = || std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
        let ten = || (0..10).map(|_| countdown()).collect::<Vec<_>>();
        ten().iter_mut().for_each(|one| assert_eq!(one.next(), Some(3)));
        let before = mappings();
        for _ in 0..20_000 {
            ten().iter_mut().for_each(|one| assert_eq!(one.next(), Some(3)));
        }
        assert!(mappings() <= before + 5, "{before} mappings became {}", mappings());
    });
}

/// The smallest stack is enough for a formatted panic.
#[test]
fn a_small_stack_holds_a_panic() {
    let small = Builder::new().stack_size(1).generator(|co, n: u32| {
        co.yield_(());
        let caught = catch_unwind(|| panic!("with {n:?} and {:.2}", 1.5)).unwrap_err();
        *caught.downcast::<String>().unwrap()
    });
    let mut small = small.unwrap();
    assert_eq!(small.resume(8), Step::Yielded(()));
    assert_eq!(small.resume(0), Step::Returned("with 8 and 1.50".into()));
}

#[test]
fn a_stack_that_cannot_be_is_an_error() {
    let huge = Builder::new().stack_size(2 << 30).generator(|_: &Co<(), ()>, ()| ());
    let error = huge.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("too large"), "{error}");
}

#[test]
fn without_a_stack_the_first_resume_says_so() {
    let ended = in_child(&[("GREENROOM_STACK_SIZE", "much")], || {
        let counted = Counted::new();
        let mut none = Generator::<u32, (), ()>::new(move |_, _| drop(counted));
        Counted::assert_gone(1);
        for _ in 0..2 {
            match none.try_resume(3).unwrap_err() {
                ResumeError::NotStarted(3, why) => {
                    assert!(why.to_string().contains("GREENROOM_STACK_SIZE"), "{why}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(none.is_done());
    });
    ended.assert_success();
}

/// What a stack has above it was settled with the first one.
#[test]
fn patching_after_the_first_generator_is_too_late() {
    let ended = in_child(&[("GREENROOM_THREAD_LOCALS", "")], || {
        // SAFETY: no other thread runs yet that reads the environment.
        unsafe { std::env::remove_var("GREENROOM_THREAD_LOCALS") };
        assert_eq!(countdown().count(), 3);
        let error = patch_all().unwrap_err();
        assert!(matches!(error, PatchError::TooLate { .. }), "{error}");
        assert!(error.to_string().contains("tests/generator.rs"), "{error}");
        assert_eq!(countdown().count(), 3);
        greenroom::spawn(|| assert_eq!(countdown().count(), 3)).join().unwrap();
    });
    ended.assert_success();
}

#[test]
fn with_its_own_thread_locals_asked_for_it_is_not() {
    let ended = in_child(&[("GREENROOM_THREAD_LOCALS", "own")], || {
        assert_eq!(countdown().count(), 3);
        patch_all().unwrap();
        std::thread::spawn(|| assert_eq!(countdown().count(), 3)).join().unwrap();
    });
    ended.assert_success();
}
