//! Kills, timeouts, wake-ups, panics and completions against each other, in
//! every sort of wait: one outcome each, and nothing is left behind. For a
//! moment by default; for `GREENROOM_STRESS` seconds where that is set.

mod common;

use common::{until, workers};
use greenroom::inspect::stats;
use greenroom::queue::{Channel, Queue};
use greenroom::sync::{Condvar, Event, Mutex, Semaphore};
use greenroom::{
    JoinError, JoinHandle, block_on, park, scope, select, sleep, spawn, timeout, uncancellable,
    wait_any, yield_now,
};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const WAITS: usize = 13;
/// So many at a time.
const BATCH: usize = 32;

fn seconds() -> Duration {
    let seconds = std::env::var("GREENROOM_STRESS").ok();
    let seconds = seconds.map(|s| s.parse().expect("GREENROOM_STRESS is in seconds"));
    seconds.map_or(Duration::from_millis(1500), Duration::from_secs)
}

/// A linear congruential generator (Knuth's MMIX): the same numbers each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

/// What all of one batch wait for.
struct World {
    permits: Semaphore,
    had: AtomicUsize,
    queue: Queue<u32>,
    got: AtomicUsize,
    channel: Channel<u32>,
    event: Event,
    mutex: Mutex<u32>,
    changed: Condvar,
    gone: AtomicUsize,
}

/// Counts when it goes, and goes once.
struct Goes(Arc<World>, bool);

impl Drop for Goes {
    fn drop(&mut self) {
        assert!(!std::mem::replace(&mut self.1, true));
        self.0.gone.fetch_add(1, SeqCst);
    }
}

fn wait(which: usize, world: &Arc<World>) {
    match which {
        0 => park(),
        1 => sleep(Duration::from_micros(300)),
        2 => {
            world.permits.acquire();
            world.had.fetch_add(1, SeqCst);
        }
        3 => {
            world.queue.get().unwrap();
            world.got.fetch_add(1, SeqCst);
        }
        4 => drop(world.channel.get_timeout(Duration::from_millis(2))),
        5 => drop(world.channel.put_timeout(1, Duration::from_millis(2))),
        6 => world.event.wait(),
        7 => {
            let guard = world.changed.wait_timeout(world.mutex.lock(), Duration::from_micros(200));
            drop(guard);
        }
        8 => drop(spawn(|| sleep(Duration::from_micros(200))).join()),
        9 => read(),
        10 => {
            let (queue, event) = (&world.queue, &world.event);
            let item = select! {
                item = get(queue) => item.is_ok(),
                _ = wait(event) => false,
            };
            world.got.fetch_add(usize::from(item), SeqCst);
        }
        11 => assert_eq!(wait_any(&[&world.event]), 0),
        _ => scope(|s| {
            s.spawn(|| sleep(Duration::from_micros(200)));
            s.spawn(|| world.event.wait());
            block_on(std::future::ready(()));
        }),
    }
}

/// A byte that comes late.
fn read() {
    let listener = TcpListener::bind("127.0.0.1:0");
    let Ok(there) = listener else { return };
    let Ok(mut here) = there.local_addr().and_then(TcpStream::connect) else { return };
    let Ok((mut there, _)) = there.accept() else { return };
    let later = spawn(move || {
        sleep(Duration::from_micros(200));
        there.write(b"x")
    });
    drop(here.read(&mut [0]));
    drop(later);
}

/// What one is to do.
#[derive(Clone, Copy)]
struct Plan {
    wait: usize,
    limit: Option<Duration>,
    shield: bool,
    catch: bool,
    panic: bool,
}

fn live(plan: Plan, world: &Arc<World>) -> bool {
    let deed = || {
        if plan.catch {
            // It is only put off by that.
            let _ = catch_unwind(AssertUnwindSafe(|| wait(plan.wait, world)));
        } else if plan.shield {
            uncancellable(yield_now);
        }
        wait(plan.wait, world);
        assert!(!plan.panic, "planned");
    };
    match plan.limit {
        Some(limit) => timeout(limit, deed).is_ok(),
        None => {
            deed();
            true
        }
    }
}

fn start(plan: Plan, world: &Arc<World>) -> JoinHandle<bool> {
    let goes = Goes(world.clone(), false);
    spawn(move || live(plan, &goes.0))
}

fn plan(dice: &mut Dice) -> Plan {
    Plan {
        wait: dice.roll(WAITS as u64) as usize,
        limit: (dice.roll(2) == 0).then(|| Duration::from_micros(dice.roll(600))),
        shield: dice.roll(4) == 0,
        catch: dice.roll(4) == 0,
        panic: dice.roll(4) == 0,
    }
}

/// Permits, items and wake-ups for whoever waits, until all have ended.
fn wake_all(world: &World, all: &[JoinHandle<bool>], given: &mut [usize; 2], dice: &mut Dice) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !all.iter().all(JoinHandle::is_finished) {
        assert!(Instant::now() < deadline, "somebody waits for ever");
        match dice.roll(6) {
            0 => {
                world.permits.release();
                given[0] += 1;
            }
            1 => {
                world.queue.put(1).unwrap();
                given[1] += 1;
            }
            2 => world.event.set(),
            3 => world.changed.notify_one(),
            4 => all.iter().for_each(|one| one.thread().unpark()),
            _ => sleep(Duration::from_micros(dice.roll(100))),
        }
        yield_now();
    }
}

fn batch(dice: &mut Dice) {
    let world = Arc::new(World {
        permits: Semaphore::new(0),
        had: AtomicUsize::new(0),
        queue: Queue::new(),
        got: AtomicUsize::new(0),
        channel: Channel::new(),
        event: Event::new(),
        mutex: Mutex::new(0),
        changed: Condvar::new(),
        gone: AtomicUsize::new(0),
    });
    let plans: Vec<_> = (0..BATCH).map(|_| plan(dice)).collect();
    let all: Vec<_> = plans.iter().map(|plan| start(*plan, &world)).collect();
    let mut killed = [false; BATCH];
    for (one, killed) in all.iter().zip(&mut killed) {
        *killed = dice.roll(3) == 0;
        if *killed {
            one.thread().request_kill();
        }
        if dice.roll(4) == 0 {
            yield_now();
        }
    }
    let mut given = [0; 2];
    wake_all(&world, &all, &mut given, dice);
    for ((one, plan), killed) in all.into_iter().zip(plans).zip(killed) {
        match one.join() {
            Ok(in_time) => assert!(in_time || plan.limit.is_some()),
            Err(JoinError::Panicked(_)) => assert!(plan.panic),
            Err(JoinError::Killed) => assert!(killed),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(world.gone.load(SeqCst), BATCH, "each went once");
    let permits = world.permits.available() + world.had.load(SeqCst);
    let items = world.queue.len() + world.got.load(SeqCst);
    assert_eq!([permits, items], given, "none is lost, none is had twice");
    until(|| Arc::strong_count(&world) == 1);
}

#[test]
fn one_outcome_each_and_nothing_left() {
    workers(2, || {
        greenroom::patch_all().unwrap();
        std::panic::set_hook(Box::new(|_| {}));
        let (mut dice, start) = (Dice(1), Instant::now());
        let mut batches = 0;
        while start.elapsed() < seconds() || batches < 3 {
            batch(&mut dice);
            batches += 1;
        }
        until(|| {
            let (stats, stacks) = (stats().total(), stats().stacks);
            stats.started == stats.ended && stacks.in_use == 0
        });
    });
}
