//! What is counted.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use greenroom::queue::Queue;
use greenroom::sync::{Event, Mutex};
use greenroom::{current, park, park_timeout, patch_all, spawn, yield_now};
use greenroom_bench::protocol::Outcome;

use super::tracer::{mark, trace_me};

/// How many operations are counted: as many as a worker's batch has switches, so
/// that however many one takes, as many batches end.
const BATCH: u64 = 61;
/// ... of long paths, beside which the end of a batch does not matter. Steps are
/// slow on virtual machines: a hundred thousand take a second or two.
const FEW: u64 = 20;

pub(super) struct Case {
    pub(super) name: &'static str,
    /// As `GREENROOM_THREAD_LOCALS` has it.
    pub(super) thread_locals: &'static str,
    patched: bool,
    /// So many are counted.
    pub(super) operations: u64,
    /// Does so many operations.
    run: fn(u64),
}

const fn explicit(name: &'static str, thread_locals: &'static str, run: fn(u64)) -> Case {
    Case { name, thread_locals, patched: false, operations: BATCH, run }
}

const fn patched(name: &'static str, thread_locals: &'static str, run: fn(u64)) -> Case {
    Case { patched: true, ..explicit(name, thread_locals, run) }
}

pub(super) const ALL: &[Case] = &[
    explicit("yield", "shared", yields),
    explicit("yield-own", "own", yields),
    explicit("spawn", "shared", spawns),
    Case { operations: FEW, ..explicit("spawn-own", "own", spawns) },
    explicit("park", "shared", parks),
    explicit("timer", "shared", timers),
    explicit("mutex", "shared", locks),
    explicit("event", "shared", events),
    explicit("queue", "shared", queues),
    patched("echo-own", "own", echoes),
    Case { operations: FEW, ..patched("std-spawn-own", "own", std_spawns) },
    patched("std-mpsc-own", "own", std_channels),
];

/// Is the process for one case.
///
/// # Errors
/// There is no such case, or it cannot be set up.
pub(super) fn run(name: &str) -> Outcome<()> {
    let case = ALL.iter().find(|case| case.name == name).ok_or("no such case")?;
    if case.patched {
        patch_all()?;
    }
    let (run, operations) = (case.run, case.operations);
    let counted = spawn(move || {
        run(5 * operations); // stacks, queues and caches are there from now on
        trace_me()?;
        mark();
        run(0);
        mark();
        run(operations);
        mark();
        Ok::<(), std::io::Error>(())
    });
    Ok(counted.join().map_err(|why| why.to_string())??)
}

/// Two take turns.
fn yields(n: u64) {
    let other = spawn(move || (0..n).for_each(|_| yield_now()));
    (0..n).for_each(|_| yield_now());
    other.join().expect("it only yields");
}

fn spawns(n: u64) {
    for _ in 0..n {
        spawn(|| ()).join().expect("it does nothing");
    }
}

/// Two wake each other.
fn parks(n: u64) {
    let me = current().expect("this is a green thread");
    let other = spawn(move || {
        for _ in 0..n {
            park();
            me.unpark();
        }
    });
    for _ in 0..n {
        other.thread().unpark();
        park();
    }
    other.join().expect("it only parks");
}

/// A wait with a deadline, which is woken before.
fn timers(n: u64) {
    let me = current().expect("this is a green thread");
    let other = spawn(move || {
        for _ in 0..n {
            me.unpark();
            yield_now();
        }
    });
    (0..n).for_each(|_| park_timeout(Duration::from_secs(10)));
    other.join().expect("it only wakes");
}

fn locks(n: u64) {
    let number = Mutex::new(0);
    (0..n).for_each(|_| *number.lock() += 1);
    assert_eq!(*number.lock(), n);
}

/// Set, wait, clear: nobody waits long.
fn events(n: u64) {
    let event = Event::new();
    for _ in 0..n {
        event.set();
        event.wait();
        event.clear();
    }
}

/// To a partner and back.
fn queues(n: u64) {
    let (there, back) = (Queue::bounded(1), Queue::bounded(1));
    let (theirs, answers) = (there.clone(), back.clone());
    let partner = spawn(move || theirs.into_iter().for_each(|v| answers.put(v).unwrap()));
    for v in 0..n {
        there.put(v).expect("nobody shuts it down");
        assert_eq!(back.get(), Ok(v));
    }
    there.shutdown(false);
    partner.join().expect("it only answers");
}

/// 64 bytes to a partner and back, through a socket.
fn echoes(n: u64) {
    let (mut here, mut there) = UnixStream::pair().expect("there are descriptors");
    let partner = spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(length @ 1..) = there.read(&mut buffer) {
            there.write_all(&buffer[..length]).expect("somebody listens");
        }
    });
    let mut message = [7; 64];
    for _ in 0..n {
        here.write_all(&message).expect("somebody listens");
        here.read_exact(&mut message).expect("somebody answers");
    }
    drop(here);
    partner.join().expect("it only answers");
}

fn std_spawns(n: u64) {
    for _ in 0..n {
        std::thread::spawn(|| ()).join().expect("it does nothing");
    }
}

fn std_channels(n: u64) {
    let (there, theirs) = sync_channel(1);
    let (answers, back) = sync_channel(1);
    let partner = spawn(move || theirs.into_iter().for_each(|v| answers.send(v).unwrap()));
    for v in 0..n {
        there.send(v).expect("it lives");
        assert_eq!(back.recv(), Ok(v));
    }
    drop(there);
    partner.join().expect("it only answers");
}
