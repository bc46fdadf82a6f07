//! The standard library: OS threads, or green threads once all is patched.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use crate::blocking::Blocking;

/// The kit.
pub struct Std;

impl Blocking for Std {
    type Handle = JoinHandle<()>;
    type Sender = SyncSender<u64>;
    type Receiver = Receiver<u64>;
    type Lock = Mutex<u64>;
    type Listener = TcpListener;
    type Stream = TcpStream;

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

/// Listens on some port of this machine.
///
/// # Errors
/// As `bind`'s.
pub fn listen() -> io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// The next connection, without delay of small packets.
///
/// # Errors
/// As `accept`'s.
pub fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection to that port of this machine, likewise.
///
/// # Errors
/// As `connect`'s.
pub fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
