//! What runs out outside: ports, threads of the offload pool, a peer's wish to
//! read. Green threads get what OS threads get, and the worker goes on.

#[macro_use]
mod common_net;

use common_net::{about, all_done, alone, c, done, green, ms, os, patched, tcp_pair, timed};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;

/// Another green thread of the one worker still has its turns.
fn the_worker_is_free() {
    let nap = || (0..5).map(|_| timed(|| thread::sleep(ms(10))).0).collect::<Vec<_>>();
    for took in done(greenroom::spawn(nap)) {
        about(took, 10);
    }
}

/// Sockets that may use only one local port, to one address: the second finds
/// none left.
fn out_of_ports() -> Vec<i64> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let std::net::SocketAddr::V4(to) = listener.local_addr().unwrap() else { unreachable!() };
    let port = {
        let spare = TcpListener::bind("127.0.0.1:0").unwrap();
        u32::from(spare.local_addr().unwrap().port())
    };
    let to = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(to.ip().octets()) },
        sin_zero: [0; 8],
    };
    const IP_LOCAL_PORT_RANGE: i32 = 51;
    let range = port << 16 | port;
    let connect = |fd: i32| {
        let (at, size) = ((&raw const range).cast(), size_of::<u32>() as u32);
        let set = c!(libc::setsockopt(fd, libc::IPPROTO_IP, IP_LOCAL_PORT_RANGE, at, size));
        assert_eq!(set, 0, "Linux 6.3 or later");
        let (at, size) = ((&raw const to).cast(), size_of::<libc::sockaddr_in>() as u32);
        c!(libc::connect(fd, at, size))
    };
    let fds = [0; 2].map(|_| c::socket(libc::AF_INET, libc::SOCK_STREAM));
    let answers = fds.map(connect).to_vec();
    let _ = fds.map(c::close);
    answers
}

#[test]
fn no_ports_left() {
    patched(1);
    let _alone = alone();
    let expected = vec![0, -i64::from(libc::EADDRNOTAVAIL)];
    assert_eq!(os(out_of_ports), expected);
    assert_eq!(green(out_of_ports), expected);
}

/// More blocking calls than the pool has threads: they wait their turn, and
/// nobody else does.
#[test]
fn the_offload_pool_is_busy() {
    patched(1);
    let _alone = alone();
    static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let (release, gate) = mpsc::channel::<()>();
    let gate = std::sync::Arc::new(std::sync::Mutex::new(gate));
    let calls = (0..600).map(|i| {
        let gate = gate.clone();
        greenroom::spawn(move || {
            greenroom::offload(move || {
                MOST.fetch_max(AT_ONCE.fetch_add(1, SeqCst) + 1, SeqCst);
                let _ = gate.lock().unwrap().recv();
                AT_ONCE.fetch_sub(1, SeqCst);
                i
            })
        })
    });
    let calls: Vec<_> = calls.collect();
    common_net::until(|| AT_ONCE.load(SeqCst) > 100);
    the_worker_is_free();
    assert!(calls.iter().all(|call| !call.is_finished()));
    drop(release);
    assert_eq!(all_done(calls), (0..600).collect::<Vec<_>>());
    assert!(MOST.load(SeqCst) <= 256, "{}", MOST.load(SeqCst));
}

/// Who writes to one that never reads waits, until its timeout or the peer's
/// end; each sort of call does.
#[test]
fn a_peer_that_never_reads() {
    patched(1);
    let _alone = alone();
    let pairs: Vec<_> = (0..20).map(|_| tcp_pair()).collect();
    let mut silent = Vec::new();
    let writers = pairs.into_iter().enumerate().map(|(i, (mut here, there))| {
        silent.push(there);
        greenroom::spawn(move || {
            if i % 2 == 0 {
                here.set_write_timeout(Some(ms(100))).unwrap();
            }
            let bytes = vec![7; 1 << 20];
            loop {
                if let Err(e) = here.write_all(&bytes) {
                    return e.kind();
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    the_worker_is_free();
    common_net::until(|| writers.iter().filter(|w| w.is_finished()).count() == 10);
    the_worker_is_free();
    // Closed with data unread: a reset.
    drop(silent);
    for (i, kind) in all_done(writers).into_iter().enumerate() {
        match i % 2 {
            0 => assert_eq!(kind, ErrorKind::WouldBlock),
            _ => assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)),
        }
    }
}

/// A backlog that is full: those who connect wait, and get in later.
#[test]
fn a_listener_that_does_not_accept() {
    patched(1);
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(c!(libc::listen(listener.as_raw_fd(), 1)), 0);
    let addr = listener.local_addr().unwrap();
    let clients = (0..8).map(|i| {
        greenroom::spawn(move || {
            let mut stream = std::net::TcpStream::connect(addr).unwrap();
            stream.write_all(&[i]).unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            byte[0]
        })
    });
    let clients: Vec<_> = clients.collect();
    the_worker_is_free();
    let server = greenroom::spawn(move || {
        for _ in 0..8 {
            let (mut stream, _) = listener.accept().unwrap();
            greenroom::spawn(move || {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                stream.write_all(&byte).unwrap();
            });
        }
    });
    assert_eq!(all_done(clients), (0..8).collect::<Vec<_>>());
    done(server);
}
