//! tokio, on the current thread or on workers of its own.

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::sync::OnceLock;
use std::time::Duration;

use greenroom_bench::asynchronous::Async;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{self, JoinHandle};
use tokio::time;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

pub(super) fn start_on_this_thread() -> io::Result<()> {
    start(Builder::new_current_thread().enable_all().build()?)
}

pub(super) fn start_workers(count: usize) -> io::Result<()> {
    start(Builder::new_multi_thread().worker_threads(count).enable_all().build()?)
}

fn start(runtime: Runtime) -> io::Result<()> {
    RUNTIME.set(runtime).map_err(|_| io::ErrorKind::AlreadyExists.into())
}

pub(super) struct Tokio;

impl Async for Tokio {
    type Handle = JoinHandle<()>;
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;
    type Lock = Mutex<u64>;
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn enter<T: Send + 'static>(f: impl Future<Output = T> + Send + 'static) -> T {
        let runtime = RUNTIME.get().expect("it was started");
        // On a worker, not on this thread.
        runtime.block_on(async { task::spawn(f).await.expect("it does not panic") })
    }

    fn spawn(f: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        task::spawn(f)
    }

    fn detach(task: JoinHandle<()>) {
        drop(task);
    }

    async fn join(task: JoinHandle<()>) {
        task.await.expect("it does not panic");
    }

    async fn yield_now() {
        task::yield_now().await;
    }

    async fn sleep(time: Duration) {
        time::sleep(time).await;
    }

    fn channel(bound: usize) -> (Sender<u64>, Receiver<u64>) {
        channel(bound)
    }

    async fn send(to: &Sender<u64>, number: u64) {
        to.send(number).await.expect("somebody receives");
    }

    async fn receive(from: &mut Receiver<u64>) -> u64 {
        from.recv().await.expect("somebody sends")
    }

    async fn receive_within(from: &mut Receiver<u64>, limit: Duration) -> u64 {
        let number = time::timeout(limit, from.recv()).await;
        number.expect("somebody sends in time").expect("somebody sends")
    }

    async fn either(one: &mut Receiver<u64>, other: &mut Receiver<u64>) -> u64 {
        let number = tokio::select! {
            number = one.recv() => number,
            number = other.recv() => number,
        };
        number.expect("somebody sends")
    }

    fn lock() -> Mutex<u64> {
        Mutex::new(0)
    }

    async fn add_one(lock: &Mutex<u64>, give_way: bool) -> u64 {
        let mut number = lock.lock().await;
        *number += 1;
        if give_way {
            task::yield_now().await;
        }
        *number
    }

    async fn listen() -> io::Result<(TcpListener, u16)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn connect(port: u16) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn read(from: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        from.read(buffer).await
    }

    async fn read_exact(from: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
        from.read_exact(buffer).await.map(drop)
    }

    async fn write_all(to: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        to.write_all(bytes).await
    }
}
