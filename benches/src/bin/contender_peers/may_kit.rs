//! may, with its own channels, locks and sockets.

use std::time::Duration;

use greenroom_bench::blocking::{Either, Tasks};
use greenroom_bench::sockets_like_std;
use may::coroutine::{self, JoinHandle};
use may::net::{TcpListener, TcpStream};
use may::sync::Mutex;
use may::sync::mpsc::{Receiver, Sender, channel};

pub(super) struct May;

pub(super) fn configure(workers: usize) {
    // As its own benchmarks have it, which may then starts once for all; the
    // default stack of 32 KiB is enough for what is measured here.
    may::config().set_workers(workers);
}

impl Tasks for May {
    type Handle = JoinHandle<()>;
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;
    type Lock = Mutex<u64>;

    fn spawn(f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        // SAFETY: may wants nobody to use a thread-local across a yield, and
        // no program here uses any; their stacks are small.
        unsafe { coroutine::spawn(f) }
    }

    fn join(task: JoinHandle<()>) {
        task.join().expect("it does not panic");
    }

    fn yield_now() {
        coroutine::yield_now();
    }

    fn sleep(time: Duration) {
        coroutine::sleep(time);
    }

    /// Its channels have no limit.
    fn channel(_bound: usize) -> (Sender<u64>, Receiver<u64>) {
        channel()
    }

    fn send(to: &Sender<u64>, number: u64) {
        to.send(number).expect("somebody receives");
    }

    fn receive(from: &Receiver<u64>) -> u64 {
        from.recv().expect("somebody sends")
    }

    fn receive_within(from: &Receiver<u64>, limit: Duration) -> u64 {
        from.recv_timeout(limit).expect("somebody sends in time")
    }

    /// Which starts a coroutine for each.
    const SELECT: Option<Either<Receiver<u64>>> = Some(|one, other| {
        let mut number = [None; 2];
        let [first, second] = &mut number;
        may::select!(
            got = one.recv() => *first = got.ok(),
            got = other.recv() => *second = got.ok()
        );
        number.into_iter().flatten().next().expect("somebody sends")
    });

    fn lock() -> Mutex<u64> {
        Mutex::new(0)
    }

    fn locked(lock: &Mutex<u64>, f: impl FnOnce(&mut u64)) {
        f(&mut lock.lock().expect("nobody panics"));
    }
}

sockets_like_std!(May, TcpListener, TcpStream);
