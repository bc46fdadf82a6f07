//! Sockets that are no TCP: UDP and Unix sockets of all three sorts.

#[macro_use]
mod common_net;

use common_net::c::{self, unix_pair};
use common_net::{Place, all_done, done, green, ms, os, os_thread, patched, pattern, settle};
use libc::{MSG_WAITALL, SCM_RIGHTS, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET, c_int};
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

#[test]
fn udp_goes_both_ways() {
    patched(1);
    green(|| {
        let (a, b) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
        let (a, b) = (a.unwrap(), b.unwrap());
        let to = b.local_addr().unwrap();
        let answering = greenroom::spawn(move || {
            let mut buf = [0; 64];
            for _ in 0..100 {
                let (n, from) = b.recv_from(&mut buf).unwrap();
                assert_eq!(b.send_to(&buf[..n], from).unwrap(), n);
            }
        });
        let mut buf = [0; 64];
        for i in 0..100 {
            let bytes = pattern(i % 60, i); // empty ones as well
            assert_eq!(a.send_to(&bytes, to).unwrap(), bytes.len());
            assert_eq!(a.recv_from(&mut buf).unwrap(), (bytes.len(), to));
            assert_eq!(&buf[..bytes.len()], bytes);
        }
        done(answering);
    });
}

/// Fifty share one socket; each datagram goes to one of them, and none waits
/// while there are some.
#[test]
fn many_share_a_udp_socket() {
    patched(1);
    const EACH: usize = 20;
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
    let (to, seen) = (socket.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
    let receivers: Vec<_> = (0..50)
        .map(|_| {
            let (socket, seen) = (socket.clone(), seen.clone());
            greenroom::spawn(move || {
                let mut got = Vec::new();
                for _ in 0..EACH {
                    let mut buf = [0; 8];
                    assert_eq!(socket.recv(&mut buf).unwrap(), 8);
                    got.push(u64::from_ne_bytes(buf));
                    seen.fetch_add(1, SeqCst);
                }
                got
            })
        })
        .collect();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for i in 0..1000u64 {
        sender.send_to(&i.to_ne_bytes(), to).unwrap();
        if i % 40 == 39 {
            // Not more at a time than the socket's buffer holds.
            common_net::until(|| u64::from(seen.load(SeqCst)) > i);
        }
    }
    let mut all = all_done(receivers).concat();
    all.sort_unstable();
    assert_eq!(all, (0..1000).collect::<Vec<_>>());
}

/// What blocked readers of datagrams get when the socket is shut down.
fn shut_down_under_a_reader(fds: [c_int; 2]) -> i64 {
    let shutting = os_thread(move || {
        settle();
        settle();
        c!(libc::shutdown(fds[0], libc::SHUT_RDWR))
    });
    let got = c::read(fds[0], &mut [0; 8]);
    common_net::os_done(shutting);
    got
}

#[test]
fn shutting_down_wakes_readers_of_datagrams() {
    patched(1);
    let unix = || shut_down_under_a_reader(unix_pair(SOCK_DGRAM));
    let udp = || {
        let fds = [(); 2].map(|()| c::socket(libc::AF_INET, SOCK_DGRAM));
        let to = fds.map(c::bind);
        assert_eq!(c::connect(fds[0], to[1]), 0);
        shut_down_under_a_reader(fds)
    };
    assert_eq!((os(unix), os(udp)), (0, 0));
    assert_eq!((green(unix), green(udp)), (0, 0));
}

/// The other's queue is full: the kernel does not report when there is room,
/// unless they are connected.
#[test]
fn sending_datagrams_waits_for_a_slow_reader() {
    patched(1);
    for connected in [false, true] {
        let place = Place::new();
        let (path, reader) = (place.0.clone(), UnixDatagram::bind(&place.0).unwrap());
        let received = greenroom::spawn(move || {
            let mut buf = [0; 8];
            (0..200)
                .map(|_| {
                    thread::yield_now();
                    reader.recv(&mut buf).unwrap();
                    buf[0]
                })
                .collect::<Vec<_>>()
        });
        let sent = greenroom::spawn(move || {
            let socket = UnixDatagram::unbound().unwrap();
            if connected {
                socket.connect(&path).unwrap();
            }
            for i in 0..200u8 {
                match connected {
                    true => socket.send(&[i]).unwrap(),
                    false => socket.send_to(&[i], &path).unwrap(),
                };
            }
        });
        done(sent);
        assert_eq!(done(received), (0..200).collect::<Vec<_>>());
    }
}

#[test]
fn unix_streams_echo_and_connect_to_a_full_listener() {
    patched(1);
    let place = Place::new();
    let listener = UnixListener::bind(&place.0).unwrap();
    assert_eq!(c!(libc::listen(listener.as_raw_fd(), 1)), 0);
    let clients: Vec<_> = (0..20u8)
        .map(|i| {
            let path = place.0.clone();
            greenroom::spawn(move || {
                let mut stream = UnixStream::connect(path).unwrap();
                stream.write_all(&[i; 10]).unwrap();
                let mut buf = [0; 10];
                stream.read_exact(&mut buf).unwrap();
                assert_eq!(buf, [i; 10]);
            })
        })
        .collect();
    let server = greenroom::spawn(move || {
        thread::sleep(ms(20)); // the queue fills
        for _ in 0..20 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buf = [0; 10];
            stream.read_exact(&mut buf).unwrap();
            stream.write_all(&buf).unwrap();
        }
    });
    all_done(clients);
    done(server);
}

#[test]
fn a_long_write_to_a_unix_stream() {
    patched(1);
    green(|| {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let writer = greenroom::spawn(move || here.write_all(&pattern(4 << 20, 5)).unwrap());
        let mut got = Vec::new();
        there.read_to_end(&mut got).unwrap();
        done(writer);
        assert!(got == pattern(4 << 20, 5));
    });
}

/// Sends one byte, and `fd` with it.
fn send_fd(over: c_int, fd: c_int, byte: &mut [u8]) {
    let mut list = [c::iovec(byte)];
    let mut msg = c::header(&mut list);
    let mut control = [0u64; 8];
    msg.msg_control = control.as_mut_ptr().cast();
    // SAFETY: `control` has room for one descriptor, and is aligned for it.
    unsafe {
        msg.msg_controllen = libc::CMSG_SPACE(4) as usize;
        let head = libc::CMSG_FIRSTHDR(&msg);
        ((*head).cmsg_level, (*head).cmsg_type) = (SOL_SOCKET, SCM_RIGHTS);
        (*head).cmsg_len = libc::CMSG_LEN(4) as usize;
        libc::CMSG_DATA(head).cast::<c_int>().write_unaligned(fd);
    }
    assert_eq!(c!(libc::sendmsg(over, &msg, 0)), byte.len() as i64);
}

/// Receives into a buffer of four; how much came, and the descriptor.
fn recv_fd(over: c_int, flags: c_int) -> (i64, Option<c_int>) {
    let mut buf = [0; 4];
    let mut list = [c::iovec(&mut buf)];
    let mut msg = c::header(&mut list);
    let mut control = [0u64; 8];
    (msg.msg_control, msg.msg_controllen) = (control.as_mut_ptr().cast(), 64);
    let n = c!(libc::recvmsg(over, &mut msg, flags));
    // SAFETY: the kernel has filled `control` as `msg` says.
    let fd = unsafe {
        let head = libc::CMSG_FIRSTHDR(&msg);
        head.as_ref().map(|_| libc::CMSG_DATA(head).cast::<c_int>().read_unaligned())
    };
    (n, fd)
}

/// Descriptors come with their bytes, and one that arrives is a socket that
/// parks like any other.
fn passing(flags: c_int) -> Vec<i64> {
    let [here, there] = unix_pair(SOCK_STREAM);
    let [one, other] = unix_pair(SOCK_STREAM);
    let sender = os_thread(move || {
        settle();
        assert_eq!(c::write(here, b"a"), 1);
        send_fd(here, one, b"b".to_vec().as_mut_slice());
        assert_eq!(c::write(here, b"cd"), 2);
        assert_eq!((c::close(one), c::close(here)), (0, 0));
    });
    let (mut counts, mut passed) = (Vec::new(), None);
    loop {
        let (n, fd) = recv_fd(there, flags);
        counts.push(if fd.is_some() { n + 100 } else { n });
        passed = passed.or(fd);
        if n == 0 {
            break;
        }
    }
    common_net::os_done(sender);
    let passed = passed.expect("the descriptor was lost");
    let writer = os_thread(move || {
        settle();
        c::write(other, b"hello")
    });
    counts.push(c::read(passed, &mut [0; 8]));
    common_net::os_done(writer);
    assert_eq!([passed, other, there].map(c::close), [0; 3]);
    counts
}

#[test]
fn descriptors_are_passed_with_their_bytes() {
    patched(1);
    let sum = |counts: Vec<i64>| counts.iter().map(|n| n % 100).sum::<i64>();
    assert_eq!(sum(green(|| passing(0))), 4 + 5);
    assert_eq!(green(|| passing(MSG_WAITALL)), os(|| passing(MSG_WAITALL)));
}

#[test]
fn packets_stay_apart() {
    patched(1);
    green(|| {
        let [here, there] = unix_pair(SOCK_SEQPACKET);
        let sender = greenroom::spawn(move || {
            for part in [&b"ab"[..], b"cde", b"f"] {
                assert_eq!(c::write(here, part), part.len() as i64);
                thread::yield_now();
            }
            c::close(here)
        });
        let mut buf = [0; 64];
        let got = (0..4).map(|_| c::recv(there, &mut buf, MSG_WAITALL)).collect::<Vec<_>>();
        assert_eq!(got, [2, 3, 1, 0]);
        done(sender);
        c::close(there);
    });
}

/// Names that are in no file system.
#[test]
fn abstract_names() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    patched(1);
    let name = format!("greenroom-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    let server = greenroom::spawn(move || {
        for _ in 0..10 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buf = [0; 3];
            stream.read_exact(&mut buf).unwrap();
            stream.write_all(&buf).unwrap();
        }
    });
    let clients = (0..10u8).map(|i| {
        let address = address.clone();
        greenroom::spawn(move || {
            let mut stream = UnixStream::connect_addr(&address).unwrap();
            thread::yield_now();
            stream.write_all(&[i; 3]).unwrap();
            let mut buf = [0; 3];
            stream.read_exact(&mut buf).unwrap();
            assert_eq!(buf, [i; 3]);
        })
    });
    all_done(clients.collect::<Vec<_>>());
    done(server);
}
