//! Greenlets that switch, end, panic, are killed and dropped at random, beside a
//! simple account of who must get what.

mod common;

use common::{Counted, DROPPED, MADE, Random, workers};
use greenroom::{Greenlet, spawn};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::SeqCst;

/// The account of one thread; number 0 is the thread's own greenlet.
struct World {
    random: Random,
    handles: Vec<Option<Greenlet<u64>>>,
    parents: Vec<usize>,
    dead: Vec<bool>,
    /// The last value, and who must get it.
    sent: (usize, u64),
    steps: u64,
    /// All are to return.
    stop: bool,
}

thread_local!(static WORLD: RefCell<Option<World>> = const { RefCell::new(None) });

fn world<R>(f: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(|world| f(world.as_mut().expect("it is set up")))
}

impl World {
    fn living(&self, mut id: usize) -> usize {
        while self.dead[id] {
            id = self.parents[id];
        }
        id
    }

    /// A value that will arrive at `id`, or whoever takes its place.
    fn send_to(&mut self, id: usize) -> u64 {
        self.sent = (self.living(id), self.sent.1 + 1);
        self.sent.1
    }
}

/// What `me` gets is his.
fn receive(me: usize, got: std::thread::Result<u64>) {
    let value = match got {
        Ok(value) => value,
        // Killed or dropped, which nobody may catch here.
        Err(payload) => *payload.downcast().unwrap_or_else(|payload| resume_unwind(payload)),
    };
    world(|w| assert_eq!(w.sent, (me, value)));
}

fn make(parent: usize) {
    let id = world(|w| w.parents.len());
    let made = Greenlet::new(move |first| {
        let _counted = Counted::new();
        receive(id, Ok(first));
        let end = catch_unwind(|| while step(id) {});
        world(|w| w.dead[id] = true);
        let (value, panics) = world(|w| (w.send_to(id), w.random.below(4) == 0));
        match end {
            Ok(()) if panics => resume_unwind(Box::new(value)),
            Ok(()) => value,
            Err(payload) => resume_unwind(payload),
        }
    });
    world(|w| {
        w.parents.push(parent);
        w.dead.push(false);
        w.handles.push(Some(made));
    });
}

/// Does something; false: this one returns.
fn step(me: usize) -> bool {
    let (choice, id) = world(|w| {
        w.steps += 1;
        let n = w.handles.len() as u64;
        (w.random.below(20), w.random.below(n) as usize)
    });
    match choice {
        0..2 if me != 0 => return false,
        2..5 => make(me),
        5 => {
            // Perhaps the last handle of one that then unwinds.
            drop(world(|w| if id == 0 { None } else { w.handles[id].take() }));
        }
        _ => {
            let Some(to) = world(|w| w.handles[id].clone()) else { return true };
            let value = world(|w| w.send_to(id));
            let fresh_kill = choice == 6 && id != 0 && id != me && !to.is_active();
            let got = catch_unwind(AssertUnwindSafe(|| match fresh_kill {
                true => {
                    world(|w| w.dead[id] = true);
                    to.kill(world(|w| w.send_to(id)))
                }
                false => to.switch(value),
            }));
            receive(me, got);
        }
    }
    me == 0 || !world(|w| w.stop)
}

fn run(seed: u64) -> u64 {
    let world_now = World {
        random: Random::new(seed),
        handles: vec![Some(Greenlet::current())],
        parents: vec![0],
        dead: vec![false],
        sent: (0, 0),
        steps: 0,
        stop: false,
    };
    WORLD.set(Some(world_now));
    while world(|w| w.handles.len() < 400 && w.steps < 20_000) {
        step(0);
    }
    world(|w| w.stop = true);
    // Each that goes on returns, and so do all whose value reaches them.
    for id in 1..world(|w| w.handles.len()) {
        while let Some(to) = world(|w| w.handles[id].clone().filter(|_| !w.dead[id])) {
            let value = world(|w| w.send_to(id));
            receive(0, catch_unwind(AssertUnwindSafe(|| to.switch(value))));
        }
    }
    let handles = world(|w| std::mem::take(&mut w.handles));
    drop(handles);
    WORLD.take().expect("it was set up").steps
}

/// On an OS thread; then on a green thread, too.
#[test]
fn everybody_gets_what_is_his() {
    workers(1, || {
        let steps: u64 = (1..60).map(run).sum();
        assert!(steps > 10_000, "{steps}");
        let steps = spawn(|| (60..90).map(run).sum::<u64>()).join().unwrap();
        assert!(steps > 5_000, "{steps}");
        let (made, dropped) = (MADE.load(SeqCst), DROPPED.load(SeqCst));
        assert!(made > 1_000, "{made}");
        // Some hold handles to each other on their stacks.
        assert!(dropped > made / 2, "{dropped} of {made}");
    });
}
