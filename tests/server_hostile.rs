//! Servers among users who mean no good, or do not know: stops that come at the
//! wrong moment, acceptors that are ended, handlers that take what is not
//! theirs.

mod common;

use common::{in_child, until};
use greenroom::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use greenroom::server::{DatagramServer, StreamServer};
use greenroom::sync::Event;
use greenroom::{GreenThread, green_local};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const NOW: Duration = Duration::ZERO;

fn echo(stream: TcpStream, _peer: std::net::SocketAddr) -> io::Result<u64> {
    io::copy(&mut &stream, &mut &stream)
}

fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn is_served(address: std::net::SocketAddr) -> bool {
    let mut byte = [0];
    let asked = TcpStream::connect(address).and_then(|mut stream| {
        stream.write_all(b"x")?;
        stream.read_exact(&mut byte)
    });
    asked.is_ok() && &byte == b"x"
}

/// What green threads inherit, here from the one that starts the server, and
/// what its clones do: they are made in `start`, and by acceptors.
struct Heir;

/// Once, when it is set.
static DEED: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

impl Clone for Heir {
    fn clone(&self) -> Heir {
        let deed = DEED.lock().unwrap().take();
        deed.into_iter().for_each(|deed| deed());
        Heir
    }
}

green_local! {
    #[inherit]
    static HEIR: Heir = Heir;
}

fn next_clone(deed: impl FnOnce() + Send + 'static) {
    *DEED.lock().unwrap() = Some(Box::new(deed));
}

/// Starts it on a green thread that has something to inherit.
fn start_with_heirs(server: &Arc<StreamServer>) {
    let theirs = server.clone();
    let starting = greenroom::spawn(move || {
        HEIR.with(|_| ());
        theirs.start()
    });
    starting.join().unwrap().unwrap();
}

/// What goes wrong in the making of a handler is one connection's.
#[test]
fn an_acceptor_survives_a_panic() {
    for workers in ["1", "2"] {
        let ended = in_child(&[("GREENROOM_WORKERS", workers)], || {
            let server = Arc::new(StreamServer::bind("127.0.0.1:0", echo).unwrap());
            let address = server.local_addr().unwrap();
            start_with_heirs(&server);
            assert!(is_served(address));
            for _ in 0..3 {
                next_clone(|| panic!("a clone's own"));
                assert!(!is_served(address));
                assert!(is_served(address));
            }
            let stopped = server.stop(MINUTE);
            assert_eq!((stopped.ended, stopped.left), (0, 0));
        });
        ended.assert_success();
        ended.assert_says("a clone's own", 3);
    }
}

/// A handler that waits for more on the server's socket stands before the
/// server in line there.
#[test]
fn a_stop_reaches_the_server_behind_its_handlers() {
    for workers in ["1", "2"] {
        in_child(&[("GREENROOM_WORKERS", workers)], || {
            greenroom::spawn(|| ()).join().unwrap();
            let before = open_fds();
            let begun = Arc::new(AtomicUsize::new(0));
            let count = begun.clone();
            let server = DatagramServer::bind("127.0.0.1:0", move |datagram| {
                count.fetch_add(1, SeqCst);
                datagram.socket().recv_from(&mut [0; 8]).map(|(n, _)| n)
            });
            let server = server.unwrap();
            server.start().unwrap();
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.connect(server.local_addr().unwrap()).unwrap();
            // Some are received by handlers.
            until(|| {
                client.send(b"more").unwrap();
                greenroom::sleep(Duration::from_millis(1));
                begun.load(SeqCst) >= 3
            });
            let stopped = server.stop(NOW);
            assert_eq!(stopped.left, 0, "{stopped:?}");
            drop(client);
            assert_eq!(open_fds(), before);
        })
        .assert_success();
    }
}

/// A fork's child has a copy of the server, but the socket's name is not its to
/// take.
#[test]
fn a_forked_child_leaves_the_socket_its_name() {
    in_child(&[("GREENROOM_WORKERS", "1")], || {
        let name = format!("greenroom-forked-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let hello = |mut stream: UnixStream, _| stream.write_all(b"hello");
        let server = StreamServer::bind_unix(&path, hello).unwrap();
        // SAFETY: the child only drops the server, which was never started.
        let child = unsafe { libc::fork() };
        if child == 0 {
            drop(server);
            // SAFETY: ends the process.
            unsafe { libc::_exit(0) };
        }
        let mut status = 0;
        // SAFETY: an out pointer.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0);
        server.start().unwrap();
        let mut text = String::new();
        UnixStream::connect(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        server.stop(MINUTE);
        assert!(!path.exists());
    })
    .assert_success();
}

