//! Servers in odd situations: handlers that do not end, several that stop them,
//! descriptors that others have, programs that are patched.

mod common;

use common::{in_child, set_limit, until};
use greenroom::net::TcpStream;
use greenroom::server::{StreamServer, per_worker};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const NOW: Duration = Duration::ZERO;

fn echo(stream: TcpStream) -> io::Result<u64> {
    io::copy(&mut &stream, &mut &stream)
}

/// A stop does not wait for ever for one that computes; another may, later.
#[test]
fn a_handler_that_computes_is_left() {
    in_child(&[("GREENROOM_WORKERS", "2")], || {
        let over = Arc::new(AtomicBool::new(false));
        let begun = Arc::new(AtomicUsize::new(0));
        let (theirs, count) = (over.clone(), begun.clone());
        let server = StreamServer::bind("127.0.0.1:0", move |_stream, _| {
            count.fetch_add(1, SeqCst);
            while !theirs.load(SeqCst) {
                std::hint::spin_loop();
            }
        });
        let server = server.unwrap();
        server.start().unwrap();
        let address = server.local_addr().unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        while begun.load(SeqCst) == 0 {
            std::thread::yield_now();
        }
        // Its worker is kept; if it is the acceptor's too, that is left with it.
        let stopped = server.stop(NOW);
        assert_eq!(stopped.ended, 1);
        assert!((1..=2).contains(&stopped.left), "{stopped:?}");
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "its connection is shut all the same");
        assert_eq!(server.connections(), 1);
        over.store(true, SeqCst);
        let stopped = server.stop(MINUTE);
        assert_eq!((stopped.ended, stopped.left, server.connections()), (0, 0, 0));
    })
    .assert_success();
}

/// Its connection alone would not wake it.
#[test]
fn a_handler_that_waits_for_something_else_is_killed() {
    struct Tell(Arc<AtomicUsize>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    for workers in ["1", "2"] {
        let ended = in_child(&[("GREENROOM_WORKERS", workers)], || {
            let (begun, dropped) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
            let (theirs, tells) = (begun.clone(), dropped.clone());
            let server = StreamServer::bind("127.0.0.1:0", move |stream: TcpStream, _| {
                let _tell = Tell(tells.clone());
                match theirs.fetch_add(1, SeqCst) % 3 {
                    0 => greenroom::park(),
                    1 => greenroom::sleep(Duration::from_secs(3600)),
                    _ => drop(echo(stream)),
                }
            });
            let server = server.unwrap();
            server.start().unwrap();
            let address = server.local_addr().unwrap();
            let mut streams = [(); 30].map(|()| TcpStream::connect(address).unwrap());
            until(|| begun.load(SeqCst) == 30);
            let stopped = server.stop(NOW);
            assert_eq!((stopped.ended, stopped.left), (30, 0));
            assert_eq!(dropped.load(SeqCst), 30, "destructors run");
            streams.iter_mut().for_each(|s| assert_eq!(s.read(&mut [0]).unwrap(), 0));
        });
        ended.assert_success();
        ended.assert_says("panicked", 0);
    }
}

#[test]
fn all_who_stop_it_wait_for_its_end() {
    for workers in ["1", "2"] {
        in_child(&[("GREENROOM_WORKERS", workers)], || {
            let server = StreamServer::bind("127.0.0.1:0", |stream, _| echo(stream));
            let server = Arc::new(server.unwrap());
            server.start().unwrap();
            let mut stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            let ended = Arc::new(AtomicUsize::new(0));
            let stoppers = (0..6).map(|_| {
                let (server, ended) = (server.clone(), ended.clone());
                move || {
                    assert_eq!(server.stop(MINUTE).left, 0);
                    assert_eq!(server.connections(), 0);
                    ended.fetch_add(1, SeqCst);
                }
            });
            let green: Vec<_> = stoppers.clone().take(3).map(greenroom::spawn).collect();
            let os: Vec<_> = stoppers.take(3).map(std::thread::spawn).collect();
            let theirs = server.clone();
            let forever = greenroom::spawn(move || theirs.serve_forever().is_ok());
            until(|| TcpStream::connect(server.local_addr().unwrap()).is_err());
            assert_eq!(ended.load(SeqCst), 0, "one is still served");
            drop(stream);
            greenroom::joinall(green).into_iter().for_each(|r| r.unwrap());
            os.into_iter().for_each(|t| t.join().unwrap());
            forever.join().unwrap();
        })
        .assert_success();
    }
}

/// None of the server's own ends, so it has to look again by itself.
#[test]
fn descriptors_that_others_give_back() {
    in_child(&[("GREENROOM_WORKERS", "1")], || {
        let server = StreamServer::bind("127.0.0.1:0", |stream, _| echo(stream)).unwrap();
        let address = server.local_addr().unwrap();
        let mut streams: Vec<_> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
        greenroom::spawn(|| ()).join().unwrap();
        set_limit(libc::RLIMIT_NOFILE, 100);
        let mut others = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            others.push(file);
        }
        server.start().unwrap();
        streams.iter_mut().for_each(|stream| stream.write_all(b"x").unwrap());
        streams[0].set_read_timeout(Some(Duration::from_millis(60))).unwrap();
        assert_eq!(streams[0].read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        until(|| server.connections() == 0); // it tries now and then
        others.clear();
        streams[0].set_read_timeout(None).unwrap();
        streams.iter_mut().for_each(|stream| stream.read_exact(&mut [0]).unwrap());
        drop(streams);
        assert_eq!(server.stop(MINUTE).ended, 0);
    })
    .assert_success();
}

/// Out of descriptors, and never again any: a stop is heard in the pause.
#[test]
fn a_stop_without_descriptors() {
    in_child(&[("GREENROOM_WORKERS", "1")], || {
        let server = StreamServer::bind("127.0.0.1:0", |stream, _| echo(stream)).unwrap();
        let _stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        greenroom::spawn(|| ()).join().unwrap();
        set_limit(libc::RLIMIT_NOFILE, 3);
        server.start().unwrap();
        greenroom::sleep(Duration::from_millis(50));
        let stopped = server.stop(MINUTE);
        assert_eq!((stopped.ended, stopped.left), (0, 0));
    })
    .assert_success();
}

/// Patched, handlers and clients may use std, and threads are green ones.
#[test]
fn in_a_patched_program() {
    in_child(&[("GREENROOM_WORKERS", "1"), ("GREENROOM_THREAD_LOCALS", "own")], || {
        greenroom::patch_all().unwrap();
        static BEGUN: AtomicUsize = AtomicUsize::new(0);
        let server = StreamServer::listening(per_worker("127.0.0.1:0").unwrap(), |stream, _| {
            BEGUN.fetch_add(1, SeqCst);
            let stream = std::net::TcpStream::from(stream);
            let mut byte = [0];
            (&stream).read_exact(&mut byte)?;
            std::thread::sleep(Duration::from_millis(50));
            (&stream).write_all(&byte)
        });
        let server = server.unwrap();
        server.start().unwrap();
        let address = server.local_addr().unwrap();
        let clients: Vec<_> = (0..100)
            .map(|n| {
                std::thread::spawn(move || {
                    let mut stream = std::net::TcpStream::connect(address).unwrap();
                    stream.write_all(&[n]).unwrap();
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    assert_eq!(byte, [n]);
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        // This handler waits in libc, for what is no descriptor of ours any more.
        let mut idle = std::net::TcpStream::connect(address).unwrap();
        until(|| BEGUN.load(SeqCst) == 101);
        std::thread::sleep(Duration::from_millis(10));
        let stopped = greenroom::patch::native(|| {
            std::thread::spawn(move || server.stop(NOW)).join().unwrap()
        });
        assert_eq!((stopped.ended, stopped.left), (1, 0));
        assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    })
    .assert_success();
}
