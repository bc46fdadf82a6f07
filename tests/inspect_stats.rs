//! Statistics: what workers count is what happened.

mod common;

use common::{in_child, until, workers};
use greenroom::inspect::{Stats, stats};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn before_the_first_spawn_there_is_nothing() {
    workers(1, || assert_eq!(stats(), Stats::default()));
}

#[test]
fn switches_starts_ends_and_timers_are_counted() {
    workers(1, || {
        greenroom::spawn(|| ()).join().unwrap();
        // Joined, it has still to come back to its worker, which counts then.
        until(|| stats().total().switches == 1);
        let before = stats().total();
        let yielders = (0..10).map(|_| {
            greenroom::spawn(|| {
                (0..5).for_each(|_| greenroom::yield_now());
                greenroom::sleep(Duration::from_millis(2));
            })
        });
        greenroom::joinall(yielders.collect::<Vec<_>>());
        until(|| stats().alive() == 0);
        let after = stats().total();
        assert_eq!(after.started - before.started, 10);
        assert_eq!(after.ended - before.ended, 10);
        assert_eq!(after.timers - before.timers, 10);
        // A first run, five after giving way, one after the sleep; those of the
        // last batch may not be counted yet.
        until(|| stats().total().switches - before.switches >= 70);
        assert_eq!(stats().total().switches - before.switches, 70);
        assert!(after.polls > before.polls);
    });
}

#[test]
fn alive_and_stacks_follow_the_green_threads() {
    workers(2, || {
        let sleepers: Vec<_> = (0..50).map(|_| greenroom::spawn(greenroom::park)).collect();
        until(|| stats().alive() == 50);
        let at_most = stats().stacks;
        assert_eq!(at_most.in_use, 50);
        assert!(at_most.made >= 50);
        sleepers.iter().for_each(|s| s.thread().unpark());
        greenroom::joinall(sleepers);
        until(|| stats().alive() == 0);
        let stacks = stats().stacks;
        assert_eq!((stacks.in_use, stacks.pooled()), (0, stacks.made), "they are kept");
    });
}

/// A generator's stack is used while it is there, also when nothing runs on it.
#[test]
fn stacks_of_generators_are_not_pooled() {
    workers(1, || {
        let mut generators: Vec<_> =
            (0..20).map(|_| greenroom::Generator::new(|co, ()| co.yield_(1))).collect();
        generators.iter_mut().for_each(|g| assert!(g.next().is_some()));
        let stacks = stats().stacks;
        assert_eq!((stacks.in_use, stacks.pooled()), (20, stacks.made - 20));
        drop(generators);
        let stacks = stats().stacks;
        assert_eq!((stacks.in_use, stacks.pooled()), (0, stacks.made));
    });
}

#[test]
fn wake_ups_by_other_threads_and_events_are_counted() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let reader = greenroom::spawn(move || {
            let mut all = Vec::new();
            far.read_to_end(&mut all).unwrap();
        });
        let over = Arc::new(AtomicBool::new(false));
        let theirs = over.clone();
        let parks = greenroom::spawn(move || {
            while !theirs.load(SeqCst) {
                greenroom::park();
            }
        });
        // Who does not wait yet need not be woken: so again and again.
        let before = stats().total();
        until(|| {
            parks.thread().unpark();
            stats().total().woken_by_others > before.woken_by_others
        });
        until(|| {
            near.write_all(b"a").unwrap();
            stats().total().events > before.events
        });
        over.store(true, SeqCst);
        parks.thread().unpark();
        parks.join().unwrap();
        drop(near);
        reader.join().unwrap();
    });
}

/// What a worker reports for another that computes is counted too.
#[test]
fn events_of_a_hogged_worker_are_counted() {
    static HOGS: AtomicBool = AtomicBool::new(false);
    static READ: AtomicBool = AtomicBool::new(false);
    in_child(&[("GREENROOM_WORKERS", "2"), ("GREENROOM_THREAD_LOCALS", "own")], || {
        greenroom::patch_all().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        let reads = |mut from: &UnixStream| from.read_exact(&mut [0]).unwrap();
        let hog = greenroom::spawn(move || {
            reads(&far); // its worker's reactor has it from now on
            let other = greenroom::spawn(move || {
                HOGS.store(true, SeqCst);
                (&far).read_to_end(&mut Vec::new()).unwrap();
                READ.store(true, SeqCst);
            });
            while !READ.load(SeqCst) {
                std::hint::spin_loop();
            }
            other.join().unwrap();
        });
        until(|| stats().alive() == 1);
        near.write_all(b"a").unwrap();
        until(|| HOGS.load(SeqCst));
        let before = stats().total().events;
        // The first may be read before anybody has to wait.
        until(|| {
            near.write_all(b"b").unwrap();
            stats().total().events > before
        });
        drop(near);
        hog.join().unwrap();
    })
    .assert_success();
}

#[test]
fn an_idle_worker_is_not_busy_and_a_hogged_one_is() {
    workers(1, || {
        greenroom::spawn(|| ()).join().unwrap();
        let start = stats().total();
        until(|| stats().total().idle > start.idle + Duration::from_millis(30));
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = stop.clone();
        let hog = greenroom::spawn(move || {
            while !theirs.load(SeqCst) {
                std::hint::spin_loop();
            }
        });
        until(|| stats().alive() == 1);
        let before = stats().total();
        until(|| stats().total().uptime > before.uptime + Duration::from_millis(30));
        assert_eq!(stats().total().idle, before.idle, "it computes all the time");
        stop.store(true, SeqCst);
        hog.join().unwrap();
    });
}

#[test]
fn the_wait_for_a_turn_is_measured() {
    workers(1, || {
        let stop = Arc::new(AtomicBool::new(false));
        let turns = (0..8).map(|_| {
            let stop = stop.clone();
            greenroom::spawn(move || {
                while !stop.load(SeqCst) {
                    greenroom::yield_now();
                }
            })
        });
        let turns: Vec<_> = turns.collect();
        until(|| stats().total().delays > 10 && stats().total().runnable >= 7);
        let total = stats().total();
        assert!(Duration::ZERO < total.delay_mean() && total.delay_mean() <= total.delay_max);
        stop.store(true, SeqCst);
        greenroom::joinall(turns);
    });
}

#[test]
fn offloaded_work_is_counted() {
    workers(1, || {
        assert_eq!(stats().offload.threads, 0);
        greenroom::spawn(|| greenroom::offload(|| ())).join().unwrap();
        until(|| stats().offload.idle == 1);
        assert_eq!((stats().offload.threads, stats().offload.queued), (1, 0));
    });
}

#[test]
fn the_text_names_each_worker() {
    workers(2, || {
        greenroom::spawn(|| ()).join().unwrap();
        let text = stats().to_string();
        let heads: Vec<_> = text.lines().map(|l| l.split(':').next().unwrap()).collect();
        assert_eq!(heads[1..], ["worker 0", "worker 1", "in total"], "{text}");
    });
}

#[cfg(feature = "prometheus")]
#[test]
fn prometheus_text_is_well_formed() {
    workers(2, || {
        greenroom::spawn(|| ()).join().unwrap();
        until(|| stats().alive() == 0);
        let text = stats().to_prometheus();
        let mut declared = std::collections::HashSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
                assert!(declared.insert(name.to_owned()), "declared twice: {line}");
            } else if !line.starts_with("# HELP ") {
                let (series, value) = line.rsplit_once(' ').unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
                let name = series.split('{').next().unwrap();
                let family = name.strip_suffix("_sum").or(name.strip_suffix("_count"));
                assert!(declared.contains(family.unwrap_or(name)), "undeclared: {line}");
            }
        }
        let ended: f64 = (text.lines().filter(|l| l.starts_with("greenroom_ended_total{")))
            .map(|l| l.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum();
        assert_eq!(ended, 1.0);
    });
}
