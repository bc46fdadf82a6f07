//! A tokio runtime beside ours, and its clients on green threads.

mod common;

use common::{ms, ready, server, together};
use greenroom::{block_on, patch, spawn};
use std::thread;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Handle, Runtime};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// On OS threads of its own, and, as `patch_all` makes threads, on green ones.
fn on_either(deed: impl Fn(&Handle)) {
    for make in [|| patch::native(runtime), runtime] {
        let tokio = make();
        deed(tokio.handle());
        tokio.shutdown_timeout(ms(1000));
    }
}

/// An echo server that takes its time.
async fn echo() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buf = [0; 5];
                stream.read_exact(&mut buf).await.unwrap();
                tokio::time::sleep(ms(250)).await;
                stream.write_all(&buf).await.unwrap();
            });
        }
    });
    address
}

async fn ask(address: std::net::SocketAddr) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut buf = [0; 5];
    stream.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"hello");
}

#[test]
fn its_tasks_are_waited_for() {
    let _alone = ready();
    on_either(|tokio| {
        let address = block_on(tokio.spawn(echo())).unwrap();
        let tokio = tokio.clone();
        together(20, ms(250), move |_| block_on(tokio.spawn(ask(address))).unwrap());
    });
}

/// With own thread-locals the guard may be held across the wait.
#[test]
fn its_futures_are_polled_on_green_threads() {
    let _alone = ready();
    on_either(|tokio| {
        let address = block_on(tokio.spawn(echo())).unwrap();
        let tokio = tokio.clone();
        together(20, ms(250), move |_| {
            let _entered = tokio.enter();
            block_on(ask(address));
        });
    });
}

/// `Handle::block_on` and a channel's `blocking_recv`, which wait by std's means.
#[test]
fn its_own_waits_park() {
    let _alone = ready();
    on_either(|tokio| {
        let tokio = tokio.clone();
        together(20, ms(250), move |n| {
            let (send, receive) = tokio::sync::oneshot::channel();
            tokio.spawn(async move {
                tokio::time::sleep(ms(250)).await;
                send.send(n).unwrap();
            });
            assert_eq!(receive.blocking_recv().unwrap(), n);
            tokio.block_on(async { tokio::time::sleep(ms(5)).await });
        });
    });
}

#[test]
fn its_tasks_wait_for_green_threads() {
    let _alone = ready();
    on_either(|tokio| {
        let start = Instant::now();
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                tokio.spawn(async move {
                    let green = spawn(move || {
                        thread::sleep(ms(250));
                        n
                    });
                    green.await.unwrap()
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(block_on(task).unwrap(), n);
        }
        assert!(start.elapsed() < ms(250) * 20 / 3, "one after the other");
    });
}

#[test]
fn redis_blocking_pops() {
    let _alone = ready();
    on_either(|tokio| {
        let client =
            redis::Client::open(format!("redis://{}/", server("GREENROOM_REDIS"))).unwrap();
        let tokio = tokio.clone();
        let filler = client.clone();
        thread::spawn(move || {
            thread::sleep(ms(250));
            let mut redis = filler.get_connection().unwrap();
            for i in 0..20 {
                let _: () =
                    redis::cmd("RPUSH").arg(format!("async-{i}")).arg(i).exec(&mut redis).unwrap();
            }
        });
        let popped = together(20, ms(250), move |i| {
            let _entered = tokio.enter();
            block_on(async {
                let mut redis = client.get_multiplexed_async_connection().await.unwrap();
                redis.set_response_timeout(ms(30_000));
                let mut pop = redis::cmd("BLPOP");
                let popped = pop.arg(format!("async-{i}")).arg(20).query_async(&mut redis).await;
                let (_, value): (String, usize) = popped.unwrap();
                value
            })
        });
        assert_eq!(popped, (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn postgres_queries() {
    let _alone = ready();
    on_either(|tokio| {
        let tokio = tokio.clone();
        let sums = together(10, ms(300), move |n| {
            let _entered = tokio.enter();
            block_on(async {
                let server = server("GREENROOM_POSTGRES");
                let connected = tokio_postgres::connect(&server, tokio_postgres::NoTls).await;
                let (client, connection) = connected.unwrap();
                let driver = tokio::spawn(connection);
                let query = "select $1::int4 + 1, pg_sleep(0.3)::text";
                let row = client.query_one(query, &[&(n as i32)]).await.unwrap();
                drop(client);
                driver.await.unwrap().unwrap();
                row.get::<_, i32>(0)
            })
        });
        assert_eq!(sums, (1..11).collect::<Vec<_>>());
    });
}
