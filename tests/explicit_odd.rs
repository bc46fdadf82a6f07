//! The explicit API given what is unusual: a socket as a pipe's end, the longest
//! names, clones made while the mode changes.

mod common;

use common::{until, workers};
use greenroom::io::{PipeReader, PipeWriter};
use greenroom::net::{UdpSocket, UnixDatagram, UnixListener};
use greenroom::{spawn, yield_now};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// As a program may have it whose child was given a socket for its stdout.
#[test]
fn a_socket_as_a_pipe_parks() {
    workers(1, || {
        let (here, there) = UnixStream::pair().unwrap();
        let mut reader = PipeReader::from(OwnedFd::from(here));
        let mut writer = PipeWriter::from(OwnedFd::from(there));
        let reading = spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        (0..10).for_each(|_| yield_now());
        let other = spawn(|| 7);
        until(|| other.is_finished()); // the worker is free
        let long = "x".repeat(4 << 20);
        let text = long.clone();
        spawn(move || writer.write_all(long.as_bytes())).join().unwrap().unwrap();
        assert!(reading.join().unwrap().unwrap() == text);
    });
}

/// A socket bound to a path as long as it may be: without an end.
fn bound_to_the_longest(kind: i32) -> (OwnedFd, String) {
    let mut path = format!("{}/", env!("CARGO_TARGET_TMPDIR"));
    // SAFETY: takes no pointer.
    let socket = unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_UNIX, kind, 0)) };
    // SAFETY: all zero is an address without a name.
    let mut to: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    to.sun_family = libc::AF_UNIX as u16;
    let left = to.sun_path.len().checked_sub(path.len()).expect("a shorter folder");
    let unique = format!("{}-{kind}", std::process::id());
    path += &format!("{unique:l<left$}");
    for (to, from) in to.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as libc::c_char;
    }
    let _ = std::fs::remove_file(&path);
    let len = size_of::<libc::sockaddr_un>() as u32;
    // SAFETY: an address of that length.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const to).cast(), len) };
    assert_eq!(bound, 0, "{}", std::io::Error::last_os_error());
    (socket, path)
}

/// A peer with such a name is served as any other.
#[test]
fn the_longest_name_of_a_peer() {
    workers(1, || {
        let name = format!("{}/listener-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
        let listener = UnixListener::bind(&name).unwrap();
        let (client, path) = bound_to_the_longest(libc::SOCK_STREAM);
        let client = std::os::unix::net::UnixStream::from(client);
        connect(&client, &name);
        let accepted = spawn(move || listener.accept()).join().unwrap();
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(name).unwrap();
        (&client).write_all(b"hello").unwrap();
        drop(client);
        let mut text = String::new();
        accepted.unwrap().0.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    });
}

#[test]
fn the_longest_name_of_a_sender() {
    workers(1, || {
        let name = format!("{}/receiver-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
        let receiver = UnixDatagram::bind(&name).unwrap();
        let (sender, path) = bound_to_the_longest(libc::SOCK_DGRAM);
        let sender = std::os::unix::net::UnixDatagram::from(sender);
        sender.send_to(b"hello", &name).unwrap();
        let mut buf = [0; 8];
        let got = spawn(move || receiver.recv_from(&mut buf).map(|(n, _)| buf[..n].to_vec()));
        let got = got.join().unwrap();
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(name).unwrap();
        assert_eq!(got.unwrap(), b"hello");
    });
}

fn connect(client: &impl AsRawFd, name: &str) {
    // SAFETY: all zero is an address without a name.
    let mut to: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    to.sun_family = libc::AF_UNIX as u16;
    for (to, from) in to.sun_path.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    let len = size_of::<libc::sockaddr_un>() as u32;
    // SAFETY: an address of that length.
    let connected = unsafe { libc::connect(client.as_raw_fd(), (&raw const to).cast(), len) };
    assert_eq!(connected, 0, "{}", std::io::Error::last_os_error());
}

/// The mode is the file's: a clone has it, whichever was first.
#[test]
fn a_clone_has_the_mode_that_was_set_meanwhile() {
    workers(1, || {
        const ROUNDS: usize = 20_000;
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(3600))).unwrap();
        let turn = AtomicUsize::new(0);
        let wait_for = |n: usize| {
            while turn.load(SeqCst) < n {
                std::thread::yield_now();
            }
        };
        std::thread::scope(|s| {
            s.spawn(|| {
                for round in 0..ROUNDS {
                    wait_for(3 * round + 1);
                    socket.set_nonblocking(true).unwrap();
                    turn.fetch_add(1, SeqCst);
                }
            });
            for round in 0..ROUNDS {
                socket.set_nonblocking(false).unwrap();
                turn.store(3 * round + 1, SeqCst);
                for _ in 0..round % 100 {
                    std::hint::spin_loop();
                }
                let clone = socket.try_clone().unwrap();
                turn.fetch_add(1, SeqCst);
                wait_for(3 * round + 3);
                let got = spawn(move || clone.recv(&mut [0; 8])).join_timeout(PATIENCE);
                let Ok(got) = got else {
                    eprintln!("round {round}: it waits");
                    std::process::exit(1);
                };
                assert_eq!(got.unwrap().unwrap_err().kind(), ErrorKind::WouldBlock);
            }
        });
    });
}
