//! What smol is made of: async-executor, async-io, async-channel, async-lock.

use std::future::{self, Future};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_executor::{Executor, Task};
use async_io::{Async as Registered, Timer, block_on};
use async_lock::Mutex;
use futures_lite::future::{or, yield_now};
use futures_lite::io::{AsyncReadExt, AsyncWriteExt};
use greenroom_bench::asynchronous::Async;

static EXECUTOR: Executor<'static> = Executor::new();

/// One thread runs what it enters; each other is a worker.
pub(super) fn start(threads: usize) {
    for _ in 1..threads {
        thread::spawn(|| block_on(EXECUTOR.run(future::pending::<()>())));
    }
}

pub(super) struct Smol;

impl Async for Smol {
    type Handle = Task<()>;
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;
    type Lock = Mutex<u64>;
    type Listener = Registered<TcpListener>;
    type Stream = Registered<TcpStream>;

    fn enter<T: Send + 'static>(f: impl Future<Output = T> + Send + 'static) -> T {
        let task = EXECUTOR.spawn(f);
        block_on(EXECUTOR.run(task))
    }

    fn spawn(f: impl Future<Output = ()> + Send + 'static) -> Task<()> {
        EXECUTOR.spawn(f)
    }

    fn detach(task: Task<()>) {
        task.detach();
    }

    async fn join(task: Task<()>) {
        task.await;
    }

    async fn yield_now() {
        yield_now().await;
    }

    async fn sleep(time: Duration) {
        Timer::after(time).await;
    }

    fn channel(bound: usize) -> (Sender<u64>, Receiver<u64>) {
        async_channel::bounded(bound)
    }

    async fn send(to: &Sender<u64>, number: u64) {
        to.send(number).await.expect("somebody receives");
    }

    async fn receive(from: &mut Receiver<u64>) -> u64 {
        from.recv().await.expect("somebody sends")
    }

    async fn receive_within(from: &mut Receiver<u64>, limit: Duration) -> u64 {
        let late = async {
            Timer::after(limit).await;
            panic!("nobody sends in time")
        };
        or(Self::receive(from), late).await
    }

    async fn either(one: &mut Receiver<u64>, other: &mut Receiver<u64>) -> u64 {
        or(Self::receive(one), Self::receive(other)).await
    }

    fn lock() -> Mutex<u64> {
        Mutex::new(0)
    }

    async fn add_one(lock: &Mutex<u64>, give_way: bool) -> u64 {
        let mut number = lock.lock().await;
        *number += 1;
        if give_way {
            yield_now().await;
        }
        *number
    }

    async fn listen() -> io::Result<(Registered<TcpListener>, u16)> {
        let listener = Registered::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.get_ref().local_addr()?.port();
        Ok((listener, port))
    }

    async fn accept(listener: &Registered<TcpListener>) -> io::Result<Registered<TcpStream>> {
        let (stream, _) = listener.accept().await?;
        stream.get_ref().set_nodelay(true)?;
        Ok(stream)
    }

    async fn connect(port: u16) -> io::Result<Registered<TcpStream>> {
        let stream = Registered::<TcpStream>::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.get_ref().set_nodelay(true)?;
        Ok(stream)
    }

    async fn read(from: &mut Registered<TcpStream>, buffer: &mut [u8]) -> io::Result<usize> {
        from.read(buffer).await
    }

    async fn read_exact(from: &mut Registered<TcpStream>, buffer: &mut [u8]) -> io::Result<()> {
        from.read_exact(buffer).await
    }

    async fn write_all(to: &mut Registered<TcpStream>, bytes: &[u8]) -> io::Result<()> {
        to.write_all(bytes).await
    }
}
