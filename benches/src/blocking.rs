//! The programs, for runtimes in which waiting is a plain call. One text for
//! all of them: what differs are the [`Tasks`] and the [`Sockets`].

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::blocking_servers::{fan_out, serve};
use crate::blocking_waits::{all_asleep, idle, lateness, selects};
use crate::protocol::{Outcome, Program, Task};
use crate::work::scaled;

/// Takes a number out of either channel.
pub type Either<R> = fn(&R, &R) -> u64;

/// What such a runtime gives to its programs.
pub trait Tasks: 'static {
    /// A task to be joined.
    type Handle: Send;
    /// One end of a channel of numbers.
    type Sender: Clone + Send + 'static;
    /// The other.
    type Receiver: Send + 'static;
    /// A locked number.
    type Lock: Send + Sync + 'static;

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
    /// Takes one out of either, if there is a way to wait for two.
    const SELECT: Option<Either<Self::Receiver>> = None;
    /// A lock, around zero.
    fn lock() -> Self::Lock;
    /// Runs `f` with the number locked.
    fn locked(lock: &Self::Lock, f: impl FnOnce(&mut u64));

    /// Runs `f` as a task; called from outside.
    fn enter<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
        let (put, get) = std::sync::mpsc::channel();
        Self::join(Self::spawn(move || put.send(f()).expect("somebody waits for it")));
        get.recv().expect("the task has not panicked")
    }
}

/// What its servers and clients are made with. [`sockets_like_std`] writes it.
pub trait Sockets: 'static {
    /// Where connections come in.
    type Listener: Send + 'static;
    /// A connection.
    type Stream: Read + Write + Send + 'static;

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
}

/// [`Sockets`] for a kit whose listener and stream have std's methods.
#[macro_export]
macro_rules! sockets_like_std {
    ($kit:ty, $listener:ty, $stream:ty) => {
        impl $crate::blocking::Sockets for $kit {
            type Listener = $listener;
            type Stream = $stream;

            fn listen() -> ::std::io::Result<($listener, u16)> {
                let listener = <$listener>::bind((::std::net::Ipv4Addr::LOCALHOST, 0))?;
                let port = listener.local_addr()?.port();
                Ok((listener, port))
            }

            fn accept(listener: &$listener) -> ::std::io::Result<$stream> {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }

            fn connect(port: u16) -> ::std::io::Result<$stream> {
                let stream = <$stream>::connect((::std::net::Ipv4Addr::LOCALHOST, port))?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }
        }
    };
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

/// The program for `task`, with these tasks and these sockets.
///
/// # Errors
/// There is none, or it cannot be prepared.
pub fn program<K: Tasks, S: Sockets>(task: &Task) -> Outcome<Program> {
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
        "select" => {
            let Some(either) = K::SELECT else { return task.unknown() };
            counted::<K>(move |n| selects::<K>(n, either))
        }
        "lateness" => {
            K::enter(move || all_asleep::<K>(number));
            Program::Timed(Box::new(|time| K::enter(move || lateness::<K>(time))))
        }
        "idle" => Program::Once(Box::new(move || K::enter(move || idle::<K>(number)))),
        "fan-out" => fan_out::<K, S>(task)?,
        "echo" | "short" | "http" | "proxy" => Program::Server(serve::<K, S>(task)?),
        _ => return task.unknown(),
    })
}

/// A program that runs as a task.
pub(crate) fn counted<K: Tasks>(run: impl Fn(u64) -> Duration + Send + Clone + 'static) -> Program {
    Program::Counted(Box::new(move |n| {
        let run = run.clone();
        K::enter(move || run(n))
    }))
}

/// So many tasks take turns.
fn yields<K: Tasks>(tasks: u64, n: u64) -> Duration {
    let each = n.div_ceil(tasks);
    let start = Instant::now();
    let turns = move || (0..each).for_each(|_| K::yield_now());
    let handles: Vec<_> = (0..tasks).map(|_| K::spawn(turns)).collect();
    handles.into_iter().for_each(K::join);
    scaled(start.elapsed(), n, each * tasks)
}

fn spawns<K: Tasks>(n: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        K::join(K::spawn(|| ()));
    }
    start.elapsed()
}

/// Starts so many before it joins the first.
fn bursts<K: Tasks>(size: u64, n: u64) -> Duration {
    let times = n.div_ceil(size);
    let start = Instant::now();
    for _ in 0..times {
        let handles: Vec<_> = (0..size).map(|_| K::spawn(|| ())).collect();
        handles.into_iter().for_each(K::join);
    }
    scaled(start.elapsed(), n, times * size)
}

/// To a partner and back.
fn round_trips<K: Tasks>(n: u64, receive: fn(&K::Receiver) -> u64) -> Duration {
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

fn many_to_one<K: Tasks>(n: u64) -> Duration {
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
fn locks<K: Tasks>(tasks: u64, n: u64) -> Duration {
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
