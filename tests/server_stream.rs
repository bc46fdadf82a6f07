//! `StreamServer`: handlers, limits, stopping, and what goes wrong.

#[macro_use]
#[path = "common/servers.rs"]
mod servers;
mod common;

use common::{Ended, in_child, until};
use greenroom::net::{TcpListener, TcpStream, UnixStream};
use greenroom::server::{StreamServer, per_worker};
use servers::open_fds;
use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
const NOW: Duration = Duration::ZERO;

/// Sends back what comes.
fn echo(mut stream: TcpStream, _peer: SocketAddr) -> io::Result<u64> {
    let mut buf = [0; 1024];
    let mut total = 0;
    loop {
        match stream.read(&mut buf)? {
            0 => return Ok(total),
            n => stream.write_all(&buf[..n])?,
        }
        total += 1;
    }
}

/// One line there, one line back.
fn ask(stream: &mut TcpStream, line: &str) -> io::Result<String> {
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut text = String::new();
    BufReader::new(stream).read_line(&mut text)?;
    Ok(text)
}

#[test]
fn many_clients_are_served_and_nothing_is_left() {
    fn deed() {
        greenroom::spawn(|| ()).join().unwrap();
        let before = open_fds();
        let server = StreamServer::bind("127.0.0.1:0", echo).unwrap();
        let address = server.local_addr().unwrap();
        server.start().unwrap();
        server.start().unwrap(); // which does nothing
        let clients = (0..50).map(|n| {
            greenroom::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                assert_eq!(
                    ask(&mut stream, &format!("client {n}")).unwrap(),
                    format!("client {n}\n")
                );
            })
        });
        greenroom::joinall(clients.collect::<Vec<_>>()).into_iter().for_each(|r| r.unwrap());
        let stopped = server.stop(MINUTE);
        assert_eq!((stopped.ended, stopped.left, server.connections()), (0, 0, 0));
        assert_eq!(server.local_addr().unwrap(), address);
        assert_eq!(open_fds(), before);
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(server.start().is_err(), "it was stopped");
    }
    everywhere!(deed());
}

#[test]
fn a_panic_closes_one_connection_and_is_reported() {
    let ended: Ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
        let server = StreamServer::bind("127.0.0.1:0", |mut stream: TcpStream, _| {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            assert_ne!(byte[0], b'!', "the handler's own");
            stream.write_all(&byte).unwrap();
        })
        .unwrap();
        let address = server.local_addr().unwrap();
        server.start().unwrap();
        for byte in [b'a', b'!', b'b'] {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&[byte]).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            assert_eq!(answer.len(), usize::from(byte != b'!'));
        }
        assert_eq!(server.stop(MINUTE).ended, 0);
    });
    ended.assert_success();
    ended.assert_says("the handler's own", 1);
    ended.assert_says("panicked at", 1);
}

#[test]
fn a_full_server_stops_accepting() {
    fn deed() {
        let most = Arc::new(AtomicUsize::new(0));
        let running = Arc::new(AtomicUsize::new(0));
        let (m, r) = (most.clone(), running.clone());
        let server = StreamServer::bind("127.0.0.1:0", move |stream: TcpStream, peer| {
            m.fetch_max(r.fetch_add(1, SeqCst) + 1, SeqCst);
            let served = echo(stream, peer);
            r.fetch_sub(1, SeqCst);
            served
        });
        let server = server.unwrap().max_connections(3);
        let address = server.local_addr().unwrap();
        server.start().unwrap();
        let mut first: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        first.iter_mut().for_each(|stream| assert_eq!(ask(stream, "in").unwrap(), "in\n"));
        // The fourth connects, for the kernel's queue takes it, but is not served.
        let mut fourth = TcpStream::connect(address).unwrap();
        fourth.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert_eq!(ask(&mut fourth, "out").unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(server.connections(), 3);
        drop(first.pop());
        fourth.set_read_timeout(Some(MINUTE)).unwrap();
        let mut text = [0; 4];
        fourth.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"out\n");
        assert_eq!(most.load(SeqCst), 3);
        drop((first, fourth));
        assert_eq!(server.stop(MINUTE).ended, 0);
    }
    everywhere!(deed());
}

#[test]
fn a_stop_waits_for_handlers_and_then_ends_them() {
    fn deed() {
        greenroom::spawn(|| ()).join().unwrap();
        let before = open_fds();
        let server = StreamServer::bind("127.0.0.1:0", echo).unwrap();
        server.start().unwrap();
        let address = server.local_addr().unwrap();
        let mut idle = TcpStream::connect(address).unwrap();
        assert_eq!(ask(&mut idle, "hello").unwrap(), "hello\n");
        let start = Instant::now();
        let stopped = server.stop(Duration::from_millis(30));
        assert!(start.elapsed() >= Duration::from_millis(30));
        assert_eq!((stopped.ended, stopped.left), (1, 0));
        assert_eq!(idle.read(&mut [0; 8]).unwrap(), 0, "closed in order, not reset");
        drop(idle);
        assert_eq!(open_fds(), before);
    }
    everywhere!(deed());
}

/// Half a request, or none, is no reason to wait; a whole one is.
#[test]
fn with_the_end_of_input_idle_connections_end_at_once() {
    fn deed() {
        let server = StreamServer::bind("127.0.0.1:0", |stream: TcpStream, _| {
            for line in BufReader::new(&stream).lines() {
                greenroom::sleep(Duration::from_millis(30));
                writeln!(&stream, "answer to {}", line?)?;
            }
            io::Result::Ok(())
        });
        let server = Arc::new(server.unwrap().end_input_on_stop());
        server.start().unwrap();
        let address = server.local_addr().unwrap();
        let mut idle = [(); 20].map(|()| TcpStream::connect(address).unwrap());
        let mut busy = [(); 20].map(|()| TcpStream::connect(address).unwrap());
        until(|| server.connections() == 40);
        busy.iter_mut().for_each(|stream| stream.write_all(b"1\n2\n").unwrap());
        let theirs = server.clone();
        let stopping = std::thread::spawn(move || theirs.stop(MINUTE));
        for stream in &mut busy {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            assert_eq!(text, "answer to 1\nanswer to 2\n");
        }
        idle.iter_mut().for_each(|stream| assert_eq!(stream.read(&mut [0]).unwrap(), 0));
        assert_eq!(stopping.join().unwrap().ended, 0);
    }
    everywhere!(deed());
}

#[test]
fn what_has_connected_before_a_stop_is_served() {
    fn deed() {
        let server = StreamServer::bind("127.0.0.1:0", |stream, peer| {
            greenroom::sleep(Duration::from_millis(1));
            echo(stream, peer)
        });
        let server = server.unwrap();
        let address = server.local_addr().unwrap();
        let mut clients: Vec<_> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
        for stream in &mut clients {
            stream.write_all(b"request").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        }
        server.start().unwrap(); // on one worker it has not accepted any yet
        assert_eq!(server.stop(MINUTE).ended, 0);
        for stream in &mut clients {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "request");
        }
    }
    everywhere!(deed());
}

#[test]
fn forever_ends_with_the_stop() {
    fn deed() {
        let server = Arc::new(StreamServer::bind("127.0.0.1:0", echo).unwrap());
        let address = server.local_addr().unwrap();
        let theirs = server.clone();
        let stopper = greenroom::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            assert_eq!(ask(&mut stream, "hello").unwrap(), "hello\n");
            drop(stream);
            theirs.stop(MINUTE)
        });
        server.serve_forever().unwrap();
        assert_eq!(stopper.join().unwrap().ended, 0);
        assert!(server.serve_forever().is_err());
    }
    everywhere!(deed());
}

#[test]
fn a_handler_may_stop_its_server() {
    fn deed() {
        let place: Arc<greenroom::sync::OnceLock<StreamServer>> = Arc::default();
        let ended = Arc::new(AtomicUsize::new(usize::MAX));
        let (theirs, count) = (place.clone(), ended.clone());
        let server = StreamServer::bind("127.0.0.1:0", move |mut stream: TcpStream, _| {
            let stopped = theirs.get().unwrap().stop(NOW);
            assert_eq!(stopped.left, 0);
            count.store(stopped.ended, SeqCst);
            stream.write_all(b"stopped").unwrap();
        });
        let server = place.get_or_init(|| server.unwrap());
        let address = server.local_addr().unwrap();
        server.start().unwrap();
        let mut text = String::new();
        TcpStream::connect(address).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "stopped");
        assert_eq!(ended.load(SeqCst), 0);
    }
    everywhere!(deed());
}

#[test]
fn a_dropped_server_accepts_no_more_but_handlers_finish() {
    fn deed() {
        let server = StreamServer::bind("127.0.0.1:0", echo).unwrap();
        let address = server.local_addr().unwrap();
        server.start().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        assert_eq!(ask(&mut stream, "before").unwrap(), "before\n");
        drop(server);
        until(|| TcpStream::connect(address).is_err());
        assert_eq!(ask(&mut stream, "after").unwrap(), "after\n");
        drop(StreamServer::bind("127.0.0.1:0", echo).unwrap()); // never started
    }
    everywhere!(deed());
}

#[test]
fn a_wrapper_makes_what_the_handler_gets() {
    fn deed() {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = listeners.each_ref().map(|l| l.local_addr().unwrap());
        let wrap = |mut stream: TcpStream| {
            let mut hello = [0; 2];
            stream.read_exact(&mut hello)?; // a handshake
            if &hello != b"hi" {
                return Err(ErrorKind::InvalidData.into());
            }
            Ok(BufReader::new(stream))
        };
        let server = StreamServer::wrapped(listeners, wrap, |mut stream, _| {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            stream.get_mut().write_all(line.to_uppercase().as_bytes())
        });
        let server = server.unwrap();
        server.start().unwrap();
        assert_eq!(server.local_addr().unwrap(), addresses[0]);
        for (text, answer) in [("hihello\n", "HELLO\n"), ("no", "")] {
            for address in addresses {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(text.as_bytes()).unwrap();
                let mut got = String::new();
                stream.read_to_string(&mut got).unwrap();
                assert_eq!(got, answer);
            }
        }
        assert_eq!(server.stop(MINUTE).ended, 0);
    }
    everywhere!(deed());
}

#[test]
fn unix_servers_remove_their_file() {
    fn deed() {
        let id = greenroom::current().map_or(0, |green| green.id());
        let name = format!("greenroom-server-{}-{id}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let hello = |mut stream: UnixStream, _| stream.write_all(b"hello");
        let server = StreamServer::bind_unix(&path, hello).unwrap();
        assert!(StreamServer::bind_unix(&path, hello).is_err(), "one at a time");
        server.start().unwrap();
        let mut text = String::new();
        UnixStream::connect(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        assert_eq!(server.local_addr().unwrap().as_pathname(), Some(&*path));
        server.stop(MINUTE);
        assert!(!path.exists());

        let server = StreamServer::bind_unix(&path, hello).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another's").unwrap();
        server.stop(MINUTE);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "another's");
        std::fs::remove_file(&path).unwrap();
    }
    everywhere!(deed());
}

#[test]
fn a_listener_that_is_none_any_more_ends_the_server() {
    fn deed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fd = listener.as_raw_fd();
        let server = StreamServer::listening([listener], echo).unwrap();
        server.start().unwrap();
        // SAFETY: takes no pointer. What ends the listener is on purpose.
        assert_eq!(unsafe { libc::shutdown(fd, libc::SHUT_RDWR) }, 0);
        for _ in 0..2 {
            // Everybody who waits for its end is told.
            let why = server.serve_forever().unwrap_err();
            assert_eq!(why.raw_os_error(), Some(libc::EINVAL));
        }
        assert_eq!(server.stop(MINUTE).ended, 0);
        let none: [TcpListener; 0] = [];
        let none = StreamServer::listening(none, echo).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::InvalidInput);
    }
    everywhere!(deed());
}

/// The kernel deals out connections by their addresses, so with many clients
/// each listener gets some; and each is served by a worker of its own.
#[test]
fn one_acceptor_per_worker() {
    in_child(&[("GREENROOM_WORKERS", "2")], || {
        let listeners = per_worker("127.0.0.1:0").unwrap();
        assert_eq!(listeners.len(), 2);
        let addresses: BTreeSet<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
        assert_eq!(addresses.len(), 1);
        drop(listeners);
        let server = StreamServer::bind_per_worker("127.0.0.1:0", echo).unwrap();
        let address = server.local_addr().unwrap();
        server.start().unwrap();
        let clients = (0..100).map(|n| {
            greenroom::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                assert_eq!(ask(&mut stream, &n.to_string()).unwrap(), format!("{n}\n"));
            })
        });
        greenroom::joinall(clients.collect::<Vec<_>>()).into_iter().for_each(|r| r.unwrap());
        assert_eq!(server.stop(MINUTE).ended, 0);
        assert!(TcpStream::connect(address).is_err());
    })
    .assert_success();
}

/// With room for one, a server of two listeners must not wait on one of them
/// with that room in its hand.
#[test]
fn listeners_share_the_room() {
    fn deed() {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = listeners.each_ref().map(|l| l.local_addr().unwrap());
        let server = StreamServer::listening(listeners, echo).unwrap().max_connections(1);
        let server = server.backlog(16);
        server.start().unwrap();
        for _ in 0..5 {
            for address in addresses {
                let mut stream = TcpStream::connect(address).unwrap();
                assert_eq!(ask(&mut stream, "x").unwrap(), "x\n");
            }
        }
        assert_eq!(server.stop(MINUTE).ended, 0);
    }
    everywhere!(deed());
}

/// A stop reaches a server wherever its acceptor is: before it runs, while it
/// waits for a connection, while it waits for room, and while it accepts.
#[test]
fn a_stop_at_any_time() {
    fn deed() {
        for round in 0..40 {
            let server =
                StreamServer::bind("127.0.0.1:0", |stream, peer| echo(stream, peer).is_ok());
            let server = server.unwrap().max_connections(1 + round % 2);
            let address = server.local_addr().unwrap();
            server.start().unwrap();
            let over = Arc::new(AtomicBool::new(false));
            let clients: Vec<_> = (0..round % 4)
                .map(|_| {
                    let over = over.clone();
                    greenroom::spawn(move || {
                        while !over.load(SeqCst) {
                            let Ok(mut stream) = TcpStream::connect(address) else { return };
                            let _ = ask(&mut stream, "x");
                        }
                    })
                })
                .collect();
            greenroom::sleep(Duration::from_micros(50 * (round as u64 % 7)));
            let stopped = server.stop(MINUTE);
            over.store(true, SeqCst);
            assert_eq!((stopped.ended, stopped.left), (0, 0));
            greenroom::joinall(clients).into_iter().for_each(|r| r.unwrap());
        }
    }
    everywhere!(deed());
}
