//! The programs, for runtimes in which waiting is a plain call. One text for
//! all of them: what differs is the [`Blocking`] kit.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::blocking_servers::{fan_out, serve};
use crate::protocol::{Outcome, Program, Task};
use crate::work::{resident, scaled};

/// What such a runtime gives to its programs.
pub trait Blocking: 'static {
    /// A task to be joined.
    type Handle: Send;
    /// One end of a channel of numbers.
    type Sender: Clone + Send + 'static;
    /// The other.
    type Receiver: Send + 'static;
    /// A locked number.
    type Lock: Send + Sync + 'static;
    /// Where connections come in.
    type Listener: Send + 'static;
    /// A connection.
    type Stream: Read + Write + Send + 'static;

    /// Starts a task.
    fn spawn(f: impl FnOnce() + Send + 'static) -> Self::Handle;
    /// Waits for its end.
    fn join(task: Self::Handle);
    /// Lets others run.
    fn yield_now();
    /// Waits.
    fn sleep(time: Duration);
    /// A channel that holds so many, if its kind can be limited.
    fn channel(bound: usize) -> (Self::Sender, Self::Receiver);
    /// Puts a number in.
    fn send(to: &Self::Sender, number: u64);
    /// Takes one out.
    fn receive(from: &Self::Receiver) -> u64;
    /// Takes one out, or panics when it has taken too long.
    fn receive_within(from: &Self::Receiver, limit: Duration) -> u64;
    /// A lock, around zero.
    fn lock() -> Self::Lock;
    /// Runs `f` with the number locked.
    fn locked(lock: &Self::Lock, f: impl FnOnce(&mut u64));
    /// Listens on some port of this machine, and says on which.
    ///
    /// # Errors
    /// As `bind`'s.
    fn listen() -> io::Result<(Self::Listener, u16)>;
    /// The next connection, without delay of small packets.
    ///
    /// # Errors
    /// As `accept`'s.
    fn accept(listener: &Self::Listener) -> io::Result<Self::Stream>;
    /// A connection to that port of this machine, likewise.
    ///
    /// # Errors
    /// As `connect`'s.
    fn connect(port: u16) -> io::Result<Self::Stream>;

    /// Runs `f` as a task; called from outside.
    fn enter<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
        let (put, get) = std::sync::mpsc::channel();
        Self::join(Self::spawn(move || put.send(f()).expect("somebody waits for it")));
        get.recv().expect("the task has not panicked")
    }
}

/// How long those wait that only have to be there.
pub const AN_HOUR: Duration = Duration::from_secs(3600);
/// The last number through a channel.
pub const END: u64 = u64::MAX;
/// How long a wait may last that is bound to succeed.
const LIMIT: Duration = Duration::from_secs(10);
/// How many a channel holds between many and one.
pub const ROOM: usize = 128;
/// So many are too many to be done again and again.
pub const MANY: u64 = 100_000;
/// How many put into it.
pub const PRODUCERS: u64 = 8;

/// The program for `task`, by this kit.
///
/// # Errors
/// There is none, or it cannot be prepared.
pub fn program<K: Blocking>(task: &Task) -> Outcome<Program> {
    let number = task.number;
    Ok(match task.workload.as_str() {
        "yield" => counted::<K>(move |n| yields::<K>(number, n)),
        "spawn" => counted::<K>(spawns::<K>),
        "burst" if number >= MANY => Program::Once(Box::new(move || {
            (number, K::enter(move || bursts::<K>(number, number)).as_nanos() as u64)
        })),
        "burst" => counted::<K>(move |n| bursts::<K>(number, n)),
        "channel" => counted::<K>(|n| round_trips::<K>(n, K::receive)),
        "many-to-one" => counted::<K>(many_to_one::<K>),
        "mutex" => counted::<K>(move |n| locks::<K>(number, n)),
        "timer" => {
            K::enter(move || all_asleep::<K>(number));
            let timed = |from: &K::Receiver| K::receive_within(from, LIMIT);
            counted::<K>(move |n| round_trips::<K>(n, timed))
        }
        "idle" => Program::Once(Box::new(move || K::enter(move || idle::<K>(number)))),
        "fan-out" => fan_out::<K>(task)?,
        "echo" | "short" | "http" | "proxy" => Program::Server(serve::<K>(task)?),
        _ => return task.unknown(),
    })
}

/// A program that runs as a task.
pub(crate) fn counted<K: Blocking>(
    run: impl Fn(u64) -> Duration + Send + Clone + 'static,
) -> Program {
    Program::Counted(Box::new(move |n| {
        let run = run.clone();
        K::enter(move || run(n))
    }))
}

/// So many tasks take turns.
fn yields<K: Blocking>(tasks: u64, n: u64) -> Duration {
    let each = n.div_ceil(tasks);
    let start = Instant::now();
    let turns = move || (0..each).for_each(|_| K::yield_now());
    let handles: Vec<_> = (0..tasks).map(|_| K::spawn(turns)).collect();
    handles.into_iter().for_each(K::join);
    scaled(start.elapsed(), n, each * tasks)
}

fn spawns<K: Blocking>(n: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        K::join(K::spawn(|| ()));
    }
    start.elapsed()
}

/// Starts so many before it joins the first.
fn bursts<K: Blocking>(size: u64, n: u64) -> Duration {
    let times = n.div_ceil(size);
    let start = Instant::now();
    for _ in 0..times {
        let handles: Vec<_> = (0..size).map(|_| K::spawn(|| ())).collect();
        handles.into_iter().for_each(K::join);
    }
    scaled(start.elapsed(), n, times * size)
}

/// To a partner and back.
fn round_trips<K: Blocking>(n: u64, receive: fn(&K::Receiver) -> u64) -> Duration {
    let (there, theirs) = K::channel(1);
    let (answers, back) = K::channel(1);
    let partner = K::spawn(move || {
        loop {
            match receive(&theirs) {
                END => return,
                number => K::send(&answers, number),
            }
        }
    });
    let start = Instant::now();
    for number in 0..n {
        K::send(&there, number);
        assert_eq!(receive(&back), number);
    }
    let took = start.elapsed();
    K::send(&there, END);
    K::join(partner);
    took
}

fn many_to_one<K: Blocking>(n: u64) -> Duration {
    let each = n.div_ceil(PRODUCERS);
    let (put, get) = K::channel(ROOM);
    let start = Instant::now();
    let produce = |put: K::Sender| K::spawn(move || (0..each).for_each(|i| K::send(&put, i)));
    let producers: Vec<_> = (0..PRODUCERS).map(|_| produce(put.clone())).collect();
    let sum = (0..each * PRODUCERS).fold(0_u64, |sum, _| sum.wrapping_add(K::receive(&get)));
    let took = start.elapsed();
    assert_eq!(sum, PRODUCERS * (each * (each - 1) / 2));
    producers.into_iter().for_each(K::join);
    scaled(took, n, each * PRODUCERS)
}

/// One task locks and unlocks; or several hold the lock while they let others
/// run, so that these have to wait.
fn locks<K: Blocking>(tasks: u64, n: u64) -> Duration {
    let (lock, each) = (Arc::new(K::lock()), n.div_ceil(tasks));
    let start = Instant::now();
    let handles: Vec<_> = (0..tasks)
        .map(|_| {
            let lock = lock.clone();
            K::spawn(move || {
                for _ in 0..each {
                    K::locked(&lock, |number| {
                        *number += 1;
                        if tasks > 1 {
                            K::yield_now();
                        }
                    });
                }
            })
        })
        .collect();
    handles.into_iter().for_each(K::join);
    let took = start.elapsed();
    K::locked(&lock, |number| assert_eq!(*number, each * tasks));
    scaled(took, n, each * tasks)
}

/// Starts so many that sleep, and waits until they do.
fn all_asleep<K: Blocking>(count: u64) {
    let started = Arc::new(AtomicU64::new(0));
    for _ in 0..count {
        let started = started.clone();
        K::spawn(move || {
            started.fetch_add(1, Relaxed);
            K::sleep(AN_HOUR);
        });
    }
    while started.load(Relaxed) < count {
        K::sleep(Duration::from_millis(1));
    }
    // The last still has to get from its count to its sleep.
    K::sleep(Duration::from_millis(20));
}

/// Bytes that they take.
fn idle<K: Blocking>(count: u64) -> (u64, u64) {
    K::join(K::spawn(|| ())); // the runtime itself does not count
    let before = resident().expect("the kernel says");
    all_asleep::<K>(count);
    (count, resident().expect("the kernel says").saturating_sub(before))
}
