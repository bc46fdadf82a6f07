//! Many who wait for several things at once, on green threads and OS threads,
//! against kills and timeouts at every instant: nothing is lost, nothing is had
//! twice, and nobody stays in line. For a moment by default; for
//! `GREENROOM_STRESS` seconds where that is set.

mod common;

use common::{Counted, DROPPED, MADE, Random, in_child, until};
use greenroom::inspect::stats;
use greenroom::queue::Queue;
use greenroom::sync::{AsyncResult, Event, Semaphore};
use greenroom::{
    GreenThread, JoinHandle, Waitable, park, select, sleep, spawn, timeout, wait_all_timeout,
    wait_any, wait_any_timeout, yield_now,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// Rounds, each with a seed of its own, for so long; then nobody is alive.
fn rounds(round: fn(u64)) {
    let seconds = std::env::var("GREENROOM_STRESS").ok();
    let seconds = seconds.map(|s| s.parse().expect("GREENROOM_STRESS is in seconds"));
    let long = seconds.map_or(Duration::from_millis(1500), Duration::from_secs);
    let (start, mut rounds) = (Instant::now(), 0);
    while start.elapsed() < long || rounds < 3 {
        rounds += 1;
        round(rounds);
    }
    until(|| stats().alive() == 0);
    assert_eq!(MADE.load(SeqCst), DROPPED.load(SeqCst));
}

/// What all of one round use, until they are to stop.
struct World {
    stop: AtomicBool,
    queue: Queue<Counted>,
    short: Queue<Counted>,
    permits: Semaphore,
    events: [Event; 3],
    result: AsyncResult<u8>,
    threads: Vec<GreenThread>,
    put: AtomicUsize,
    got: AtomicUsize,
    had: AtomicUsize,
    called: AtomicUsize,
}

impl World {
    fn new(room: usize) -> Arc<World> {
        Arc::new(World {
            stop: AtomicBool::new(false),
            queue: Queue::new(),
            short: Queue::bounded(room),
            permits: Semaphore::new(0),
            events: [Event::new(), Event::new(), Event::new()],
            result: AsyncResult::new(),
            threads: (0..6).map(|_| spawn(park).thread().clone()).collect(),
            put: AtomicUsize::new(0),
            got: AtomicUsize::new(0),
            had: AtomicUsize::new(0),
            called: AtomicUsize::new(0),
        })
    }

    fn put_one(&self) {
        self.put.fetch_add(1, SeqCst);
        self.queue.put(Counted::new()).unwrap();
    }

    /// With one it came to; nothing waits between that and the count.
    fn count(&self, counter: &AtomicUsize, counts: bool) {
        counter.fetch_add(usize::from(counts), SeqCst);
    }

    fn thread(&self, random: &mut Random) -> &GreenThread {
        &self.threads[random.below(6) as usize]
    }
}

type Deed = fn(&Arc<World>, &mut Random);

fn repeat(world: &Arc<World>, seed: u64, deed: Deed) -> impl FnOnce() + Send + 'static {
    let world = world.clone();
    move || {
        let mut random = Random::new(seed);
        while !world.stop.load(SeqCst) {
            deed(&world, &mut random);
        }
    }
}

/// Green threads and OS threads do `deed`; some are killed, and others come.
fn crowd(
    world: &Arc<World>,
    seed: u64,
    deed: Deed,
    event: fn(&World, &mut Random) -> usize,
) -> usize {
    let mut random = Random::new(seed);
    let mut greens: Vec<JoinHandle<()>> =
        (0..5).map(|n| spawn(repeat(world, seed * 200 + n, deed))).collect();
    let os: Vec<_> =
        (5..8).map(|n| std::thread::spawn(repeat(world, seed * 200 + n, deed))).collect();
    let mut given = 0;
    for n in 0..80 {
        if random.below(6) == 0 {
            let victim = random.below(5) as usize;
            greens[victim].kill();
            greens[victim] = spawn(repeat(world, seed * 200 + 10 + n, deed));
        } else {
            given += event(world, &mut random);
        }
    }
    world.stop.store(true, SeqCst);
    greens.into_iter().for_each(|green| green.join().unwrap());
    os.into_iter().for_each(|os| os.join().unwrap());
    world.threads.iter().for_each(GreenThread::unpark);
    until(|| world.threads.iter().all(GreenThread::is_finished));
    given
}

fn choose(world: &Arc<World>, random: &mut Random) {
    let World { queue, short, permits, events: [event, ..], put, got, had, .. } = &**world;
    let mut child = spawn(yield_now);
    let (limit, late) = (us(random.below(80)), us(random.below(100)));
    let deed = || {
        select! {
            it = get(queue) => world.count(got, it.is_ok()),
            it = get(queue) => world.count(got, it.is_ok()), // once more
            it = get(short) => world.count(got, it.is_ok()),
            it = put(short, Counted::new()) => world.count(put, it.is_ok()),
            it = access(permits) => {
                std::mem::forget(it);
                world.count(had, true);
            }
            _ = wait(event) => {}
            it = join(child) => it.unwrap(),
            _ = after(late) => {}
        }
    };
    let _ = timeout(limit, deed);
    yield_now();
}

#[test]
fn of_those_who_select() {
    fn event(world: &World, random: &mut Random) -> usize {
        match random.below(5) {
            0 | 1 => world.put_one(),
            2 => return usize::from(world.permits.release()),
            3 => {
                world.events[0].set();
                world.events[0].clear();
            }
            _ => sleep(us(random.below(30))),
        }
        0
    }
    fn round(seed: u64) {
        let room = 1 + seed as usize % 3;
        let world = World::new(room);
        let given = crowd(&world, seed, choose, event);
        let World { queue, short, permits, put, got, had, .. } = &*world;
        assert_eq!(queue.len() + short.len() + got.load(SeqCst), put.load(SeqCst), "seed {seed}");
        assert_eq!(permits.available() + had.load(SeqCst), given, "seed {seed}");
        // All room is there, and all that comes can be got: nobody stands in line.
        while short.try_get().is_ok() {}
        (0..room).for_each(|_| short.try_put(Counted::new()).unwrap());
        assert!(short.try_put(Counted::new()).is_err());
        let left = queue.len();
        world.put_one();
        (0..=left).for_each(|_| drop(queue.try_get().unwrap()));
    }
    in_child(&[("GREENROOM_WORKERS", "2")], || rounds(round)).assert_success();
}

fn watch(world: &Arc<World>, random: &mut Random) {
    let World { queue, permits, events, result, got, had, .. } = &**world;
    let limit = us(random.below(60));
    let (one, other) = (world.thread(random), world.thread(random));
    let [first, second, third] = events;
    let all: [&dyn Waitable; 9] = [first, second, third, permits, queue, result, one, other, first];
    let from = random.below(7) as usize;
    match random.below(5) {
        0 => drop(wait_all_timeout(&all[from..], limit)),
        1 => drop(timeout(limit, || wait_any(&all[from..]))),
        2 => drop(timeout(limit, || one.kill())),
        3 => {
            let theirs = world.clone();
            let callback = other.on_finish(move |_, _| {
                let inner = theirs.clone();
                theirs.threads[0].on_finish(move |_, _| inner.count(&inner.called, true));
            });
            assert!(from > 2 || callback.cancel() || other.is_finished());
        }
        _ => match wait_any_timeout(&all[3..5], limit) {
            Some(0) => world.count(had, permits.try_acquire()),
            Some(_) => world.count(got, queue.try_get().is_ok()),
            None => {}
        },
    }
    yield_now();
}

#[test]
fn of_those_who_watch() {
    fn event(world: &World, random: &mut Random) -> usize {
        let event = &world.events[random.below(3) as usize];
        match random.below(7) {
            0 => {
                event.set();
                event.clear();
            }
            1 => return usize::from(world.permits.release()),
            2 => world.put_one(),
            3 if random.below(8) == 0 => drop(world.result.set(1)),
            4 if random.below(8) == 0 => world.thread(random).unpark(),
            _ => sleep(us(random.below(40))),
        }
        0
    }
    fn round(seed: u64) {
        let world = World::new(1);
        let given = crowd(&world, seed, watch, event);
        let World { queue, permits, put, got, had, .. } = &*world;
        assert_eq!(queue.len() + got.load(SeqCst), put.load(SeqCst), "seed {seed}");
        assert_eq!(permits.available() + had.load(SeqCst), given, "seed {seed}");
        // Callbacks were called or cancelled, and none is left.
        until(|| Arc::strong_count(&world) == 1);
    }
    in_child(&[("GREENROOM_WORKERS", "2")], || rounds(round)).assert_success();
}
