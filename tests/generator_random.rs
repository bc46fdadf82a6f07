//! Bodies that do all sorts of things in each other, suspended, resumed and dropped
//! at any point, while their green threads are killed: everything is dropped once,
//! and no stack is left behind.

mod common;

use common::{Counted, DROPPED, MADE, Random, in_child, until};
use greenroom::generator::Co;
use greenroom::{
    Generator, Greenlet, block_on, joinall, scope, sleep, spawn, timeout, uncancellable,
};
use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Poll;
use std::time::Duration;

/// Suspended ones that anybody on this green thread may resume or drop.
type Kept = Rc<RefCell<Vec<Generator<(), (), ()>>>>;

/// Where something happens.
struct Place<'a> {
    depth: u32,
    /// No greenlet is around: one and its parent would keep each other.
    is_own: bool,
    kept: Kept,
    suspend: &'a dyn Fn(),
}

impl Place<'_> {
    /// Some deeds, one after the other.
    fn act(&self, random: &mut Random) {
        let _counted = Counted::new();
        for _ in 0..1 + random.below(4) {
            self.one(random);
        }
    }

    fn one(&self, random: &mut Random) {
        let micros = Duration::from_micros(random.below(300));
        match random.below(if self.depth < 4 { 14 } else { 6 }) {
            0..3 => (self.suspend)(),
            3 => sleep(micros),
            4 => self.resume_kept(random),
            5 if random.below(4) == 0 => resume_unwind(Box::new(Counted::new())),
            6 => drop(timeout(micros, || self.deeper().act(random))),
            7 => uncancellable(|| self.deeper().act(random)),
            8 => {
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.deeper().act(random)))
                    && !payload.is::<Counted>()
                {
                    resume_unwind(payload); // no panic of ours
                }
            }
            9 => self.poll(random),
            10 => scope(|s| {
                s.spawn(|| sleep(micros));
                self.deeper().act(random);
            }),
            11 if self.is_own => self.greenlet(random),
            12 => {
                let mut one = self.generator(random);
                (0..random.below(4)).for_each(|_| resume(&mut one));
            }
            13 => {
                let mut one = self.generator(random);
                resume(&mut one);
                self.kept.borrow_mut().push(one);
            }
            _ => {}
        }
    }

    fn deeper(&self) -> Place<'_> {
        Place { depth: self.depth + 1, kept: self.kept.clone(), ..*self }
    }

    fn generator(&self, random: &mut Random) -> Generator<(), (), ()> {
        let mut random = Random::new(random.below(u64::MAX));
        let (depth, is_own, kept) = (self.depth + 1, self.is_own, self.kept.clone());
        let captured = Counted::new();
        Generator::new(move |co: &Co<(), ()>, ()| {
            let _captured = captured;
            let suspend = || co.yield_(());
            Place { depth, is_own, kept, suspend: &suspend }.act(&mut random);
        })
    }

    fn greenlet(&self, random: &mut Random) {
        let mut inner = Random::new(random.below(u64::MAX));
        let (depth, main) = (self.depth + 1, Greenlet::<()>::current());
        let greenlet = Greenlet::new(move |()| {
            let suspend = || main.switch(());
            let kept = Kept::default();
            let _empties = Empties(kept.clone());
            Place { depth, is_own: false, kept, suspend: &suspend }.act(&mut inner);
        });
        for _ in 0..random.below(4) {
            greenlet.switch(());
            (self.suspend)();
        }
        if random.below(4) == 0 {
            greenlet.kill(());
        }
    }

    fn poll(&self, random: &mut Random) {
        let mut left = random.below(4);
        block_on(poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            context.waker().wake_by_ref();
            self.deeper().act(random);
            Poll::Pending
        }));
    }

    fn resume_kept(&self, random: &mut Random) {
        let one = random.take(&mut self.kept.borrow_mut());
        let Some(mut one) = one else { return };
        resume(&mut one);
        if random.below(4) > 0 {
            self.kept.borrow_mut().push(one);
        }
    }
}

fn resume(one: &mut Generator<(), (), ()>) {
    if !one.is_done() {
        one.resume(());
    }
}

fn thread(seed: u64) {
    let (mut random, kept) = (Random::new(seed), Kept::default());
    let suspend = || sleep(Duration::ZERO);
    let place = Place { depth: 0, is_own: true, kept: kept.clone(), suspend: &suspend };
    let _empties = Empties(kept);
    for _ in 0..10 {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| place.act(&mut random)))
            && !payload.is::<Counted>()
        {
            resume_unwind(payload);
        }
    }
}

/// What is kept keeps what it is kept in.
struct Empties(Kept);

impl Drop for Empties {
    fn drop(&mut self) {
        while let Some(one) = { self.0.borrow_mut().pop() } {
            drop(one);
        }
    }
}

/// So many at a time, half of which are killed.
fn round(round: u64, threads: u64) {
    let all = (0..threads).map(|id| spawn(move || thread(1000 * round + id)));
    let all: Vec<_> = all.collect();
    let mut random = Random::new(round);
    for victim in &all {
        sleep(Duration::from_micros(random.below(2000)));
        if random.below(2) == 0 {
            victim.thread().request_kill();
        }
    }
    for result in joinall(all) {
        assert!(result.is_ok() || result.unwrap_err().is_killed());
    }
}

#[test]
fn nothing_is_left_of_any() {
    let ended = in_child(&[("GREENROOM_WORKERS", "2")], || {
        // With shared thread-locals several that unwind at a time are taken for
        // each other, and what they suspend is leaked to be safe.
        let is_own = std::env::var("GREENROOM_THREAD_LOCALS").is_ok_and(|v| v == "own");
        match is_own {
            true => (0..20).for_each(|n| round(n, 20)),
            false => (0..300).for_each(|n| round(n, 1)),
        }
        assert!(MADE.load(SeqCst) > 1000);
        until(|| MADE.load(SeqCst) == DROPPED.load(SeqCst));
    });
    ended.assert_success();
    ended.assert_says("leaked", 0);
}
