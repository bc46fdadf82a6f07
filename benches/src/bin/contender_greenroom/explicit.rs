//! The explicit API.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use greenroom::JoinHandle;
use greenroom::net::{TcpListener, TcpStream};
use greenroom::queue::Queue;
use greenroom::sync::Mutex;
use greenroom_bench::blocking::Blocking;

pub(super) struct Greenroom;

impl Blocking for Greenroom {
    type Handle = JoinHandle<()>;
    type Sender = Queue<u64>;
    type Receiver = Queue<u64>;
    type Lock = Mutex<u64>;
    type Listener = TcpListener;
    type Stream = TcpStream;

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

    fn lock() -> Mutex<u64> {
        Mutex::new(0)
    }

    fn locked(lock: &Mutex<u64>, f: impl FnOnce(&mut u64)) {
        f(&mut lock.lock());
    }

    fn listen() -> io::Result<(TcpListener, u16)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    }

    fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn connect(port: u16) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
