//! Event loops of other crates inside green threads, which leave their worker
//! free, and crates that catch signals.

mod common;

use common::{ms, ready, together};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Twenty runtimes on one worker, each with timers and sockets.
#[test]
fn tokio_runtimes() {
    let _alone = ready();
    together(20, ms(250), |_| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buf = [0; 5];
                stream.read_exact(&mut buf).await.unwrap();
                tokio::time::sleep(ms(250)).await;
                stream.write_all(&buf).await.unwrap();
            });
            let mut client = tokio::net::TcpStream::connect(addr).await.unwrap();
            client.write_all(b"hello").await.unwrap();
            let mut buf = [0; 5];
            client.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"hello");
            server.await.unwrap();
        });
    });
}

/// An echo server on mio, and its clients on plain `std::net`.
#[test]
fn a_mio_server() {
    let _alone = ready();
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(16));
        poll.registry().register(&mut listener, Token(0), Interest::READABLE).unwrap();
        let mut streams: Vec<TcpStream> = Vec::new();
        let (mut ended, mut buf) = (0, [0; 512]);
        while ended < 20 {
            poll.poll(&mut events, None).unwrap();
            for event in &events {
                if event.token() == Token(0) {
                    while let Ok((mut stream, _)) = listener.accept() {
                        let token = Token(streams.len() + 1);
                        poll.registry().register(&mut stream, token, Interest::READABLE).unwrap();
                        streams.push(stream);
                    }
                    continue;
                }
                let stream = &mut streams[event.token().0 - 1];
                loop {
                    match stream.read(&mut buf) {
                        Ok(0) => {
                            ended += 1;
                            break;
                        }
                        Ok(n) => stream.write_all(&buf[..n]).unwrap(),
                        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
                        Err(e) => panic!("{e}"),
                    }
                }
            }
        }
    });
    together(20, ms(200), move |_| {
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        for _ in 0..10 {
            stream.write_all(b"ping").unwrap();
            let mut buf = [0; 4];
            stream.read_exact(&mut buf).unwrap();
            thread::sleep(ms(20));
        }
    });
    server.join().unwrap();
}

/// mio's own timeouts are exact, and nobody else is kept waiting.
#[test]
fn mio_polls_that_time_out() {
    let _alone = ready();
    together(30, ms(100), |_| {
        let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
        let start = Instant::now();
        poll.poll(&mut events, Some(ms(100))).unwrap();
        assert!(start.elapsed() >= ms(100) && events.is_empty());
    });
}

/// `signal-hook`'s iterator waits on a socket, which its handler writes to.
#[test]
fn signals_by_signal_hook() {
    let _alone = ready();
    let mut signals = signal_hook::iterator::Signals::new([libc::SIGUSR1]).unwrap();
    let handle = signals.handle();
    let listener = thread::spawn(move || signals.forever().count());
    for _ in 0..5 {
        // SAFETY: a signal for which there is a handler.
        unsafe { libc::raise(libc::SIGUSR1) };
        thread::sleep(ms(5));
    }
    handle.close();
    let seen = listener.join().unwrap();
    assert!((1..=5).contains(&seen), "{seen}");
}

#[test]
fn signals_by_ctrlc() {
    let _alone = ready();
    static CAUGHT: AtomicUsize = AtomicUsize::new(0);
    ctrlc::set_handler(|| {
        CAUGHT.fetch_add(1, SeqCst);
    })
    .unwrap();
    // SAFETY: a signal for which there is a handler.
    unsafe { libc::raise(libc::SIGINT) };
    while CAUGHT.load(SeqCst) == 0 {
        thread::sleep(ms(1));
    }
}
