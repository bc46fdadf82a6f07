//! Short connections, one after the other: accepted, one exchange, closed;
//! client and server on green threads. Nothing may grow: descriptors,
//! mappings, threads, memory.
//!
//! `GREENROOM_SOAK=10000000` sets how many; `.ci/93-soak.sh` runs a million.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

const CLIENTS: u64 = 50;

/// What may not grow.
#[derive(Debug)]
struct Held {
    descriptors: usize,
    mappings: usize,
    threads: usize,
    resident: usize,
}

fn held() -> Held {
    let entries = |path: &str| fs::read_dir(path).unwrap().count();
    let status = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    Held {
        descriptors: entries("/proc/self/fd"),
        mappings: fs::read_to_string("/proc/self/maps").unwrap().lines().count(),
        threads: entries("/proc/self/task"),
        resident: pages * 4096,
    }
}

fn serve(listener: &TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        greenroom::spawn(move || {
            let mut buf = [0; 32];
            stream.read_exact(&mut buf).unwrap();
            stream.write_all(&buf).unwrap();
            // The client closes first, and keeps the port for a while.
            assert_eq!(stream.read(&mut buf).unwrap(), 0);
        });
    }
}

fn exchange(addr: SocketAddr, n: u64) {
    let mut stream = match TcpStream::connect(addr) {
        Ok(stream) => stream,
        // Out of ports: those of the last seconds come back.
        Err(e) if e.kind() == std::io::ErrorKind::AddrNotAvailable => {
            thread::sleep(Duration::from_millis(10));
            return exchange(addr, n);
        }
        Err(e) => panic!("connection {n}: {e}"),
    };
    let message = [n as u8; 32];
    stream.write_all(&message).unwrap();
    let mut buf = [0; 32];
    stream.read_exact(&mut buf).unwrap();
    assert_eq!(buf, message);
}

/// `count` connections, by many clients at once.
fn connections(addr: SocketAddr, count: u64) {
    let next = Arc::new(AtomicU64::new(0));
    let clients = (0..CLIENTS).map(|_| {
        let next = next.clone();
        greenroom::spawn(move || {
            loop {
                let n = next.fetch_add(1, Relaxed);
                if n >= count {
                    return;
                }
                exchange(addr, n);
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    greenroom::joinall(clients).into_iter().for_each(|client| client.unwrap());
}

/// Waits until what the last connections held is given back: until no
/// descriptor went for a while, and there are no more than `most`, or should be.
fn settled(most: usize) -> Held {
    let (start, mut last) = (Instant::now(), held());
    loop {
        thread::sleep(Duration::from_millis(300));
        let now = held();
        let is_late = start.elapsed() > Duration::from_secs(30);
        if now.descriptors >= last.descriptors && (now.descriptors <= most || is_late) {
            return now;
        }
        last = now;
    }
}

#[test]
fn nothing_grows() {
    greenroom::Config::new().workers(2).install().unwrap();
    greenroom::patch_all().unwrap();
    let total: u64 = env::var("GREENROOM_SOAK").map_or(20_000, |n| n.parse().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let _server = greenroom::spawn(move || serve(&listener));
    connections(addr, total / 10);
    let before = settled(usize::MAX);
    let start = Instant::now();
    connections(addr, total);
    let rate = total as f64 / start.elapsed().as_secs_f64();
    let after = settled(before.descriptors);
    println!("{total} connections, {rate:.0} a second: {before:?}, then {after:?}");
    assert!(after.descriptors <= before.descriptors, "{before:?} {after:?}");
    assert!(after.threads <= before.threads + 1, "{before:?} {after:?}");
    assert!(after.mappings <= before.mappings + 20, "{before:?} {after:?}");
    // A few stacks and an allocator's slack, whatever the number was.
    assert!(after.resident <= before.resident + (8 << 20), "{before:?} {after:?}");
}
