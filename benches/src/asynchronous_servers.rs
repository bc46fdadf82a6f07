//! The servers, for runtimes in which waiting is a future: a task for each
//! connection, as in `blocking_servers.rs`.

use std::io;
use std::time::{Duration, Instant};

use crate::asynchronous::{Async, counted};
use crate::blocking::END;
use crate::http::{Heads, answers};
use crate::protocol::{Outcome, Program, Task};
use crate::work::{LIGHT, consider};

/// What a small request fits into.
const SMALL: usize = 1024;

/// Starts the server that the task asks for; returns its port.
pub(crate) fn serve<K: Async>(task: &Task) -> Outcome<u16> {
    let (listener, port) = K::enter(K::listen())?;
    let start = session::<K>(task)?;
    let accept = async move {
        loop {
            let stream = K::accept(&listener).await.expect("there are descriptors enough");
            start(stream);
        }
    };
    // Somebody has to drive a runtime of the current thread.
    std::thread::spawn(move || K::enter(accept));
    Ok(port)
}

/// What starts the task for one connection. It ends when the client goes.
fn session<K: Async>(task: &Task) -> Outcome<Box<dyn Fn(K::Stream) + Send>> {
    let (size, backend) = (task.number as usize, task.backend);
    Ok(match (task.workload.as_str(), size) {
        ("echo", ..=SMALL) => Box::new(|stream| {
            K::detach(K::spawn(async { drop(echo::<K>(stream, &mut [0; SMALL]).await) }))
        }),
        ("echo", _) => Box::new(move |stream| {
            K::detach(K::spawn(async move { drop(echo::<K>(stream, &mut vec![0; size]).await) }))
        }),
        ("short", _) => Box::new(|stream| {
            K::detach(K::spawn(async { drop(exchange::<K>(stream).await) }));
        }),
        ("http", _) => Box::new(|stream| {
            K::detach(K::spawn(async { drop(plaintext::<K>(stream).await) }));
        }),
        ("proxy", _) => Box::new(move |stream| {
            K::detach(K::spawn(async move { drop(proxy::<K>(stream, backend).await) }));
        }),
        _ => return task.unknown(),
    })
}

async fn echo<K: Async>(mut stream: K::Stream, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        match K::read(&mut stream, buffer).await? {
            0 => return Ok(()),
            n => {
                consider(&buffer[..n]);
                K::write_all(&mut stream, &buffer[..n]).await?;
            }
        }
    }
}

async fn exchange<K: Async>(mut stream: K::Stream) -> io::Result<()> {
    let mut buffer = [0; SMALL];
    let n = K::read(&mut stream, &mut buffer).await?;
    K::write_all(&mut stream, &buffer[..n]).await
}

async fn plaintext<K: Async>(mut stream: K::Stream) -> io::Result<()> {
    let (mut heads, mut buffer) = (Heads::default(), [0; 4096]);
    loop {
        let n = K::read(&mut stream, &mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        for answer in answers(heads.end_in(&buffer[..n])) {
            K::write_all(&mut stream, answer).await?;
        }
    }
}

async fn proxy<K: Async>(mut client: K::Stream, backend: u16) -> io::Result<()> {
    let mut server = K::connect(backend).await?;
    let mut buffer = [0; SMALL];
    loop {
        let n = K::read(&mut client, &mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        K::write_all(&mut server, &buffer[..n]).await?;
        K::read_exact(&mut server, &mut buffer[..n]).await?;
        K::write_all(&mut client, &buffer[..n]).await?;
    }
}

/// Each operation asks so many servers at once, and waits for all.
pub(crate) fn fan_out<K: Async>(task: &Task) -> Program {
    let (width, backend) = (task.number as usize, task.backend);
    counted(move |n| K::enter(fan_outs::<K>(width, backend, n)))
}

async fn fan_outs<K: Async>(width: usize, backend: u16, n: u64) -> Duration {
    let (done, mut all) = K::channel(width);
    let asker = |_| {
        let (ask, asked) = K::channel(1);
        K::detach(K::spawn(ask_when_told::<K>(backend, asked, done.clone())));
        ask
    };
    let askers: Vec<_> = (0..width).map(asker).collect();
    for _ in 0..width {
        K::receive(&mut all).await; // one more is connected
    }
    let start = Instant::now();
    for number in 0..n {
        for ask in &askers {
            K::send(ask, number).await;
        }
        for _ in 0..width {
            assert_eq!(K::receive(&mut all).await, number);
        }
    }
    let took = start.elapsed();
    for ask in &askers {
        K::send(ask, END).await;
    }
    took
}

async fn ask_when_told<K: Async>(backend: u16, mut asked: K::Receiver, done: K::Sender) {
    let mut stream = K::connect(backend).await.expect("the backend listens");
    K::send(&done, END).await;
    loop {
        let number = K::receive(&mut asked).await;
        if number == END {
            return;
        }
        let mut message = [LIGHT; 64];
        K::write_all(&mut stream, &message).await.expect("the backend lives");
        K::read_exact(&mut stream, &mut message).await.expect("the backend lives");
        K::send(&done, number).await;
    }
}
