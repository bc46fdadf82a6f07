//! Calls `patch_all`, or has it linked in and does not call it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

mod plain;

/// What each green thread waits; together they take little more than one if
/// the patch is in, and the sum if not.
const WAIT: Duration = Duration::from_millis(600);

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("plain") => print!("{}", plain::report()),
        Some("patched") => patched(),
        Some("ended") => ended(),
        Some("unwound") => unwound(),
        other => panic!("what is {other:?}?"),
    }
}

fn patched() {
    let config = greenroom::Config::new().workers(1);
    config.install().expect("nothing has started yet");
    greenroom::patch_all().expect("the patch");
    // 10 times 600 ms would be 6000.
    together(Duration::from_millis(5000), || {
        (0..10).map(|_| greenroom::spawn(|| thread::sleep(WAIT))).collect()
    });
    // 8 times 600 ms would be 4800.
    together(Duration::from_millis(4000), echoes);
    println!("patched ok");
}

/// Ends of waits that unwind nothing.
fn ended() {
    let config = greenroom::Config::new().workers(1);
    config.install().expect("nothing has started yet");
    greenroom::patch_all().expect("the patch");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let accepts = listener.try_clone().expect("a second descriptor");
    let killed = begun(move || accepts.accept().map(drop).unwrap_err().raw_os_error());
    killed.kill();
    // 125 is ECANCELED.
    assert_eq!(killed.join().expect("it returned"), Some(125));
    let late = greenroom::spawn(move || {
        greenroom::timeout(Duration::from_millis(1), || listener.accept().map(drop)).is_err()
    });
    assert!(late.join().expect("it returned"));
    // The only worker runs this one, so the next is fresh when it is killed.
    let never = greenroom::spawn(|| {
        let fresh = greenroom::spawn(|| unreachable!("it never starts"));
        fresh.thread().request_kill();
        fresh.join().map(drop).unwrap_err().is_killed()
    });
    assert!(never.join().expect("it returned"));
    println!("ended ok");
}

/// One that has begun, and waits or is about to.
fn begun<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> greenroom::JoinHandle<T> {
    let began = Arc::new(AtomicBool::new(false));
    let begins = began.clone();
    let green = greenroom::spawn(move || {
        begins.store(true, SeqCst);
        wait()
    });
    while !began.load(SeqCst) {
        greenroom::sleep(Duration::from_millis(1));
    }
    green
}

/// The end of one that waits in greenroom's own way, which unwinds.
fn unwound() {
    let green = begun(greenroom::park);
    green.kill();
    assert!(green.join().unwrap_err().is_killed());
    println!("unwound ok");
}

/// Runs what `start` starts to its end, within `limit`.
fn together(limit: Duration, start: fn() -> Vec<greenroom::JoinHandle<()>>) {
    let begin = Instant::now();
    for result in greenroom::joinall(start()) {
        result.expect("no panic");
    }
    let elapsed = begin.elapsed();
    println!("{} ms", elapsed.as_millis());
    assert!(elapsed >= WAIT, "did not wait: {elapsed:?}");
    assert!(elapsed < limit, "one after the other: {elapsed:?}");
}

/// Eight clients of a server that takes its time, all over plain `std::net`.
fn echoes() -> Vec<greenroom::JoinHandle<()>> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("an address");
    let mut all: Vec<_> =
        (0..8u8).map(|id| greenroom::spawn(move || client(address, id))).collect();
    all.push(greenroom::spawn(move || serve(&listener, 8)));
    all
}

fn serve(listener: &TcpListener, clients: usize) {
    let handlers: Vec<_> = (0..clients)
        .map(|_| {
            let (mut peer, _) = listener.accept().expect("accept");
            greenroom::spawn(move || {
                let mut bytes = [0; 64];
                peer.read_exact(&mut bytes).expect("read");
                thread::sleep(WAIT);
                peer.write_all(&bytes).expect("write");
            })
        })
        .collect();
    for result in greenroom::joinall(handlers) {
        result.expect("a handler");
    }
}

fn client(address: SocketAddr, id: u8) {
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.write_all(&[id; 64]).expect("write");
    let mut answer = [0; 64];
    stream.read_exact(&mut answer).expect("read");
    assert_eq!(answer, [id; 64]);
}
