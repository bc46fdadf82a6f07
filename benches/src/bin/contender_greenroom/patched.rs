//! Patched `std::net`, `sleep` and `yield_now`, on green threads that share
//! their thread-locals: what std's own threads and locks would not work with.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use greenroom::JoinHandle;
use greenroom::queue::Queue;
use greenroom::sync::Mutex;
use greenroom_bench::blocking::Blocking;
use greenroom_bench::std_kit::{accept, connect, listen};

use super::explicit::Greenroom;

pub(super) struct Patched;

impl Blocking for Patched {
    type Handle = JoinHandle<()>;
    type Sender = Queue<u64>;
    type Receiver = Queue<u64>;
    type Lock = Mutex<u64>;
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn spawn(f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        Greenroom::spawn(f)
    }

    fn join(task: JoinHandle<()>) {
        Greenroom::join(task);
    }

    fn yield_now() {
        thread::yield_now();
    }

    fn sleep(time: Duration) {
        thread::sleep(time);
    }

    fn channel(bound: usize) -> (Queue<u64>, Queue<u64>) {
        Greenroom::channel(bound)
    }

    fn send(to: &Queue<u64>, number: u64) {
        Greenroom::send(to, number);
    }

    fn receive(from: &Queue<u64>) -> u64 {
        Greenroom::receive(from)
    }

    fn receive_within(from: &Queue<u64>, limit: Duration) -> u64 {
        Greenroom::receive_within(from, limit)
    }

    fn lock() -> Mutex<u64> {
        Greenroom::lock()
    }

    fn locked(lock: &Mutex<u64>, f: impl FnOnce(&mut u64)) {
        Greenroom::locked(lock, f);
    }

    fn listen() -> io::Result<(TcpListener, u16)> {
        listen()
    }

    fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        accept(listener)
    }

    fn connect(port: u16) -> io::Result<TcpStream> {
        connect(port)
    }
}
