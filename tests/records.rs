//! The memory of green threads' records: used again, and given back when there were many.

mod common;

use common::{until, workers};
use greenroom::{JoinHandle, spawn, yield_now};
use std::time::{Duration, Instant};

const MANY: usize = 200_000;

/// Bytes in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// So many, made on a worker, none of which has its stack before the first is joined.
fn burst() -> Vec<JoinHandle<usize>> {
    (0..MANY).map(|number| spawn(move || number)).collect()
}

/// Joins them; how much memory there was when all had been made.
fn join_all(handles: Vec<JoinHandle<usize>>) -> usize {
    let most = resident();
    for (number, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.join().unwrap(), number);
    }
    most
}

#[test]
fn a_second_burst_takes_no_more_than_the_first() {
    workers(1, || {
        spawn(|| {
            let first = join_all(burst());
            let second = join_all(burst());
            assert!(second < first + first / 4, "{first} bytes, then {second}");
        })
        .join()
        .unwrap();
    });
}

#[test]
fn what_a_burst_took_goes_back_when_it_is_joined() {
    workers(1, || {
        let before = resident();
        let most = spawn(|| join_all(burst())).join().unwrap();
        assert!(most > before + MANY * 300, "{before} bytes, then {most}");
        until(|| resident() < before + (most - before) / 4);
    });
}

/// The worker sleeps when its memory is returned, by who is none.
#[test]
fn what_an_os_thread_lets_go_of_goes_back_too() {
    workers(1, || {
        unwatched();
        let before = resident();
        let handles = spawn(burst).join().unwrap();
        std_until(|| handles.iter().all(|handle| handle.is_finished()));
        // Until the worker has looked twice whether its stacks lie idle: from then on it sleeps.
        std::thread::sleep(Duration::from_secs(3));
        let most = join_all(handles);
        std_until(|| resident() < before + (most - before) / 4);
    });
}

/// That which is made and ends between two looks of a worker that then has nothing to do.
#[test]
fn a_short_burst_is_not_forgotten() {
    workers(1, || {
        unwatched();
        spawn(|| greenroom::sleep(Duration::from_millis(50))).join().unwrap();
        let before = resident();
        let most = spawn(|| join_all(burst())).join().unwrap();
        std_until(|| resident() < before + (most - before) / 4);
    });
}

#[test]
fn a_worker_with_other_things_to_do_gives_it_back_as_well() {
    workers(1, || {
        let before = resident();
        for _ in 0..2 {
            drop(spawn(|| {
                loop {
                    yield_now()
                }
            }));
        }
        let most = spawn(|| join_all(burst())).join().unwrap();
        std_until(|| resident() < before + (most - before) / 4);
    });
}

/// Has one wait for a descriptor for ever, so that nobody wakes the worker to see whether
/// all that there is has come to a stop.
fn unwatched() {
    let listener = greenroom::net::TcpListener::bind("127.0.0.1:0").unwrap();
    drop(spawn(move || listener.accept()));
}

/// As `until`, without greenroom.
fn std_until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(200), "waited in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}
