//! `greenroom::net` over TCP and UDP with nothing patched: green threads park,
//! OS threads block, and the same code gives the same answers.

#[macro_use]
mod common_net;

use common_net::c;
use common_net::{
    about, all_done, alone, done, green, ms, on_both, os, os_thread, timed, unpatched,
};
use greenroom::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (there, from) = listener.accept().unwrap();
    assert_eq!(from, here.local_addr().unwrap());
    (here, there)
}

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// What all else here stands on.
#[test]
fn nothing_is_patched() {
    unpatched(1);
    green(|| {
        let (here, _there) = pair();
        assert!(!greenroom::patch::is_patched(greenroom::patch::Family::Socket));
        assert!(here.take_error().unwrap().is_none());
    });
}

/// One worker, both ends on it: each has to park for the other.
#[test]
fn a_hundred_conversations_on_one_worker() {
    unpatched(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = greenroom::spawn(move || {
        for stream in listener.incoming().take(100) {
            let stream = stream.unwrap();
            greenroom::spawn(move || io::copy(&mut &stream, &mut &stream));
        }
    });
    let clients = (0..100u8).map(|n| {
        greenroom::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            for round in 0..10 {
                stream.write_all(&[n, round]).unwrap();
                let mut echo = [0; 2];
                stream.read_exact(&mut echo).unwrap();
                assert_eq!(echo, [n, round]);
            }
            stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
        })
    });
    all_done(clients);
    done(server);
}

#[test]
fn many_wait_as_long_as_one() {
    unpatched(1);
    let _alone = alone();
    let waits = (0..100).map(|_| {
        greenroom::spawn(|| {
            let (mut here, _there) = pair();
            here.set_read_timeout(Some(ms(100))).unwrap();
            kind(here.read(&mut [0; 8]))
        })
    });
    let (took, kinds) = timed(|| all_done(waits));
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::WouldBlock));
    about(took, 100);
}

#[test]
fn timeouts_hold() {
    unpatched(1);
    let _alone = alone();
    on_both(|| {
        let (mut here, mut there) = pair();
        // Used first, so that the table knows it before the timeout is set.
        there.write_all(b"x").unwrap();
        here.read_exact(&mut [0]).unwrap();
        here.set_read_timeout(Some(ms(40))).unwrap();
        let again = here.try_clone().unwrap();
        for mut stream in [&here, &again] {
            let (took, why) = timed(|| kind(stream.read(&mut [0; 8])));
            about(took, 40);
            assert_eq!(why, ErrorKind::WouldBlock);
        }
        assert_eq!(kind(here.set_read_timeout(Some(ms(0)))), ErrorKind::InvalidInput);
        again.set_write_timeout(Some(ms(40))).unwrap();
        assert_eq!(here.write_timeout().unwrap(), Some(ms(40)));
        assert_eq!(kind(here.write_all(&vec![0; 64 << 20])), ErrorKind::WouldBlock);
        // Taken away, it is gone: what comes late is received.
        here.set_read_timeout(None).unwrap();
        let late = os_thread(move || {
            std::thread::sleep(ms(60));
            there.write_all(b"late").unwrap();
            there
        });
        assert_eq!(here.read(&mut [0; 8]).unwrap(), 4);
        drop(late);
    });
}

#[test]
fn nonblocking_is_the_users() {
    unpatched(1);
    on_both(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let _first = TcpStream::connect(address).unwrap();
        listener.accept().unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(kind(listener.accept().map(drop)), ErrorKind::WouldBlock);
        listener.set_nonblocking(false).unwrap();
        let mut here = TcpStream::connect(address).unwrap();
        let (mut there, _) = listener.accept().unwrap();
        here.set_nonblocking(true).unwrap();
        assert_eq!(kind(here.read(&mut [0; 8])), ErrorKind::WouldBlock);
        assert_eq!(kind(here.peek(&mut [0; 8])), ErrorKind::WouldBlock);
        here.set_nonblocking(false).unwrap();
        there.write_all(b"abc").unwrap();
        assert_eq!(here.read(&mut [0; 8]).unwrap(), 3);
        assert!(!c::is_nonblocking(here.as_raw_fd()));
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.set_nonblocking(true).unwrap();
        assert_eq!(kind(udp.recv_from(&mut [0; 8])), ErrorKind::WouldBlock);
    });
}

/// A listener on which green threads accept blocks OS threads all the same.
#[test]
fn one_listener_for_both_sorts_of_threads() {
    unpatched(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let again = listener.try_clone().unwrap();
    let green = greenroom::spawn(move || again.accept().map(drop));
    let plain = os_thread(move || listener.accept().map(drop));
    common_net::settle();
    let _clients = [(); 2].map(|()| TcpStream::connect(address).unwrap());
    done(green).unwrap();
    plain.join().unwrap().unwrap();
}

fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn connecting() {
    unpatched(1);
    let _alone = alone();
    on_both(|| {
        assert_eq!(kind(TcpStream::connect(nobody())), ErrorKind::ConnectionRefused);
        let refused = TcpStream::connect_timeout(&nobody(), ms(5000));
        assert_eq!(kind(refused), ErrorKind::ConnectionRefused);
        assert_eq!(kind(TcpStream::connect_timeout(&nobody(), ms(0))), ErrorKind::InvalidInput);
        assert_eq!(kind(TcpStream::connect(&[][..])), ErrorKind::InvalidInput);
        // The second one accepts.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        let stream = TcpStream::connect(&[nobody(), there][..]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
        assert!(!c::is_nonblocking(stream.as_raw_fd()));
        let stream = TcpStream::connect_timeout(&there, ms(5000)).unwrap();
        assert_eq!(stream.write_timeout().unwrap(), None);
        // Its queue is full: the third stays under way.
        assert_eq!(c!(libc::listen(listener.as_raw_fd(), 0)), 0);
        let (took, why) =
            timed(|| {
                kind((0..9).try_for_each(|_| {
                    TcpStream::connect_timeout(&there, ms(60)).map(std::mem::forget)
                }))
            });
        about(took, 60);
        assert_eq!(why, ErrorKind::TimedOut);
    });
}

#[test]
fn ipv6() {
    unpatched(1);
    on_both(|| {
        let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
        let address = listener.local_addr().unwrap();
        let here = TcpStream::connect(address).unwrap();
        assert_eq!(listener.accept().unwrap().1, here.local_addr().unwrap());
        let one = UdpSocket::bind("[::1]:0").unwrap();
        let two = UdpSocket::bind("[::1]:0").unwrap();
        two.send_to(b"abc", one.local_addr().unwrap()).unwrap();
        let got = one.recv_from(&mut [0; 8]).unwrap();
        assert_eq!(got, (3, two.local_addr().unwrap()));
    });
}

#[test]
fn parts_and_peeks() {
    unpatched(1);
    on_both(|| {
        let (mut here, mut there) = pair();
        assert_eq!(here.write_vectored(&[IoSlice::new(b"abc"), IoSlice::new(b"defg")]).unwrap(), 7);
        let mut first = [0; 3];
        assert_eq!(there.peek(&mut first).unwrap(), 3);
        let mut rest = [0; 8];
        let mut parts = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut rest)];
        assert_eq!(there.read_vectored(&mut parts).unwrap(), 7);
        assert_eq!((&first, &rest[..4]), (b"abc", &b"defg"[..]));
        assert_eq!(there.write_vectored(&[]).unwrap(), 0);
        drop(here);
        assert_eq!(there.read(&mut [0; 8]).unwrap(), 0);
        // Broken pipe, and no signal.
        while there.write(&[0; 1024]).is_ok() {}
        assert!(there.take_error().unwrap().is_none());
    });
}

#[test]
fn udp() {
    unpatched(1);
    let _alone = alone();
    on_both(|| {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(ms(40))).unwrap();
        let (took, why) = timed(|| kind(server.recv_from(&mut [0; 8])));
        about(took, 40);
        assert_eq!(why, ErrorKind::WouldBlock);
        client.connect(server.local_addr().unwrap()).unwrap();
        client.send(b"abc").unwrap();
        let from = client.local_addr().unwrap();
        let mut buf = [0; 8];
        assert_eq!(server.peek_from(&mut buf).unwrap(), (3, from));
        assert_eq!(server.recv_from(&mut buf).unwrap(), (3, from));
        assert_eq!(server.send_to(b"defg", from).unwrap(), 4);
        assert_eq!(client.peek(&mut buf).unwrap(), 4);
        assert_eq!(client.recv(&mut buf).unwrap(), 4);
        assert_eq!(kind(server.send_to(b"", &[][..])), ErrorKind::InvalidInput);
        client.set_broadcast(true).unwrap();
        assert!(client.broadcast().unwrap());
    });
}

/// Of the worker's other green threads, all go on while a name is looked up.
#[test]
fn names_are_looked_up_elsewhere() {
    unpatched(1);
    let found = greenroom::spawn(|| {
        let names = [("localhost", 80)].map(|name| name.to_socket_addrs().unwrap().count());
        let other = "localhost:80".to_socket_addrs().unwrap().count();
        (names[0], other, "no such name. :1".to_socket_addrs().is_err())
    });
    let (one, other, failed) = done(found);
    assert!(one > 0 && one == other && failed);
    let crew = std::fs::read_dir("/proc/self/task").unwrap().flatten().any(|task| {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        name.starts_with("greenroom-offlo")
    });
    assert!(crew, "nobody but the worker could have looked it up");
}

#[test]
fn conversions_keep_everything() {
    unpatched(1);
    let _alone = alone();
    on_both(|| {
        let (here, mut there) = pair();
        here.set_read_timeout(Some(ms(40))).unwrap();
        here.set_nodelay(true).unwrap();
        let fd = here.as_raw_fd();
        let mut plain = std::net::TcpStream::from(here);
        assert_eq!((plain.as_raw_fd(), plain.read_timeout().unwrap()), (fd, Some(ms(40))));
        assert!(plain.nodelay().unwrap() && !c::is_nonblocking(fd));
        there.write_all(b"abc").unwrap();
        assert_eq!(plain.read(&mut [0; 8]).unwrap(), 3);
        let mut back = TcpStream::from(plain);
        let (took, why) = timed(|| kind(back.read(&mut [0; 8])));
        about(took, 40);
        assert_eq!(why, ErrorKind::WouldBlock);
        let raw = OwnedFd::from(back).into_raw_fd();
        assert_eq!(raw, fd);
        // SAFETY: just given up.
        let back = unsafe { TcpStream::from_raw_fd(raw) };
        back.set_nonblocking(true).unwrap();
        let plain = std::net::TcpStream::from(back);
        assert!(c::is_nonblocking(fd));
        let mut back = TcpStream::from(plain);
        assert_eq!(kind(back.read(&mut [0; 8])), ErrorKind::WouldBlock);
    });
}

/// A listener that was made non-blocking for green threads is blocking again.
#[test]
fn a_converted_listener_blocks() {
    unpatched(1);
    let plain = green(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.accept().unwrap();
        assert!(c::is_nonblocking(listener.as_raw_fd()));
        std::net::TcpListener::from(listener)
    });
    assert!(!c::is_nonblocking(plain.as_raw_fd()));
    let address = plain.local_addr().unwrap();
    let accepting = os_thread(move || plain.accept().map(drop));
    let _client = TcpStream::connect(address).unwrap();
    accepting.join().unwrap().unwrap();
}

/// The same numbers again and again, closed by us and behind our back: nothing
/// of an earlier owner is left.
#[test]
fn numbers_are_used_again() {
    unpatched(1);
    for round in 0..50 {
        green(move || {
            let (mut here, there) = pair();
            here.set_read_timeout(Some(ms(1))).unwrap();
            assert_eq!(kind(here.read(&mut [0; 1])), ErrorKind::WouldBlock);
            there.set_nonblocking(round % 2 == 0).unwrap();
            if round % 3 == 0 {
                drop(std::net::TcpStream::from(here));
                drop(std::net::TcpStream::from(there));
            }
        });
        green(|| {
            let (here, mut there) = pair();
            let mut here = TcpStream::from(std::net::TcpStream::from(here));
            let reading = greenroom::spawn(move || here.read(&mut [0; 8]).unwrap());
            greenroom::sleep(ms(2));
            there.write_all(b"abc").unwrap();
            assert_eq!(done(reading), 3);
        });
    }
}

#[test]
fn a_shutdown_wakes_who_waits() {
    unpatched(1);
    on_both(|| {
        let (here, _there) = pair();
        let here = std::sync::Arc::new(here);
        let other = here.clone();
        let ending = os_thread(move || {
            std::thread::sleep(ms(20));
            other.shutdown(Shutdown::Both).unwrap();
        });
        assert_eq!((&*here).read(&mut [0; 8]).unwrap(), 0);
        ending.join().unwrap();
    });
}

#[test]
fn between_green_and_os_threads() {
    unpatched(1);
    let (mut here, mut there) = pair();
    let sum = greenroom::spawn(move || {
        let mut bytes = Vec::new();
        there.read_to_end(&mut bytes).unwrap();
        bytes.iter().map(|b| u64::from(*b)).sum::<u64>()
    });
    let data = common_net::pattern(3 << 20, 5);
    let expected = data.iter().map(|b| u64::from(*b)).sum();
    os(move || here.write_all(&data).unwrap());
    assert_eq!(done::<u64>(sum), expected);
}
