//! The programs, for runtimes in which waiting is a future: the same as those
//! in `blocking.rs`, awaited.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::asynchronous_servers::{fan_out, serve};
use crate::asynchronous_waits::{all_asleep, idle, lateness, selects};
use crate::blocking::{END, MANY, PRODUCERS, ROOM};
use crate::protocol::{Outcome, Program, Task};
use crate::work::scaled;

/// What such a runtime gives to its programs. See [`crate::blocking::Blocking`].
pub trait Async: 'static {
    /// A task to be joined.
    type Handle: Send;
    /// One end of a channel of numbers.
    type Sender: Clone + Send + Sync + 'static;
    /// The other.
    type Receiver: Send + 'static;
    /// A locked number.
    type Lock: Send + Sync + 'static;
    /// Where connections come in.
    type Listener: Send + Sync + 'static;
    /// A connection.
    type Stream: Send + 'static;

    /// Runs `f` as a task to its end; called from outside.
    fn enter<T: Send + 'static>(f: impl Future<Output = T> + Send + 'static) -> T;
    /// Starts a task.
    fn spawn(f: impl Future<Output = ()> + Send + 'static) -> Self::Handle;
    /// Leaves a task to itself.
    fn detach(task: Self::Handle);
    /// Waits for its end.
    fn join(task: Self::Handle) -> impl Future<Output = ()> + Send;
    /// Lets others run.
    fn yield_now() -> impl Future<Output = ()> + Send;
    /// Waits.
    fn sleep(time: Duration) -> impl Future<Output = ()> + Send;
    /// A channel that holds so many.
    fn channel(bound: usize) -> (Self::Sender, Self::Receiver);
    /// Puts a number in.
    fn send(to: &Self::Sender, number: u64) -> impl Future<Output = ()> + Send;
    /// Takes one out.
    fn receive(from: &mut Self::Receiver) -> impl Future<Output = u64> + Send;
    /// Takes one out, or panics when it has taken too long.
    fn receive_within(
        from: &mut Self::Receiver,
        limit: Duration,
    ) -> impl Future<Output = u64> + Send;
    /// Takes one out of either.
    fn either(
        one: &mut Self::Receiver,
        other: &mut Self::Receiver,
    ) -> impl Future<Output = u64> + Send;
    /// A lock, around zero.
    fn lock() -> Self::Lock;
    /// Adds one with the number locked, and lets others run meanwhile if asked.
    fn add_one(lock: &Self::Lock, give_way: bool) -> impl Future<Output = u64> + Send;
    /// Listens on some port of this machine, and says on which.
    fn listen() -> impl Future<Output = io::Result<(Self::Listener, u16)>> + Send;
    /// The next connection, without delay of small packets.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    /// A connection to that port of this machine, likewise.
    fn connect(port: u16) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    /// Reads what there is.
    fn read(
        from: &mut Self::Stream,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send;
    /// Fills the buffer.
    fn read_exact(
        from: &mut Self::Stream,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<()>> + Send;
    /// Writes it all.
    fn write_all(
        to: &mut Self::Stream,
        bytes: &[u8],
    ) -> impl Future<Output = io::Result<()>> + Send;
}

/// How long a wait may last that is bound to succeed.
const LIMIT: Duration = Duration::from_secs(10);

/// The program for `task`, by this kit.
///
/// # Errors
/// There is none, or it cannot be prepared.
pub fn program<K: Async>(task: &Task) -> Outcome<Program> {
    let number = task.number;
    Ok(match task.workload.as_str() {
        "yield" => counted(move |n| K::enter(yields::<K>(number, n))),
        "spawn" => counted(|n| K::enter(spawns::<K>(n))),
        "burst" if number >= MANY => Program::Once(Box::new(move || {
            (number, K::enter(bursts::<K>(number, number)).as_nanos() as u64)
        })),
        "burst" => counted(move |n| K::enter(bursts::<K>(number, n))),
        "channel" => counted(|n| K::enter(round_trips::<K>(n, None))),
        "many-to-one" => counted(|n| K::enter(many_to_one::<K>(n))),
        "mutex" => counted(move |n| K::enter(locks::<K>(number, n))),
        "timer" => {
            K::enter(all_asleep::<K>(number));
            counted(|n| K::enter(round_trips::<K>(n, Some(LIMIT))))
        }
        "select" => counted(|n| K::enter(selects::<K>(n))),
        "lateness" => {
            K::enter(all_asleep::<K>(number));
            Program::Timed(Box::new(|time| K::enter(lateness::<K>(time))))
        }
        "idle" => Program::Once(Box::new(move || K::enter(idle::<K>(number)))),
        "fan-out" => fan_out::<K>(task),
        "echo" | "short" | "http" | "proxy" => Program::Server(serve::<K>(task)?),
        _ => return task.unknown(),
    })
}

pub(crate) fn counted(run: impl FnMut(u64) -> Duration + 'static) -> Program {
    Program::Counted(Box::new(run))
}

pub(crate) async fn join_all<K: Async>(handles: Vec<K::Handle>) {
    for handle in handles {
        K::join(handle).await;
    }
}

async fn yields<K: Async>(tasks: u64, n: u64) -> Duration {
    let each = n.div_ceil(tasks);
    let start = Instant::now();
    let turns = move || async move {
        for _ in 0..each {
            K::yield_now().await;
        }
    };
    join_all::<K>((0..tasks).map(|_| K::spawn(turns())).collect()).await;
    scaled(start.elapsed(), n, each * tasks)
}

async fn spawns<K: Async>(n: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        K::join(K::spawn(async {})).await;
    }
    start.elapsed()
}

async fn bursts<K: Async>(size: u64, n: u64) -> Duration {
    let times = n.div_ceil(size);
    let start = Instant::now();
    for _ in 0..times {
        join_all::<K>((0..size).map(|_| K::spawn(async {})).collect()).await;
    }
    scaled(start.elapsed(), n, times * size)
}

async fn receive<K: Async>(from: &mut K::Receiver, limit: Option<Duration>) -> u64 {
    match limit {
        None => K::receive(from).await,
        Some(limit) => K::receive_within(from, limit).await,
    }
}

async fn round_trips<K: Async>(n: u64, limit: Option<Duration>) -> Duration {
    let (there, mut theirs) = K::channel(1);
    let (answers, mut back) = K::channel(1);
    let partner = K::spawn(async move {
        loop {
            match receive::<K>(&mut theirs, limit).await {
                END => return,
                number => K::send(&answers, number).await,
            }
        }
    });
    let start = Instant::now();
    for number in 0..n {
        K::send(&there, number).await;
        assert_eq!(receive::<K>(&mut back, limit).await, number);
    }
    let took = start.elapsed();
    K::send(&there, END).await;
    K::join(partner).await;
    took
}

async fn many_to_one<K: Async>(n: u64) -> Duration {
    let each = n.div_ceil(PRODUCERS);
    let (put, mut get) = K::channel(ROOM);
    let start = Instant::now();
    let produce = |put: K::Sender| {
        K::spawn(async move {
            for i in 0..each {
                K::send(&put, i).await;
            }
        })
    };
    let producers: Vec<_> = (0..PRODUCERS).map(|_| produce(put.clone())).collect();
    let mut sum = 0_u64;
    for _ in 0..each * PRODUCERS {
        sum = sum.wrapping_add(K::receive(&mut get).await);
    }
    let took = start.elapsed();
    assert_eq!(sum, PRODUCERS * (each * (each - 1) / 2));
    join_all::<K>(producers).await;
    scaled(took, n, each * PRODUCERS)
}

async fn locks<K: Async>(tasks: u64, n: u64) -> Duration {
    let (lock, each) = (Arc::new(K::lock()), n.div_ceil(tasks));
    let start = Instant::now();
    let add = |lock: Arc<K::Lock>| {
        K::spawn(async move {
            for _ in 0..each {
                K::add_one(&lock, tasks > 1).await;
            }
        })
    };
    join_all::<K>((0..tasks).map(|_| add(lock.clone())).collect()).await;
    let took = start.elapsed();
    assert_eq!(K::add_one(&lock, false).await, each * tasks + 1);
    scaled(took, n, each * tasks)
}
