//! Servers among users who mean no good, or do not know: stops that come at the
//! wrong moment, acceptors that are ended, handlers that take what is not
//! theirs.

#[path = "common/servers.rs"]
mod servers;
mod common;

use common::{in_child, set_limit, until};
use greenroom::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use greenroom::server::{DatagramServer, StreamServer};
use greenroom::sync::Event;
use greenroom::{GreenThread, green_local};
use servers::open_fds;
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

/// A stop that comes while the server is being started waits for what `start`
/// has in its hands.
#[test]
fn a_stop_in_mid_start() {
    for workers in ["1", "2"] {
        in_child(&[("GREENROOM_WORKERS", workers)], || {
            greenroom::spawn(|| ()).join().unwrap();
            let before = open_fds();
            let server = Arc::new(StreamServer::bind("127.0.0.1:0", echo).unwrap());
            let (inside, theirs) = (Arc::new(Event::new()), server.clone());
            let tell = inside.clone();
            let starting = greenroom::spawn(move || {
                HEIR.with(|_| ());
                next_clone(move || {
                    tell.set();
                    greenroom::sleep(Duration::from_millis(50));
                });
                theirs.start()
            });
            inside.wait();
            let stopped = server.stop(MINUTE);
            assert_eq!((stopped.ended, stopped.left), (0, 0));
            assert_eq!(open_fds(), before, "nothing is left open");
            starting.join().unwrap().unwrap();
        })
        .assert_success();
    }
}

/// Whichever comes first, `start` or a stop: nothing is open after the stop.
#[test]
fn a_stop_and_a_start_at_once() {
    in_child(&[("GREENROOM_WORKERS", "2")], || {
        greenroom::spawn(|| ()).join().unwrap();
        let before = open_fds();
        for round in 0..100 {
            // Many, so that starting it takes a while.
            let listeners = (0..50).map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
            let server = StreamServer::listening(listeners, echo).unwrap().backlog(5);
            let both = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    both.wait();
                    let _ = server.start();
                });
                both.wait();
                (0..20 * round).for_each(|_| std::hint::spin_loop());
                assert_eq!(server.stop(MINUTE).left, 0);
                assert_eq!(open_fds(), before, "round {round}");
            });
        }
    })
    .assert_success();
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

/// A killed acceptor is the end of the server, and it says so.
#[test]
fn an_acceptor_that_is_killed_ends_the_server() {
    for workers in ["1", "2"] {
        in_child(&[("GREENROOM_WORKERS", workers)], || {
            let server = Arc::new(StreamServer::bind("127.0.0.1:0", echo).unwrap());
            let address = server.local_addr().unwrap();
            start_with_heirs(&server);
            let theirs = server.clone();
            let forever = greenroom::spawn(move || theirs.serve_forever());
            let acceptor: Arc<Mutex<Option<GreenThread>>> = Arc::default();
            let place = acceptor.clone();
            next_clone(move || *place.lock().unwrap() = greenroom::current());
            let mut stream = TcpStream::connect(address).unwrap();
            until(|| acceptor.lock().unwrap().is_some());
            acceptor.lock().unwrap().take().unwrap().kill();
            let why = forever.join().unwrap().unwrap_err();
            assert!(why.to_string().contains("killed"), "{why}");
            let refused = TcpStream::connect(address).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap(); // its handler goes on
            drop(stream);
            let stopped = server.stop(MINUTE);
            assert_eq!((stopped.ended, stopped.left), (0, 0));
        })
        .assert_success();
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

/// The kernel lets one more wait than it was told.
#[test]
fn all_who_waited_are_served_in_a_stop() {
    in_child(&[("GREENROOM_WORKERS", "1")], || {
        let server = StreamServer::bind("127.0.0.1:0", echo).unwrap().backlog(0);
        let mut stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        stream.write_all(b"x").unwrap();
        // On the only worker: the acceptor first runs when this waits.
        let stopping = greenroom::spawn(move || {
            server.start().unwrap();
            server.stop(MINUTE)
        });
        stream.read_exact(&mut [0]).unwrap();
        drop(stream);
        assert_eq!(stopping.join().unwrap().ended, 0);
    })
    .assert_success();
}

/// An answer that the kernel still has to send survives the end of a handler
/// that had not read all.
#[test]
fn an_answer_under_way_survives_the_end_of_its_handler() {
    const ANSWER: usize = 300_000;
    for workers in ["1", "2"] {
        in_child(&[("GREENROOM_WORKERS", workers)], || {
            let answered = Arc::new(AtomicBool::new(false));
            let done = answered.clone();
            let server = StreamServer::bind("127.0.0.1:0", move |mut stream: TcpStream, _| {
                stream.read_exact(&mut [0])?;
                set_buffer(&stream, libc::SO_SNDBUF, 2 * ANSWER);
                stream.write_all(&[b'.'; ANSWER])?;
                done.store(true, SeqCst);
                greenroom::park();
                io::Result::Ok(())
            });
            let server = server.unwrap();
            server.start().unwrap();
            let mut stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
            set_buffer(&stream, libc::SO_RCVBUF, 65536);
            stream.write_all(b"12").unwrap(); // the second is never read
            until(|| answered.load(SeqCst));
            let stopped = server.stop(NOW);
            assert_eq!((stopped.ended, stopped.left), (1, 0));
            let mut got = Vec::new();
            let read = stream.read_to_end(&mut got);
            assert_eq!((got.len(), read.unwrap()), (ANSWER, ANSWER));
        })
        .assert_success();
    }
}

fn set_buffer(stream: &TcpStream, which: i32, bytes: usize) {
    let bytes = bytes as libc::c_int;
    // SAFETY: a number of that size.
    let set = unsafe {
        let (at, size) = ((&raw const bytes).cast(), size_of_val(&bytes) as u32);
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, which, at, size)
    };
    assert_eq!(set, 0);
}

/// "Shut down", says a client, and is answered before the program ends.
#[test]
fn a_handler_that_stops_its_server_answers_before_that_is_over() {
    for workers in ["1", "2"] {
        in_child(&[("GREENROOM_WORKERS", workers)], || {
            greenroom::spawn(|| ()).join().unwrap();
            let before = open_fds();
            let place: Arc<greenroom::sync::OnceLock<StreamServer>> = Arc::default();
            let answered = Arc::new(AtomicBool::new(false));
            let (theirs, done) = (place.clone(), answered.clone());
            let server = StreamServer::bind("127.0.0.1:0", move |mut stream: TcpStream, _| {
                stream.read_exact(&mut [0])?;
                assert_eq!(theirs.get().unwrap().stop(MINUTE).left, 0);
                greenroom::sleep(Duration::from_millis(30));
                done.store(true, SeqCst);
                stream.write_all(b"stopped")
            });
            let server = place.get_or_init(|| server.unwrap());
            let mut stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
            stream.write_all(b"x").unwrap(); // which waits until it is started
            server.serve_forever().unwrap();
            assert!(answered.load(SeqCst), "the program would end now");
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            assert_eq!(text, "stopped");
            drop(stream);
            assert_eq!(open_fds(), before);
        })
        .assert_success();
    }
}

/// Another's stop waits for a handler that stops the server, too.
#[test]
fn a_stop_waits_for_the_handler_that_stops() {
    for workers in ["1", "2"] {
        in_child(&[("GREENROOM_WORKERS", workers)], || {
            let place: Arc<greenroom::sync::OnceLock<StreamServer>> = Arc::default();
            let gone = Arc::new(AtomicUsize::new(0));
            let (theirs, count) = (place.clone(), gone.clone());
            let server = StreamServer::bind("127.0.0.1:0", move |mut stream: TcpStream, _| {
                stream.read_exact(&mut [0])?;
                let stopped = theirs.get().unwrap().stop(MINUTE);
                assert_eq!((stopped.ended, stopped.left), (0, 0));
                greenroom::sleep(Duration::from_millis(20));
                count.fetch_add(1, SeqCst);
                io::Result::Ok(())
            });
            let server = place.get_or_init(|| server.unwrap());
            server.start().unwrap();
            let address = server.local_addr().unwrap();
            let streams = [(); 3].map(|()| TcpStream::connect(address).unwrap());
            until(|| server.connections() == 3);
            streams.iter().for_each(|mut stream| stream.write_all(b"x").unwrap());
            until(|| TcpStream::connect(address).is_err());
            let stopped = server.stop(MINUTE);
            assert_eq!((stopped.ended, stopped.left, gone.load(SeqCst)), (0, 0, 3));
            assert_eq!(server.connections(), 0);
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

/// One of two listeners is none any more: the other is served.
#[test]
fn a_server_goes_on_with_the_listeners_that_it_has() {
    in_child(&[("GREENROOM_WORKERS", "2")], || {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = listeners.each_ref().map(|l| l.local_addr().unwrap());
        let fd = listeners[0].as_raw_fd();
        let server = StreamServer::listening(listeners, echo).unwrap();
        server.start().unwrap();
        // SAFETY: takes no pointer. What ends the listener is on purpose.
        assert_eq!(unsafe { libc::shutdown(fd, libc::SHUT_RDWR) }, 0);
        until(|| TcpStream::connect(addresses[0]).is_err());
        assert!(is_served(addresses[1]));
        let stopped = server.stop(MINUTE);
        assert_eq!((stopped.ended, stopped.left), (0, 0));
    })
    .assert_success();
}

/// Another process that has the listener too wants it to block.
#[test]
fn a_listener_that_others_make_blocking_holds_no_worker() {
    in_child(&[("GREENROOM_WORKERS", "1")], || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        // As another process has it: nobody tells the runtime of this one.
        let others = listener.try_clone().unwrap();
        let address = listener.local_addr().unwrap();
        let server = StreamServer::listening([TcpListener::from(listener)], echo).unwrap();
        server.start().unwrap();
        for _ in 0..3 {
            others.set_nonblocking(false).unwrap();
            assert!(is_served(address));
        }
        others.set_nonblocking(false).unwrap();
        let stopped = server.stop(MINUTE);
        assert_eq!((stopped.ended, stopped.left), (0, 0));
    })
    .assert_success();
}

/// Bytes of address space in use.
fn address_space() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    statm.split(' ').next().unwrap().parse::<u64>().unwrap() * page
}

/// With no stacks left for handlers, most of those who connect wait until there
/// are some again, and are not hung up on.
#[test]
fn without_stacks_it_waits() {
    const MORE: usize = 50;
    in_child(&[("GREENROOM_WORKERS", "1"), ("GREENROOM_STACK_SIZE", "1048576")], || {
        let server = StreamServer::bind("127.0.0.1:0", echo).unwrap();
        let address = server.local_addr().unwrap();
        server.start().unwrap();
        assert!(is_served(address));
        set_limit(libc::RLIMIT_AS, address_space() + (4 << 20));
        let connect = || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"x").unwrap();
            stream
        };
        let is_answered = |stream: &mut std::net::TcpStream| stream.read_exact(&mut [0]).is_ok();
        let mut served = Vec::new();
        loop {
            let mut stream = connect();
            if !is_answered(&mut stream) {
                break;
            }
            served.push(stream);
        }
        let more: Vec<_> = (0..MORE).map(|_| connect()).collect();
        std::thread::sleep(Duration::from_millis(20));
        drop(served);
        // Each goes when it was answered, and leaves its handler's stack.
        let answered = more.into_iter().filter_map(|mut one| is_answered(&mut one).then_some(()));
        let answered = answered.count();
        assert!(answered >= MORE / 5, "{answered}");
        let stopped = server.stop(MINUTE);
        assert_eq!((stopped.ended, stopped.left), (0, 0));
    })
    .assert_success();
}
