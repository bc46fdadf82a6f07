//! `greenroom::net` over Unix sockets, `greenroom::io` and pipes, with nothing
//! patched.

#[macro_use]
mod common_net;

use common_net::c;
use common_net::{Place, about, all_done, alone, done, fresh, green, ms, on_both, os_thread};
use common_net::{timed, unpatched};
use greenroom::io::{pipe, wait_readable, wait_writable};
use greenroom::net::{TcpListener, UnixDatagram, UnixListener, UnixStream};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;

#[test]
fn streams() {
    unpatched(1);
    on_both(|| {
        let place = Place::new();
        let listener = UnixListener::bind(&place.0).unwrap();
        let mut here = UnixStream::connect(&place.0).unwrap();
        let (mut there, from) = listener.accept().unwrap();
        assert!(from.is_unnamed());
        assert_eq!(here.peer_addr().unwrap().as_pathname(), Some(&*place.0));
        here.write_all(b"abc").unwrap();
        assert_eq!(there.read(&mut [0; 8]).unwrap(), 3);
        drop(here);
        assert_eq!(there.read(&mut [0; 8]).unwrap(), 0);
        let missing = UnixStream::connect("/nonexistent/socket").unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let long = UnixStream::connect("x".repeat(200)).unwrap_err();
        assert_eq!(long.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn abstract_names() {
    unpatched(1);
    on_both(|| {
        let address = SocketAddr::from_abstract_name(fresh()).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let here = UnixStream::connect_addr(&address).unwrap();
        let there = (&listener).into_iter().next().unwrap().unwrap();
        assert_eq!(here.peer_addr().unwrap().as_abstract_name(), address.as_abstract_name());
        there.set_read_timeout(Some(ms(8))).unwrap();
        assert_eq!((&there).read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn datagrams() {
    unpatched(1);
    on_both(|| {
        let place = Place::new();
        let server = UnixDatagram::bind(&place.0).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        client.send_to(b"abc", &place.0).unwrap();
        let (n, from) = server.recv_from(&mut [0; 8]).unwrap();
        assert!(n == 3 && from.is_unnamed());
        let named = SocketAddr::from_abstract_name(fresh()).unwrap();
        let client = UnixDatagram::bind_addr(&named).unwrap();
        client.connect(&place.0).unwrap();
        client.send(b"defg").unwrap();
        let (n, from) = server.recv_from(&mut [0; 8]).unwrap();
        assert_eq!((n, from.as_abstract_name()), (4, named.as_abstract_name()));
        assert_eq!(server.send_to_addr(b"back", &from).unwrap(), 4);
        assert_eq!(client.recv(&mut [0; 8]).unwrap(), 4);
    });
}

/// The sender waits for room in the receiver's queue.
#[test]
fn a_full_queue_of_datagrams() {
    unpatched(1);
    let (here, there) = UnixDatagram::pair().unwrap();
    let sending = greenroom::spawn(move || {
        (0..2000u32).for_each(|n| assert_eq!(here.send(&n.to_ne_bytes()).unwrap(), 4));
    });
    green(move || {
        for n in 0..2000u32 {
            let mut buf = [0; 4];
            assert_eq!(there.recv(&mut buf).unwrap(), 4);
            assert_eq!(u32::from_ne_bytes(buf), n);
        }
    });
    done(sending);
}

#[test]
fn pipes_between_green_threads() {
    unpatched(1);
    let pipes = (0..20).map(|n| {
        let (mut reader, mut writer) = pipe().unwrap();
        let data = common_net::pattern(300_000, n);
        let sent = data.clone();
        let writing = greenroom::spawn(move || writer.write_all(&sent).unwrap());
        let reading = greenroom::spawn(move || {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            assert!(got == data);
        });
        [writing, reading]
    });
    all_done(pipes.flatten().collect::<Vec<_>>());
}

#[test]
fn the_ends_of_pipes() {
    unpatched(1);
    on_both(|| {
        let (mut reader, mut writer) = pipe().unwrap();
        let again = writer.try_clone().unwrap();
        assert_eq!(writer.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"c")]).unwrap(), 3);
        let (mut one, mut two) = ([0; 1], [0; 8]);
        let mut parts = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        assert_eq!(reader.read_vectored(&mut parts).unwrap(), 3);
        assert_eq!(reader.read(&mut []).unwrap(), 0);
        drop(writer);
        (&again).write_all(b"x").unwrap();
        drop(again);
        assert_eq!(reader.read(&mut two).unwrap(), 1);
        assert_eq!(reader.read(&mut two).unwrap(), 0);
        let (reader, mut writer) = pipe().unwrap();
        // No flag of the file changes, which other processes may have.
        assert!(!c::is_nonblocking(reader.as_raw_fd()));
        drop(OwnedFd::from(reader));
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn waiting_for_a_time() {
    unpatched(1);
    let _alone = alone();
    on_both(|| {
        let (reader, mut writer) = pipe().unwrap();
        for _ in 0..2 {
            let (took, ready) = timed(|| wait_readable(&reader, Some(ms(40))).unwrap());
            about(took, 40);
            assert!(!ready);
        }
        assert!(!wait_readable(&reader, Some(ms(0))).unwrap());
        assert!(wait_writable(&writer, Some(ms(0))).unwrap());
        writer.write_all(b"x").unwrap();
        assert!(wait_readable(&reader, None).unwrap());
        // Full: not before somebody reads.
        let filler = writer.try_clone().unwrap();
        let filling = os_thread(move || {
            let _ = (&filler).write_all(&[0; 1 << 20]);
        });
        common_net::settle();
        assert!(!wait_writable(&writer, Some(ms(8))).unwrap());
        drop(reader);
        assert!(wait_writable(&writer, None).unwrap(), "an error is an answer");
        filling.join().unwrap();
        let file = std::fs::File::open("/proc/self/status").unwrap();
        assert!(wait_readable(&file, None).unwrap());
    });
}

#[test]
fn many_waits_take_as_long_as_one() {
    unpatched(1);
    let _alone = alone();
    let waits = (0..100).map(|_| {
        greenroom::spawn(|| {
            let (reader, _writer) = pipe().unwrap();
            wait_readable(&reader, Some(ms(100))).unwrap()
        })
    });
    let (took, ready) = timed(|| all_done(waits));
    assert!(ready.iter().all(|ready| !ready));
    about(took, 100);
}

/// std's own sockets, which nobody tells us about: closed behind our back, and
/// their numbers used again.
#[test]
fn waiting_for_what_is_not_ours() {
    unpatched(1);
    let _alone = alone();
    let before = common_net::open_fds();
    green(|| {
        for _ in 0..400 {
            let (here, mut there) = std::os::unix::net::UnixStream::pair().unwrap();
            assert!(!wait_readable(here.as_fd(), Some(ms(1))).unwrap());
            let writing = greenroom::spawn(move || {
                there.write_all(b"x").unwrap();
                there
            });
            assert!(wait_readable(&here, None).unwrap());
            let there = done(writing);
            let again = here.try_clone().unwrap();
            drop(here);
            assert!(wait_readable(&again, None).unwrap());
            drop(there);
        }
    });
    // Other tests run at the same time.
    assert!(common_net::open_fds() < before + 200, "400 rounds leave something open");
}

/// Each closes what it has, and nothing else.
#[test]
fn no_descriptor_leaks() {
    unpatched(1);
    let _alone = alone();
    let round = || {
        let (a, b) = UnixStream::pair().unwrap();
        let c = a.try_clone().unwrap();
        let _ = (wait_readable(&a, Some(ms(1))), pipe().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        drop((OwnedFd::from(b), c, listener));
    };
    green(move || (0..10).for_each(|_| round()));
    let many = common_net::open_fds();
    green(move || (0..200).for_each(|_| round()));
    // Other tests run at the same time.
    assert!(common_net::open_fds() < many + 100, "200 rounds leave something open");
}
