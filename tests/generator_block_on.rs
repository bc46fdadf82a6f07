//! Futures that are waited for in generators and greenlets which suspend in the
//! middle of a poll: no wake is lost on any of those that wait.

mod common;

use common::{Random, workers};
use greenroom::{Generator, Greenlet, block_on, spawn};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;

/// As on a green thread, so on an OS thread.
fn on_both(deed: fn()) {
    spawn(deed).join().unwrap();
    thread::spawn(deed).join().unwrap();
}

/// Ready at the second poll, which is asked for before `deed` is done in the first.
fn second<T>(mut deed: impl FnMut() -> T) -> impl FnMut(&mut Context<'_>) -> Poll<()> {
    let mut polls = 0;
    move |context| {
        polls += 1;
        if polls == 2 {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        drop(deed());
        Poll::Pending
    }
}

/// It began outside of the poll in which it ends.
#[test]
fn one_that_ends_inside_another() {
    workers(1, || {
        on_both(|| {
            let mut inner = Generator::<(), (), ()>::new(|co, ()| {
                block_on(poll_fn(second(|| co.yield_(()))));
            });
            inner.resume(());
            block_on(poll_fn(second(|| inner.resume(()))));
            assert!(inner.is_done());
        })
    });
}

/// It begins inside of the poll, finds the wake, and ends elsewhere.
#[test]
fn one_that_leaves_another() {
    workers(1, || {
        on_both(|| {
            let mut inner = Generator::<(), (), ()>::new(|co, ()| {
                let mut polls = 0;
                block_on(poll_fn(|context| {
                    polls += 1;
                    match polls {
                        1 => context.waker().wake_by_ref(),
                        2 => {
                            co.yield_(());
                            return Poll::Ready(());
                        }
                        _ => unreachable!("it was ready"),
                    }
                    Poll::Pending
                }));
            });
            block_on(poll_fn(second(|| inner.resume(()))));
            assert!(!inner.is_done());
            inner.resume(());
            assert!(inner.is_done());
        })
    });
}

/// Whoever goes on in between waits for futures of his own, and finds the wake.
#[test]
fn one_that_is_woken_while_suspended() {
    workers(1, || {
        on_both(|| {
            let kept = Rc::new(RefCell::new(None::<Waker>));
            let keeps = kept.clone();
            let mut inner = Generator::<(), (), u32>::new(move |co, ()| {
                let mut polls = 0;
                block_on(poll_fn(|context| {
                    polls += 1;
                    if polls < 3 {
                        keeps.replace(Some(context.waker().clone()));
                        co.yield_(());
                        return Poll::Pending;
                    }
                    Poll::Ready(polls)
                }))
            });
            inner.resume(());
            for _ in 0..2 {
                kept.take().unwrap().wake();
                block_on(poll_fn(second(|| ())));
                block_on(async {});
                if let Some(polls) = inner.resume(()).returned() {
                    return assert_eq!(polls, 3);
                }
            }
            unreachable!("it was woken twice");
        })
    });
}

#[test]
fn greenlets_in_each_others_polls() {
    workers(1, || {
        on_both(|| {
            let main = Greenlet::<u32>::current();
            let other = Greenlet::new({
                let main = main.clone();
                move |n: u32| {
                    block_on(poll_fn(second(|| main.switch(n))));
                    block_on(poll_fn(second(|| main.switch(n))));
                    n + 1
                }
            });
            block_on(poll_fn(second(|| other.switch(1))));
            block_on(poll_fn(second(|| other.switch(2))));
            assert_eq!(other.switch(3), 2);
            assert!(other.is_dead());
        })
    });
}

type Others = Rc<RefCell<Vec<Generator<(), (), ()>>>>;

/// Resumes any of `others`, which is not among them meanwhile.
fn resume_any(others: &Others, random: &mut Random) {
    let one = random.take(&mut others.borrow_mut());
    let Some(mut one) = one else { return };
    one.resume(());
    if !one.is_done() {
        others.borrow_mut().push(one);
    }
}

/// Each poll asks for the next, suspends or resumes another somewhere in there,
/// and so do those that it resumes.
#[test]
fn any_of_many_in_any_order() {
    workers(1, || {
        on_both(|| {
            for seed in 0..30 {
                let others: Others = Rc::default();
                let ended = Rc::new(Cell::new(0));
                for id in 0..12 {
                    let (mine, ended) = (others.clone(), ended.clone());
                    others.borrow_mut().push(Generator::new(move |co, ()| {
                        let mut random = Random::new(100 * seed + id);
                        for _ in 0..10 {
                            let mut left = random.below(4);
                            block_on(poll_fn(|context| {
                                if left == 0 {
                                    return Poll::Ready(());
                                }
                                left -= 1;
                                context.waker().wake_by_ref();
                                match random.below(3) {
                                    0 => co.yield_(()),
                                    1 => resume_any(&mine, &mut random),
                                    _ => {}
                                }
                                Poll::Pending
                            }));
                        }
                        ended.set(ended.get() + 1);
                    }));
                }
                let mut random = Random::new(seed);
                while !others.borrow().is_empty() {
                    resume_any(&others, &mut random);
                }
                assert_eq!(ended.get(), 12);
            }
        })
    });
}
