//! A tokio runtime beside ours with nothing patched, and with the thread-locals
//! of a worker shared between its green threads.

use greenroom::{Config, ThreadLocals, block_on, joinall, spawn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Handle};

/// Polls inside a runtime. Its guard is a thread-local, so here it is not held
/// across the wait.
struct Within<F>(Handle, Pin<Box<F>>);

impl<F: Future> Future for Within<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = this.0.enter();
        this.1.as_mut().poll(context)
    }
}

#[test]
fn clients_of_both_sorts() {
    Config::new().workers(1).thread_locals(ThreadLocals::Shared).install().unwrap();
    let tokio = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(250)).await;
                    stream.write_all(&byte).await.unwrap();
                });
            }
        });
        address
    };
    let address = block_on(tokio.spawn(server)).unwrap();
    let start = Instant::now();
    let clients = (0..20).map(|n| {
        let handle = tokio.handle().clone();
        spawn(move || {
            let ask = async move {
                let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                stream.write_all(&[n]).await.unwrap();
                let mut byte = [0];
                stream.read_exact(&mut byte).await.unwrap();
                byte[0]
            };
            let answer = match n % 2 {
                0 => block_on(Within(handle, Box::pin(ask))),
                _ => block_on(handle.spawn(ask)).unwrap(),
            };
            assert_eq!(answer, n);
        })
    });
    joinall(clients.collect::<Vec<_>>()).into_iter().for_each(|r| r.unwrap());
    assert!(start.elapsed() < Duration::from_millis(250) * 20 / 3, "one after the other");
}
