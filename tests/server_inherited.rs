//! Sockets that the process was started with: `sh` gives its own child the
//! listener and the environment that systemd would.

mod common;

use common::run;
use greenroom::server::{DatagramServer, InheritedSocket, StreamServer, inherited};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CHILD: &str = "GREENROOM_INHERITED_CHILD";

/// This test again, with these as descriptors 3 and 4.
fn start(test: &str, three: impl Into<OwnedFd>, four: impl Into<OwnedFd>) -> Child {
    let script = "exec 3<&0 4<&1 1>&2 0</dev/null; export LISTEN_PID=$$; exec \"$0\" \"$@\"";
    Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env("LISTEN_FDS", "2")
        .env("LISTEN_FDNAMES", "web:other")
        .stdin(Stdio::from(three.into()))
        .stdout(Stdio::from(four.into()))
        .spawn()
        .unwrap()
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn served_by_a_new_process() {
    if is_child() {
        let mut sockets = inherited().unwrap();
        assert!(inherited().unwrap().is_empty(), "once");
        let names: Vec<_> = sockets.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["web", "other"]);
        let InheritedSocket::Udp(udp) = sockets.pop().unwrap().socket else { panic!() };
        let InheritedSocket::Tcp(tcp) = sockets.pop().unwrap().socket else { panic!() };
        let done = std::sync::Arc::new(greenroom::sync::Event::new());
        let theirs = done.clone();
        let hello = StreamServer::listening([tcp], |mut s, _| s.write_all(b"from the child"));
        let stop = DatagramServer::receiving([udp], move |_| theirs.set()).unwrap();
        let hello = hello.unwrap();
        hello.start().unwrap();
        stop.start().unwrap();
        done.wait();
        let limit = Duration::from_secs(60);
        assert_eq!((hello.stop(limit).ended, stop.stop(limit).ended), (0, 0));
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mailbox = UdpSocket::bind("127.0.0.1:0").unwrap();
    let stop = mailbox.local_addr().unwrap();
    // Ours stays open: a stop in the child must not shut it down for us.
    let mut child = start("served_by_a_new_process", listener.try_clone().unwrap(), mailbox);
    let mut text = String::new();
    TcpStream::connect(address).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "from the child");
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"stop", stop).unwrap();
    assert!(child.wait().unwrap().success());

    listener.set_nonblocking(false).unwrap(); // the child's doing
    let waiting = std::thread::spawn(move || TcpStream::connect(address).unwrap());
    listener.accept().unwrap();
    waiting.join().unwrap();
}

/// A process of greenroom's that had them before has left them non-blocking, or
/// whoever opened them wants them so: here they wait all the same.
#[test]
fn listeners_block_in_whatever_mode_they_come() {
    if is_child() {
        let mut sockets = inherited().unwrap();
        let InheritedSocket::Unix(unix) = sockets.pop().unwrap().socket else { panic!() };
        let InheritedSocket::Tcp(tcp) = sockets.pop().unwrap().socket else { panic!() };
        let bare = tcp.as_fd().try_clone_to_owned().unwrap();
        let bare = greenroom::net::TcpListener::from(bare);
        let nothing = greenroom::spawn(move || bare.accept().unwrap_err().kind());
        assert_eq!(nothing.join().unwrap(), ErrorKind::WouldBlock, "its mode is kept");

        let (address, path) = (tcp.local_addr().unwrap(), unix.local_addr().unwrap());
        let accepting = greenroom::spawn(move || {
            tcp.accept().unwrap();
            unix.accept().unwrap();
            (tcp, unix)
        });
        greenroom::sleep(Duration::from_millis(10));
        let connect = || {
            let unix = UnixStream::connect(path.as_pathname().unwrap()).unwrap();
            (TcpStream::connect(address).unwrap(), unix)
        };
        let _first = connect();
        let (tcp, unix) = accepting.join().unwrap();
        let accepting = std::thread::spawn(move || {
            tcp.accept().unwrap();
            unix.accept().unwrap();
            TcpListener::from(tcp).accept().unwrap();
        });
        std::thread::sleep(Duration::from_millis(10));
        let _second = connect();
        std::thread::sleep(Duration::from_millis(10));
        let _third = connect();
        return accepting.join().unwrap();
    }
    let path = std::env::temp_dir().join(format!("greenroom-blocking-{}", std::process::id()));
    let unix = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    unix.set_nonblocking(true).unwrap();
    tcp.set_nonblocking(true).unwrap();
    let status = start("listeners_block_in_whatever_mode_they_come", tcp, unix).wait().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(status.success());
}

#[test]
fn of_unix_sockets_and_of_no_socket() {
    if is_child() {
        let mut sockets = inherited().unwrap();
        let InheritedSocket::Other(_) = sockets.pop().unwrap().socket else { panic!() };
        let InheritedSocket::Unix(unix) = sockets.pop().unwrap().socket else { panic!() };
        let server = StreamServer::listening([unix], |mut s, _| s.write_all(b"unix")).unwrap();
        let address = server.local_addr().unwrap();
        server.start().unwrap();
        let path = address.as_pathname().unwrap();
        let mut text = String::new();
        UnixStream::connect(path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "unix");
        server.stop(Duration::from_secs(60));
        assert!(path.exists(), "it was bound by another");
        return;
    }
    let path = std::env::temp_dir().join(format!("greenroom-inherited-{}", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let mut child = start("of_unix_sockets_and_of_no_socket", listener, file);
    let status = child.wait().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(status.success());
}

#[test]
fn none_if_they_are_another_processes() {
    if is_child() {
        return assert!(inherited().unwrap().is_empty());
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "none_if_they_are_another_processes", "--nocapture"]);
    command.env(CHILD, "1").env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    run(&mut command).assert_success();
}
