//! What a dump holds.

use std::panic::Location;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// All green threads at one time, more or less: see [`dump`](super::dump).
///
/// As text (`Display`) those with the same stack stand together, and of many
/// such only the first are named; the alternate form (`{:#}`) names all.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Dump {
    /// Those that have started and not ended, by their numbers.
    pub threads: Vec<ThreadDump>,
    /// Their workers.
    pub workers: Vec<WorkerDump>,
    /// How many have not started yet. They have no stack, and nobody but their
    /// handles knows them.
    pub not_started: usize,
    /// How many could not be looked at: they end and others begin too fast, or
    /// the kernel does not let the process ask (see `process_vm_readv`).
    pub missed: usize,
    /// How long it took.
    pub took: Duration,
}

/// One worker in a [`Dump`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerDump {
    /// The number of the green thread that it runs.
    pub running: Option<u64>,
    /// Green threads in its queue that have not started.
    pub fresh: usize,
    /// It waits in the kernel for something to do.
    pub asleep: bool,
}

/// One green thread in a [`Dump`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ThreadDump {
    /// As [`GreenThread::id`](crate::GreenThread::id).
    pub id: u64,
    /// Its name, if it has one; of a long one the first 256 bytes.
    pub name: Option<String>,
    /// What it does.
    pub state: ThreadState,
    /// Since its first run.
    pub age: Option<Duration>,
    /// Since it began to wait, if it waits; exact to some milliseconds.
    pub in_state: Option<Duration>,
    /// Where it was spawned; `None` if `pthread_create` made it, for instance
    /// by `std::thread::spawn`.
    pub spawned_at: Option<&'static Location<'static>>,
    /// The number of the green thread that spawned it, unless an OS thread did.
    /// It may have ended.
    pub parent: Option<u64>,
    /// The number of the worker that runs it, or ran it last.
    pub worker: Option<usize>,
    /// What it waits for; several descriptors, if it polls them.
    pub waits_for: Vec<WaitsFor>,
    /// For how much longer it waits at most.
    pub deadline: Option<Duration>,
    /// The usable bytes of its stack.
    pub stack_size: usize,
    /// The bytes of that which were ever touched, by it or by one before it on
    /// the same stack, in whole pages.
    pub stack_touched: Option<usize>,
    /// Where it stands, the innermost frame first. Those of the runtime itself
    /// are left out at both ends.
    pub backtrace: Result<Arc<[Frame]>, NoBacktrace>,
}

/// What a green thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ThreadState {
    /// It runs on its worker.
    Running,
    /// It could run, and has not had its turn yet.
    Runnable,
    /// It is parked.
    Waiting,
}

/// What a green thread waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum WaitsFor {
    /// A descriptor.
    #[non_exhaustive]
    Descriptor {
        /// Its number.
        fd: i32,
        /// To write to it; else to read from it, or to accept.
        write: bool,
        /// What it is, with its addresses.
        what: String,
    },
    /// The end of a child process.
    Child(u32),
    /// A futex at this address: std's `Mutex`, `Condvar` and `thread::park`,
    /// C's semaphores and conditions. Nobody notes who could end the wait.
    Address(usize),
    /// A mutex or a read-write lock of this crate, or one of C's.
    #[non_exhaustive]
    Lock {
        /// Its address.
        at: usize,
        /// Who has it.
        holder: Holder,
    },
    /// The end of the green thread with this number.
    Join(u64),
    /// The end of a job on an OS thread: [`offload`](crate::offload), or of a
    /// [`ThreadPool`](crate::ThreadPool).
    Job,
    /// A place in the queue of a `ThreadPool`.
    PoolPlace,
    /// The end of a `ThreadPool`.
    PoolEnd,
    /// A semaphore of this crate, or a place in a pool, at this address.
    Permit(usize),
    /// That something is put into the queue or channel at this address.
    Item(usize),
    /// Room in the queue at this address, or a taker at the channel.
    Room(usize),
    /// An event, barrier or result at this address.
    Event(usize),
    /// A condition variable of this crate at this address.
    Condition(usize),
    /// The end of all in the group or pool at this address.
    Group(usize),
    /// The ends of all in its scope.
    Scope,
    /// The first of so many things, in [`select!`](crate::select).
    First(usize),
    /// Nothing but its deadline.
    Time,
    /// [`GreenThread::unpark`](crate::GreenThread::unpark).
    Unpark,
}

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Holder {
    /// The lock does not say, or it was just given up.
    Unknown,
    /// The green thread with this number.
    Green(u64),
    /// A green thread that has ended: it forgot its guard. Of one whose memory
    /// another green thread has by now, that one is named instead.
    Ended,
    /// An OS thread, with the kernel's number of it if that is known.
    Os(Option<u32>),
}

/// Why there is no backtrace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum NoBacktrace {
    /// It has a stack, and has not run yet.
    #[error("it has not run yet")]
    Fresh,
    /// It runs: there is no saved stack to look at.
    #[error("it is running")]
    Running,
    /// It ran each time that it was looked at.
    #[error("it moved while it was looked at")]
    Moving,
    /// The time for the dump was used up.
    #[error("there was no time left")]
    NoTime,
}

/// One call on a stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Frame {
    /// The function, or the address of its code if its name is not known.
    pub function: String,
    /// The source file, if the program has debug information.
    pub file: Option<PathBuf>,
    /// The line in it.
    pub line: Option<u32>,
}
