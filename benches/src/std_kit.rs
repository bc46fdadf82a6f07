//! The standard library: OS threads, or green threads once all is patched.

use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use crate::blocking::Tasks;
use crate::sockets_like_std;

/// The kit.
pub struct Std;

impl Tasks for Std {
    type Handle = JoinHandle<()>;
    type Sender = SyncSender<u64>;
    type Receiver = Receiver<u64>;
    type Lock = Mutex<u64>;

    fn spawn(f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        Builder::new().spawn(f).expect("there can be another thread")
    }

    fn join(task: JoinHandle<()>) {
        task.join().expect("it does not panic");
    }

    fn yield_now() {
        thread::yield_now();
    }

    fn sleep(time: Duration) {
        thread::sleep(time);
    }

    fn channel(bound: usize) -> (SyncSender<u64>, Receiver<u64>) {
        sync_channel(bound)
    }

    fn send(to: &SyncSender<u64>, number: u64) {
        to.send(number).expect("somebody receives");
    }

    fn receive(from: &Receiver<u64>) -> u64 {
        from.recv().expect("somebody sends")
    }

    fn receive_within(from: &Receiver<u64>, limit: Duration) -> u64 {
        from.recv_timeout(limit).expect("somebody sends in time")
    }

    fn lock() -> Mutex<u64> {
        Mutex::new(0)
    }

    fn locked(lock: &Mutex<u64>, f: impl FnOnce(&mut u64)) {
        f(&mut lock.lock().expect("nobody panics"));
    }
}

sockets_like_std!(Std, TcpListener, TcpStream);
