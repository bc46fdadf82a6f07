//! The explicit API.

use std::time::Duration;

use greenroom::JoinHandle;
use greenroom::net::{TcpListener, TcpStream};
use greenroom::queue::Queue;
use greenroom::sync::Mutex;
use greenroom_bench::blocking::{Either, Tasks};
use greenroom_bench::sockets_like_std;

pub(super) struct Greenroom;

impl Tasks for Greenroom {
    type Handle = JoinHandle<()>;
    type Sender = Queue<u64>;
    type Receiver = Queue<u64>;
    type Lock = Mutex<u64>;

    fn spawn(f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        greenroom::spawn(f)
    }

    fn join(task: JoinHandle<()>) {
        task.join().expect("it does not panic");
    }

    fn yield_now() {
        greenroom::yield_now();
    }

    fn sleep(time: Duration) {
        greenroom::sleep(time);
    }

    fn channel(bound: usize) -> (Queue<u64>, Queue<u64>) {
        let queue = Queue::bounded(bound);
        (queue.clone(), queue)
    }

    fn send(to: &Queue<u64>, number: u64) {
        to.put(number).expect("nobody shuts it down");
    }

    fn receive(from: &Queue<u64>) -> u64 {
        from.get().expect("nobody shuts it down")
    }

    fn receive_within(from: &Queue<u64>, limit: Duration) -> u64 {
        from.get_timeout(limit).expect("somebody sends in time")
    }

    const SELECT: Option<Either<Queue<u64>>> = Some(|one, other| {
        greenroom::select! {
            number = get(one) => number.expect("nobody shuts it down"),
            number = get(other) => number.expect("nobody shuts it down"),
        }
    });

    fn lock() -> Mutex<u64> {
        Mutex::new(0)
    }

    fn locked(lock: &Mutex<u64>, f: impl FnOnce(&mut u64)) {
        f(&mut lock.lock());
    }
}

sockets_like_std!(Greenroom, TcpListener, TcpStream);
