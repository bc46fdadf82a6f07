//! What an ordinary program of OS threads does and sees. Its report must be
//! the same whether greenroom is linked in or not.

use std::fmt::Debug;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(50);

/// Does a little of everything, and says how each went; nothing in it depends
/// on the time or the machine.
pub fn report() -> String {
    let lines = [
        sleeping(),
        format!("echo: {}", echo()),
        format!("timeouts: {:?}", timeouts()),
        format!("refused: {:?}", refused()),
        format!("unblocked accept: {:?}", unblocked_accept()),
        format!("locks: {}", locks()),
        format!("child: {:?}", child()),
        // Last, so that anything left behind by the rest shows here.
        footprint(),
    ];
    lines.join("\n") + "\nplain ok\n"
}

fn sleeping() -> String {
    let start = Instant::now();
    thread::sleep(TICK);
    thread::park_timeout(TICK);
    thread::yield_now();
    format!("slept: {}", start.elapsed() >= TICK)
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn echo() -> String {
    let (listener, address) = listener();
    let server = thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).unwrap();
        thread::sleep(TICK);
        peer.write_all(&bytes).unwrap();
    });
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"there and back").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    server.join().unwrap();
    answer
}

/// A read that times out, after its time.
fn timeouts() -> (ErrorKind, bool, Option<Duration>) {
    let (listener, address) = listener();
    let mut client = TcpStream::connect_timeout(&address, Duration::from_secs(10)).unwrap();
    let _peer = listener.accept().unwrap();
    // A multiple of every clock tick in use, as the kernel rounds to ticks.
    let limit = Duration::from_millis(80);
    client.set_read_timeout(Some(limit)).unwrap();
    let start = Instant::now();
    let error = client.read(&mut [0; 8]).unwrap_err();
    let kept = start.elapsed() >= limit - Duration::from_millis(10);
    (error.kind(), kept, client.read_timeout().unwrap())
}

fn refused() -> (ErrorKind, ErrorKind) {
    let (listener, address) = listener();
    drop(listener);
    let outright = TcpStream::connect(address).unwrap_err();
    let timed = TcpStream::connect_timeout(&address, TICK).unwrap_err();
    (outright.kind(), timed.kind())
}

fn unblocked_accept() -> impl Debug {
    let (listener, _) = listener();
    listener.set_nonblocking(true).unwrap();
    listener.accept().map(drop).map_err(|error| error.kind())
}

/// A value that goes round by mutex, condition variable and channel.
fn locks() -> u32 {
    let shared = Arc::new((Mutex::new(0), Condvar::new()));
    let (sender, receiver) = mpsc::channel();
    let theirs = Arc::clone(&shared);
    let other = thread::spawn(move || {
        let value: u32 = receiver.recv().unwrap();
        *theirs.0.lock().unwrap() = value;
        theirs.1.notify_one();
    });
    sender.send(7).unwrap();
    let guard = shared.0.lock().unwrap();
    let guard = shared.1.wait_while(guard, |value| *value == 0).unwrap();
    let value = *guard;
    drop(guard);
    other.join().unwrap();
    value
}

fn child() -> (Option<i32>, String) {
    let script = "echo out; exit 3";
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

/// Threads, open descriptors and caught signals: a runtime that has started
/// shows in each.
fn footprint() -> String {
    let deadline = Instant::now() + Duration::from_secs(5);
    // A joined thread is off the list a moment later only.
    while status("Threads:") != "1" && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
    let open = fs::read_dir("/proc/self/fd").unwrap().count();
    let (threads, caught) = (status("Threads:"), status("SigCgt:"));
    assert_eq!(threads, "1", "threads of somebody else");
    format!("threads: {threads}, open: {open}, caught: {caught}")
}

fn status(field: &str) -> String {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.unwrap().trim().to_owned()
}
