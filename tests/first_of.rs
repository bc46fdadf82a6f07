//! `select!`: what each arm does, that only one is done, and that nothing is left
//! behind where it waited.

mod common;

use common::{Counted, Random, spin_until, until, workers};
use greenroom::queue::{GetError, LifoQueue, PriorityQueue, PutError, Queue};
use greenroom::sync::{AsyncResult, Event, Semaphore};
use greenroom::{JoinHandle, interval, joinall, park, select, spawn, timeout, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const NOT_SOON: Duration = Duration::from_secs(3600);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Runs it on a green thread and on an OS thread.
fn on_both(deed: impl Fn() + Send + Clone + 'static) {
    spawn(deed.clone()).join().unwrap();
    thread::spawn(deed).join().unwrap();
}

#[test]
fn what_can_be_done_is_done() {
    workers(1, || {
        on_both(|| {
            let (first, last) = (Queue::new(), LifoQueue::new());
            let least = PriorityQueue::bounded(1);
            assert_eq!(select! { _ = get(first) => 1, default => 2 }, 2);
            first.put("a").unwrap();
            assert_eq!(select! { it = get(first) => it, it = get(last) => it }, Ok("a"));
            last.put("b").unwrap();
            assert_eq!(select! { it = get(first) => it, it = get(last) => it }, Ok("b"));
            assert_eq!(
                select! { it = put(least, 3) => it, _ = get(first) => unreachable!() },
                Ok(())
            );
            let no_room = || -> u32 { unreachable!("it is not put") };
            select! {
                _ = put(least, no_room()) => unreachable!(),
                it = get(least) => assert_eq!(it, Ok(3)),
            }
            let mut seven = spawn(|| 7);
            assert_eq!(select! { it = join(seven) => it.unwrap(), _ = get(first) => 0 }, 7);
            let (event, result) = (Event::new(), AsyncResult::new());
            assert!(
                select! { _ = wait(event) => false, _ = wait(result) => false, default => true }
            );
            result.set("x").unwrap();
            assert_eq!(select! { _ = wait(event) => "", it = wait(result) => it }, "x");
            event.set();
            assert!(select! { _ = wait(event) => true });
            let two = Semaphore::bounded(2);
            let (one, other) = (select! { it = access(two) => it }, two.access());
            assert!(select! { _ = access(two) => false, default => true });
            drop((one, other));
            assert_eq!(two.available(), 2);
        });
    });
}

#[test]
fn times_come() {
    workers(1, || {
        on_both(|| {
            let never = Queue::<()>::new();
            let start = Instant::now();
            select! {
                _ = get(never) => unreachable!(),
                _ = after(NOT_SOON) => unreachable!(),
                _ = after(ms(20)) => {}
            }
            assert!(start.elapsed() >= ms(20));
            let time = Instant::now() + ms(20);
            select! { _ = get(never) => unreachable!(), _ = until(time) => assert!(Instant::now() >= time) }
            select! { _ = until(time) => {}, _ = get(never) => unreachable!() }
            let mut ticks = interval(ms(3));
            for n in 1..5 {
                let due = select! { due = tick(ticks) => due, _ = get(never) => unreachable!() };
                assert!(due >= start + ms(3) * n && Instant::now() >= due);
            }
            assert!(select! { _ = after(Duration::ZERO) => true, default => false });
        });
    });
}

/// It waits, and one thing after the other happens.
#[test]
fn what_happens_wakes_it() {
    workers(2, || {
        on_both(|| {
            let (queue, full) = (Queue::new(), Queue::bounded(1));
            let (event, permits) = (Arc::new(Event::new()), Arc::new(Semaphore::new(0)));
            let result = Arc::new(AsyncResult::new());
            full.put(0).unwrap();
            let go = Arc::new(AtomicUsize::new(0));
            let mut ended = {
                let (queue, full, go) = (queue.clone(), full.clone(), go.clone());
                let (event, permits, result) = (event.clone(), permits.clone(), result.clone());
                spawn(move || {
                    let turn = |n| until(|| go.load(SeqCst) == n);
                    turn(1);
                    queue.put('q').unwrap();
                    turn(2);
                    assert_eq!(full.get(), Ok(0));
                    turn(3);
                    permits.release();
                    turn(4);
                    event.set();
                    turn(5);
                    result.set('r').unwrap();
                    turn(6);
                    queue.shutdown(false);
                    turn(7);
                    'j'
                })
            };
            let (mut seen, mut shut) = (Vec::new(), false);
            loop {
                go.fetch_add(1, SeqCst);
                let there = if shut { Queue::new() } else { queue.clone() };
                let unset = if seen.contains(&'e') { Arc::default() } else { event.clone() };
                let pending = if seen.contains(&'r') { Arc::default() } else { result.clone() };
                let what = select! {
                    item = get(there) => item.unwrap_or_else(|e| {
                        assert_eq!(e, GetError::Shutdown);
                        shut = true;
                        's'
                    }),
                    it = put(full, 1) => { it.unwrap(); 'p' }
                    permit = access(permits) => { std::mem::forget(permit); 'a' }
                    _ = wait(unset) => 'e',
                    it = wait(pending) => *it,
                    it = join(ended) => {
                        seen.push(it.unwrap());
                        break;
                    }
                };
                seen.push(what);
            }
            assert_eq!(seen, ['q', 'p', 'a', 'e', 'r', 's', 'j']);
        });
    });
}

/// Whoever loses leaves all lines: what comes there later is there for others.
#[test]
fn nothing_stays_behind() {
    workers(1, || {
        on_both(|| {
            let (queue, full) = (Queue::new(), Queue::bounded(1));
            let (event, permits) = (Event::new(), Semaphore::new(0));
            full.put(0).unwrap();
            let mut parked = spawn(park);
            for n in 0..20 {
                let other = Queue::new();
                let theirs = other.clone();
                let puts = spawn(move || theirs.put(n).unwrap());
                select! {
                    _ = get(queue) => unreachable!(),
                    _ = put(full, 1) => unreachable!(),
                    _ = wait(event) => unreachable!(),
                    _ = access(permits) => unreachable!(),
                    _ = join(parked) => unreachable!(),
                    it = get(other) => assert_eq!(it, Ok(n)),
                    _ = after(NOT_SOON) => unreachable!(),
                }
                select! {
                    _ = get(queue) => unreachable!(),
                    _ = put(full, 1) => unreachable!(),
                    _ = wait(event) => unreachable!(),
                    _ = access(permits) => unreachable!(),
                    _ = join(parked) => unreachable!(),
                    _ = after(Duration::from_micros(50)) => {}
                }
                puts.join().unwrap();
                queue.put(n).unwrap();
                assert_eq!(queue.try_get(), Ok(n));
                assert_eq!(full.try_get(), Ok(0));
                full.try_put(0).unwrap();
                permits.release();
                assert!(permits.try_acquire());
            }
            parked.thread().unpark();
            parked.join().unwrap();
        });
    });
}

#[test]
fn those_who_wait_are_served_in_order() {
    workers(1, || {
        let (queue, other) = (Queue::new(), Queue::<usize>::new());
        let got = Queue::new();
        let greens: Vec<_> = (0..30)
            .map(|n| {
                let (queue, other, got) = (queue.clone(), other.clone(), got.clone());
                spawn(move || {
                    let item: usize = match n % 3 {
                        0 => queue.get(),
                        1 => select! { it = get(other) => it, it = get(queue) => it },
                        _ => select! { it = get(queue) => it, it = get(other) => it },
                    }
                    .unwrap();
                    got.put((n, item)).unwrap();
                })
            })
            .collect();
        // They stand in line in this order when this one has run.
        spawn(|| ()).join().unwrap();
        (0..30).for_each(|n| queue.put(n).unwrap());
        joinall(greens).into_iter().for_each(|r| r.unwrap());
        got.shutdown(false);
        assert!(got.into_iter().all(|(n, item)| n == item));
    });
}

#[test]
fn an_event_that_is_cleared_at_once_counts() {
    workers(1, || {
        let (event, queue) = (Arc::new(Event::new()), Queue::<()>::new());
        let theirs = event.clone();
        let green = spawn(move || select! { _ = get(queue) => false, _ = wait(theirs) => true });
        spawn(|| ()).join().unwrap(); // after this it waits
        event.set();
        event.clear();
        assert!(green.join().unwrap());
    });
}

#[test]
fn none_is_starved_and_the_first_can_be_preferred() {
    workers(1, || {
        let (one, two, three) = (Queue::new(), Queue::new(), Queue::new());
        for n in 0..900 {
            [&one, &two, &three].into_iter().for_each(|queue| queue.put(n).unwrap());
        }
        let mut counts = [0; 3];
        for _ in 0..600 {
            select! {
                it = get(one) => counts[0] += usize::from(it.is_ok()),
                it = get(two) => counts[1] += usize::from(it.is_ok()),
                it = get(three) => counts[2] += usize::from(it.is_ok()),
            }
        }
        assert!(counts.iter().all(|n| *n > 100), "{counts:?}");
        let left = three.len();
        for n in 0..left {
            let first =
                select! { biased; it = get(three) => it, _ = get(one) => Err(GetError::Empty) };
            assert_eq!(first, Ok(900 - left + n));
        }
    });
}

#[test]
fn an_item_that_fails_leaves_its_room() {
    workers(1, || {
        on_both(|| {
            let queue = Queue::bounded(1);
            let fails = || -> u32 { panic!("no item") };
            let put = catch_unwind(AssertUnwindSafe(|| select! { it = put(queue, fails()) => it }));
            assert!(put.is_err());
            queue.try_put(1).unwrap();
            queue.shutdown(false);
            let shut = select! { it = put(queue, 2) => it, default => Ok(()) };
            assert!(matches!(shut, Err(PutError::Shutdown(2))));
        });
    });
}

#[test]
fn it_cannot_join_itself() {
    workers(1, || {
        let (sends, gets) = (Queue::new(), Queue::<greenroom::JoinHandle<bool>>::new());
        let theirs = gets.clone();
        let tells = sends.clone();
        let green = spawn(move || {
            let mut itself = theirs.get().unwrap();
            let error = select! { it = join(itself) => it.unwrap_err() };
            tells.put(error.to_string()).unwrap();
            true
        });
        gets.put(green).unwrap();
        assert!(sends.get().unwrap().contains("cannot join itself"));
    });
}

/// A queue whose one item another holds for a moment, who looks at it.
fn looked_at() -> (Queue<i32>, JoinHandle<Result<i32, GetError>>) {
    let queue = Queue::new();
    let theirs = queue.clone();
    let looks = spawn(move || theirs.peek());
    yield_now(); // it waits
    queue.put(1).unwrap();
    (queue, looks)
}

/// An item that one who looks holds for a moment can still be got.
#[test]
fn the_last_item_is_had_though_another_looks_at_it() {
    workers(1, || {
        spawn(|| {
            let (queue, looks) = looked_at();
            queue.shutdown(false);
            assert_eq!(select! { it = get(queue) => it }, Ok(1));
            assert_eq!(select! { it = get(queue) => it }, Err(GetError::Shutdown));
            assert_eq!(looks.join().unwrap(), Ok(1));
        })
        .join()
        .unwrap();
    });
}

/// Nor does it seem to be gone.
#[test]
fn an_item_that_another_looks_at_is_there() {
    workers(1, || {
        spawn(|| {
            let (queue, looks) = looked_at();
            let had = select! {
                it = get(queue) => it,
                default => Err(GetError::Empty),
            };
            assert_eq!(had, Ok(1));
            assert!(select! { _ = get(queue) => false, default => true });
            assert_eq!(looks.join().unwrap(), Ok(1));
        })
        .join()
        .unwrap();
    });
}

/// Selecting and plain getters and putters, green and not, on a few queues with
/// little room: each item arrives once, whatever deadlines pass.
#[test]
fn every_item_arrives_once() {
    const ITEMS: usize = 2000;
    const PUTTERS: usize = 6;
    workers(2, || {
        let queues = [Queue::bounded(1), Queue::bounded(2), Queue::new()];
        let (seen, sum) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let put = |seed: u64| {
            let [a, b, c] = queues.clone();
            move || {
                let mut random = Random::new(seed);
                let mut item = 0;
                while item < ITEMS {
                    let delay = Duration::from_nanos(random.below(30_000));
                    select! {
                        it = put(a, (item, Counted::new())) => it.map(|()| item += 1).unwrap(),
                        it = put(b, (item, Counted::new())) => it.map(|()| item += 1).unwrap(),
                        _ = after(delay) => c.put((item, Counted::new())).map(|()| item += 1).unwrap(),
                    }
                }
            }
        };
        let get = |seed: u64| {
            let [a, b, c] = queues.clone();
            let (seen, sum) = (seen.clone(), sum.clone());
            move || {
                let mut random = Random::new(seed);
                let mut open = true;
                while open {
                    let delay = Duration::from_nanos(random.below(30_000));
                    let item = select! {
                        it = get(a) => it,
                        it = get(b) => it,
                        it = get(c) => it,
                        _ = after(delay) => a.get_timeout(delay),
                    };
                    match item {
                        Ok((item, _counted)) => {
                            seen.fetch_add(1, SeqCst);
                            sum.fetch_add(item, SeqCst);
                        }
                        Err(GetError::Timeout) => {}
                        Err(_) => open = false,
                    }
                }
            }
        };
        let putters: Vec<_> = (1..PUTTERS as u64).map(|seed| spawn(put(seed))).collect();
        let getters: Vec<_> = (1..6).map(|seed| spawn(get(seed + 100))).collect();
        let (puts, gets) = (thread::spawn(put(99)), thread::spawn(get(999)));
        joinall(putters).into_iter().for_each(|r| r.unwrap());
        puts.join().unwrap();
        until(|| seen.load(SeqCst) == PUTTERS * ITEMS);
        queues.iter().for_each(|queue| queue.shutdown(false));
        joinall(getters).into_iter().for_each(|r| r.unwrap());
        gets.join().unwrap();
        assert_eq!(sum.load(SeqCst), PUTTERS * ITEMS * (ITEMS - 1) / 2);
        assert!(queues.iter().all(|queue| queue.is_empty()));
        Counted::assert_gone(PUTTERS * ITEMS);
    });
}

/// The end of a green thread against a put and a deadline: its result is had once,
/// by whoever asks for it.
#[test]
fn joins_race() {
    const ROUNDS: usize = 3000;
    workers(2, || {
        let races = || {
            let queue = Queue::new();
            for round in 0..ROUNDS {
                let theirs = queue.clone();
                let mut green = spawn(Counted::new);
                let putter = spawn(move || theirs.put(round).unwrap());
                let wait = Duration::from_nanos(round as u64 % 3000);
                let (result, item) = select! {
                    it = join(green) => (it, queue.get()),
                    it = get(queue) => (green.join(), it),
                    _ = after(wait) => (green.join(), queue.get()),
                };
                assert!(result.is_ok());
                assert_eq!(item, Ok(round));
                putter.join().unwrap();
            }
        };
        let green = spawn(races);
        thread::spawn(races).join().unwrap();
        green.join().unwrap();
        Counted::assert_gone(2 * ROUNDS);
    });
}

#[test]
fn the_worker_is_free_meanwhile() {
    workers(1, || {
        let queue = Queue::<()>::new();
        let theirs = queue.clone();
        let waits =
            spawn(move || select! { it = get(theirs) => it, _ = after(NOT_SOON) => Ok(()) });
        let turns = spawn(|| (0..100).for_each(|_| yield_now()));
        turns.join().unwrap();
        spin_until(|| queue.is_empty());
        queue.put(()).unwrap();
        waits.join().unwrap().unwrap();
    });
}

#[test]
fn one_that_is_cut_short_leaves_nothing_behind() {
    workers(1, || {
        on_both(|| {
            let (queue, permits) = (Queue::new(), Arc::new(Semaphore::new(0)));
            let mut parked = spawn(park);
            let cut = timeout(ms(5), || {
                select! {
                    it = get(queue) => it,
                    _ = access(permits) => unreachable!(),
                    _ = join(parked) => unreachable!(),
                    _ = after(NOT_SOON) => unreachable!(),
                }
            });
            assert!(cut.is_err());
            queue.put(1).unwrap();
            assert_eq!(queue.try_get(), Ok(1));
            let (theirs, allowed) = (queue.clone(), permits.clone());
            let begun = Arc::new(AtomicUsize::new(0));
            let begins = begun.clone();
            let green = spawn(move || {
                begins.fetch_add(1, SeqCst);
                select! { it = get(theirs) => it.is_ok(), _ = access(allowed) => true }
            });
            until(|| begun.load(SeqCst) == 1);
            green.kill();
            assert!(green.join().unwrap_err().is_killed());
            queue.put(2).unwrap();
            permits.release();
            assert_eq!((queue.try_get(), permits.try_acquire()), (Ok(2), true));
        });
    });
}

/// Puts against kills: what one does not get because it is killed, others do.
#[test]
fn grants_and_kills_race() {
    const ROUNDS: usize = 3000;
    workers(2, || {
        let (queue, other) = (Queue::new(), Queue::<usize>::new());
        let mut got = 0;
        for round in 0..ROUNDS {
            let (mine, theirs) = (queue.clone(), other.clone());
            let green = spawn(move || select! { it = get(theirs) => it, it = get(mine) => it });
            let puts = queue.clone();
            let putter = spawn(move || puts.put(round).unwrap());
            if round % 3 == 0 {
                yield_now();
            }
            green.kill();
            putter.join().unwrap();
            let item = match green.join() {
                Ok(item) => {
                    got += 1;
                    item
                }
                Err(error) => {
                    assert!(error.is_killed());
                    queue.try_get()
                }
            };
            assert_eq!(item, Ok(round));
        }
        assert!(got < ROUNDS, "none was killed in time");
    });
}
