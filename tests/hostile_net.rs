//! Each scenario runs on an OS thread (the kernel's truth) and on a green
//! thread, and must come out the same.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "plain C on the test's own descriptors and buffers, wrong where the kernel says so"
)]

use libc::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::Once;
use std::sync::mpsc;
use std::time::{Duration, Instant};

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        greenroom::patch_all().unwrap();
    });
}

const PATIENCE: Duration = Duration::from_secs(100);

fn on_os<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    init();
    let (tx, rx) = mpsc::channel();
    greenroom::patch::native(|| std::thread::spawn(move || tx.send(f())));
    rx.recv_timeout(PATIENCE).ok()
}

fn on_green<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    init();
    let (tx, rx) = mpsc::channel();
    let h = greenroom::spawn(move || {
        let _ = tx.send(f());
    });
    std::mem::forget(h);
    rx.recv_timeout(PATIENCE).ok()
}

fn both<T: Send + 'static + PartialEq + std::fmt::Debug>(
    f: impl FnOnce() -> T + Send + 'static + Clone,
) {
    let truth = on_os(f.clone());
    let ours = on_green(f);
    eprintln!("kernel: {truth:?}\nours:   {ours:?}");
    assert!(truth.is_some(), "it takes too long in the kernel as well");
    assert_eq!(truth, ours);
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap()
}

fn nap(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let l = TcpListener::bind("127.0.0.1:0").unwrap();
    let a = TcpStream::connect(l.local_addr().unwrap()).unwrap();
    (a, l.accept().unwrap().0)
}

/// Runs `f` on an OS thread of its own, detached.
fn beside(f: impl FnOnce() + Send + 'static) {
    greenroom::patch::native(|| std::thread::spawn(f));
}

/// Registers `s` with the reactor and lets the first event be consumed.
fn warm(a: &TcpStream, b: &TcpStream) {
    let mut b2 = b.try_clone().unwrap();
    beside(move || {
        nap(30);
        b2.write_all(b"!").unwrap();
    });
    let mut x = [0; 1];
    let mut a = a;
    a.read_exact(&mut x).unwrap();
    nap(30);
}

#[test]
fn unix_datagram_to_a_full_receiver() {
    // What else the worker does would count.
    alone_on_one("unix_datagram_to_a_full_receiver", || {
        both(|| {
            let path = std::env::temp_dir().join(format!("greenroom-full-{}", std::process::id()));
            let rx = UnixDatagram::bind(&path).unwrap();
            let tx = UnixDatagram::unbound().unwrap();
            let mut n = 0;
            let others: Vec<_> = (0..20).map(|_| UnixDatagram::unbound().unwrap()).collect();
            for other in &others {
                other.set_nonblocking(true).unwrap();
                while other.send_to(b"o", &path).is_ok() {
                    n += 1;
                }
            }
            beside(move || {
                nap(300);
                let mut b = [0; 10];
                for _ in 0..n {
                    rx.recv(&mut b).unwrap();
                }
                nap(10000);
            });
            let cpu = || {
                let mut r: rusage = unsafe { std::mem::zeroed() };
                unsafe { getrusage(RUSAGE_THREAD, &mut r) };
                (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000
                    + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1000
            };
            let before = cpu();
            tx.send_to(b"x", &path).unwrap();
            let took = cpu() - before;
            std::fs::remove_file(&path).unwrap();
            ("sent", took < 100)
        });
    });
}

#[test]
fn unix_datagram_connected_to_a_full_receiver() {
    both(|| {
        let (tx, rx) = UnixDatagram::pair().unwrap();
        beside(move || {
            nap(300);
            let mut b = [0; 10];
            for _ in 0..4000 {
                rx.recv(&mut b).unwrap();
            }
        });
        for _ in 0..4000 {
            tx.send(b"x").unwrap();
        }
        "all sent"
    });
}

#[test]
fn waitall_on_seqpacket() {
    both(|| unsafe {
        let mut p = [0; 2];
        assert_eq!(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p.as_mut_ptr()), 0);
        send(p[0], b"abc".as_ptr().cast(), 3, 0);
        send(p[0], b"defg".as_ptr().cast(), 4, 0);
        let mut b = [0u8; 100];
        recv(p[1], b.as_mut_ptr().cast(), 7, MSG_WAITALL)
    });
}

#[test]
fn peek_waitall() {
    both(|| unsafe {
        let (a, mut b) = tcp_pair();
        beside(move || {
            for _ in 0..10 {
                let _ = b.write_all(b"x");
                nap(30);
            }
            nap(1000);
        });
        let mut buf = [0u8; 100];
        recv(a.as_raw_fd(), buf.as_mut_ptr().cast(), 10, MSG_WAITALL | MSG_PEEK)
    });
}

/// A listener that drops SYNs, until `drain`ed.
fn stuffed() -> (TcpListener, Vec<i32>) {
    unsafe {
        let fd = socket(AF_INET, SOCK_STREAM, 0);
        let mut a: sockaddr_in = std::mem::zeroed();
        a.sin_family = AF_INET as u16;
        a.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
        assert_eq!(bind(fd, (&raw const a).cast(), 16), 0);
        assert_eq!(listen(fd, 0), 0);
        let l = TcpListener::from_raw_fd(fd);
        let addr = l.local_addr().unwrap();
        a.sin_port = addr.port().to_be();
        let mut held = Vec::new();
        for _ in 0..3 {
            let c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            connect(c, (&raw const a).cast(), 16);
            nap(50);
            held.push(c);
        }
        (l, held)
    }
}

#[test]
fn a_second_connect_waits_for_the_first() {
    both(|| unsafe {
        let (l, _held) = stuffed();
        let mut a: sockaddr_in = std::mem::zeroed();
        a.sin_family = AF_INET as u16;
        a.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
        a.sin_port = l.local_addr().unwrap().port().to_be();
        let c = socket(AF_INET, SOCK_STREAM, 0);
        let set = |ms: i64| {
            let tv = timeval { tv_sec: ms / 1000, tv_usec: ms % 1000 * 1000 };
            setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, (&raw const tv).cast(), 16);
        };
        set(100);
        let go = || {
            let start = Instant::now();
            let r = connect(c, (&raw const a).cast(), 16);
            (r, if r < 0 { errno() } else { 0 }, start.elapsed() > Duration::from_millis(80))
        };
        let first = go();
        let second = go();
        beside(move || {
            nap(100);
            loop {
                std::mem::forget(l.accept()); // makes room until all are in
            }
        });
        set(0);
        let third = go().0;
        (first, second, third)
    });
}

#[test]
fn a_write_from_memory_that_ends() {
    both(|| unsafe {
        let (a, b) = tcp_pair();
        warm(&a, &b);
        let len = 1 << 20;
        let page = mmap(
            std::ptr::null_mut(),
            len,
            PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS,
            -1,
            0,
        );
        munmap(page.byte_add(len / 8), len / 2);
        write(a.as_raw_fd(), page, len) > 0
    });
}

#[test]
fn a_reset_after_a_part() {
    both(|| {
        let (mut a, b) = tcp_pair();
        beside(move || {
            let mut one = [0; 1];
            let mut b = b;
            b.read_exact(&mut one).unwrap();
            nap(300);
            drop(b);
        });
        let big = vec![0; 64 << 20];
        let first = a.write(&big).map(|n| n > 0).map_err(|e| e.raw_os_error());
        let second = a.write(&big).map_err(|e| e.raw_os_error());
        (first, second)
    });
}

#[test]
fn send_timeout_is_for_the_whole_call() {
    both(|| {
        let (mut a, mut b) = tcp_pair();
        a.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        beside(move || {
            let mut buf = vec![0; 1 << 20];
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(20) {
                nap(50);
                if b.read(&mut buf).is_err() {
                    return;
                }
            }
        });
        let start = Instant::now();
        let n = a.write(&vec![0; 512 << 20]);
        (n.is_ok(), start.elapsed() < Duration::from_secs(8))
    });
}

#[test]
fn receive_timeout_is_for_the_whole_call() {
    both(|| unsafe {
        let (a, mut b) = tcp_pair();
        a.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        beside(move || {
            for _ in 0..90 {
                nap(100);
                let _ = b.write_all(b"x");
            }
        });
        let mut buf = [0u8; 100];
        let start = Instant::now();
        let n = recv(a.as_raw_fd(), buf.as_mut_ptr().cast(), 100, MSG_WAITALL);
        (n < 50, start.elapsed() < Duration::from_secs(5))
    });
}

#[test]
fn receive_low_water_mark() {
    both(|| unsafe {
        let (a, mut b) = tcp_pair();
        let low = 10;
        setsockopt(a.as_raw_fd(), SOL_SOCKET, SO_RCVLOWAT, (&raw const low).cast(), 4);
        beside(move || {
            for _ in 0..10 {
                let _ = b.write_all(b"x");
                nap(30);
            }
            nap(1000);
        });
        let mut buf = [0u8; 100];
        recv(a.as_raw_fd(), buf.as_mut_ptr().cast(), 100, 0)
    });
}

#[test]
fn below_the_low_water_mark_but_enough() {
    both(|| unsafe {
        let (a, mut b) = tcp_pair();
        warm(&a, &b);
        let low = 100;
        setsockopt(a.as_raw_fd(), SOL_SOCKET, SO_RCVLOWAT, (&raw const low).cast(), 4);
        let mut buf = [0u8; 1000];
        b.write_all(&[1; 150]).unwrap();
        nap(50);
        let n = recv(a.as_raw_fd(), buf.as_mut_ptr().cast(), 1000, 0);
        b.write_all(&[1; 30]).unwrap();
        nap(50);
        (n, recv(a.as_raw_fd(), buf.as_mut_ptr().cast(), 10, 0))
    });
}

/// So many bytes, and then an urgent one: as the kernel has it.
fn has_urgent_after(fd: i32, bytes: i32) -> bool {
    let mut it = pollfd { fd, events: POLLPRI, revents: 0 };
    let mut there = 0;
    // SAFETY: one of those, and no time; an out pointer.
    unsafe {
        syscall(SYS_poll, &raw mut it, 1, 0);
        assert_eq!(ioctl(fd, FIONREAD, &mut there), 0);
    }
    it.revents & POLLPRI != 0 && there == bytes
}

#[test]
fn urgent_byte_taken_first() {
    both(|| unsafe {
        let (a, mut b) = tcp_pair();
        warm(&a, &b);
        b.write_all(b"abc").unwrap();
        send(b.as_raw_fd(), b"x".as_ptr().cast(), 1, MSG_OOB);
        b.write_all(b"def").unwrap();
        // No green thread runs meanwhile.
        let mut x = [0u8; 100];
        let fd = a.as_raw_fd();
        while !has_urgent_after(fd, 3) {}
        let end = Instant::now() + Duration::from_millis(50); // and what comes after that
        while Instant::now() < end {}
        let oob = recv(fd, x.as_mut_ptr().cast(), 1, MSG_OOB);
        nap(50);
        let one = recv(fd, x.as_mut_ptr().cast(), 100, 0);
        let two = recv(fd, x.as_mut_ptr().cast(), 100, 0);
        (oob, one, two)
    });
}

#[test]
fn poll_of_nothing_and_of_files() {
    both(|| unsafe {
        let null = (poll(std::ptr::null_mut(), 1, 50), errno());
        let file = std::fs::File::open("/etc/passwd").unwrap();
        let mut p = pollfd { fd: file.as_raw_fd(), events: 0, revents: 7 };
        let n = poll(&mut p, 1, 50);
        let e = if n < 0 { errno() } else { 0 };
        let mut q = [p; 2];
        let many = (poll(q.as_mut_ptr(), 1 << 40, 50), errno());
        (null, n, e, p.revents, many)
    });
}

#[test]
fn vectored_of_nothing() {
    both(|| unsafe {
        let rx = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tx = UdpSocket::bind("127.0.0.1:0").unwrap();
        tx.connect(rx.local_addr().unwrap()).unwrap();
        let v = iovec { iov_base: b"".as_ptr() as *mut _, iov_len: 0 };
        let n = writev(tx.as_raw_fd(), &v, 1);
        rx.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut b = [0; 10];
        (n, rx.recv(&mut b).is_ok(), readv(rx.as_raw_fd(), &v, 1))
    });
}

#[test]
fn accept_on_what_does_not_listen_leaves_its_mode() {
    init();
    let (a, mut b) = tcp_pair();
    let fd = a.as_raw_fd();
    on_green(move || unsafe { accept(fd, std::ptr::null_mut(), std::ptr::null_mut()) }).unwrap();
    beside(move || {
        nap(100);
        let _ = b.write_all(b"x");
        nap(1000);
    });
    let mut a = a;
    let mut x = [0; 1];
    assert_eq!(on_os(move || a.read(&mut x).map_err(|e| e.raw_os_error())), Some(Ok(1)));
}

fn unknown_listener() -> TcpListener {
    let l = TcpListener::bind("127.0.0.1:0").unwrap();
    // As one that was inherited: a number that no shim has seen.
    unsafe {
        let n = syscall(SYS_dup, l.as_raw_fd()) as i32;
        drop(l);
        TcpListener::from_raw_fd(n)
    }
}

#[test]
fn a_duplicate_of_an_inherited_listener_blocks() {
    init();
    let l = unknown_listener();
    let l2 = l.try_clone().unwrap();
    let addr = l.local_addr().unwrap();
    beside(move || {
        nap(200);
        let c = TcpStream::connect(addr).unwrap();
        nap(200);
        let d = TcpStream::connect(addr).unwrap();
        std::mem::forget((c, d));
    });
    assert!(on_green(move || l.accept().is_ok()).unwrap());
    assert_eq!(unsafe { fcntl(l2.as_raw_fd(), F_GETFL) } & O_NONBLOCK, 0);
    assert_eq!(on_green(move || l2.accept().map(|_| ()).map_err(|e| e.kind())), Some(Ok(())));
}

#[test]
fn a_closed_duplicate_leaves_nothing_to_its_number() {
    apart("a_closed_duplicate_leaves_nothing_to_its_number", || {
        init();
        let l = unknown_listener();
        let l2 = l.try_clone().unwrap();
        let number = l.as_raw_fd();
        drop(l);
        let mut p = [0; 2];
        unsafe {
            assert_eq!(pipe(p.as_mut_ptr()), 0);
            if p[0] != number {
                assert_eq!(syscall(SYS_dup2, p[0], number) as i32, number);
            }
        }
        let addr = l2.local_addr().unwrap();
        beside(move || {
            nap(100);
            std::mem::forget(TcpStream::connect(addr).unwrap());
        });
        assert!(on_green(move || l2.accept().is_ok()).unwrap());
        unsafe {
            assert_eq!(fcntl(number, F_SETFL, O_NONBLOCK), 0);
            assert_ne!(fcntl(number, F_GETFL) & O_NONBLOCK, 0, "the pipe is non-blocking");
        }
    });
}

#[test]
fn a_lingering_close_holds_up_nobody() {
    init();
    let (a, b) = tcp_pair();
    let l = linger { l_onoff: 1, l_linger: 60 };
    unsafe { setsockopt(a.as_raw_fd(), SOL_SOCKET, SO_LINGER, (&raw const l).cast(), 8) };
    a.set_nonblocking(true).unwrap();
    let mut a2 = &a;
    while a2.write(&[0; 65536]).is_ok() {}
    a.set_nonblocking(false).unwrap();
    // Several close at once, so that a low number is free.
    let number = a.as_raw_fd();
    beside(move || drop(a));
    nap(200);
    let start = Instant::now();
    let mut got = Vec::new();
    loop {
        let s = unsafe { socket(AF_INET, SOCK_STREAM, 0) };
        got.push(s);
        if s >= number {
            break;
        }
    }
    let took = start.elapsed();
    eprintln!("{number} {got:?} {took:?}");
    for s in got {
        unsafe { close(s) };
    }
    drop(b);
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn one_who_was_woken_reads_no_later_file() {
    // On one worker, so run in the order that hurts.
    alone_on_one("one_who_was_woken_reads_no_later_file", || {
        init();
        let wrong = on_green(|| {
            for turns in 0..140 {
                let (a, mut b) = UnixStream::pair().unwrap();
                let fd = a.as_raw_fd();
                let h = greenroom::spawn(move || unsafe {
                    let mut x = [0u8; 8];
                    let n = read(fd, x.as_mut_ptr().cast(), 8);
                    (n, x[0])
                });
                if !h.is_finished() && turns == 0 {
                    greenroom::yield_now();
                }
                greenroom::sleep(Duration::from_millis(2));
                b.write_all(b"o").unwrap();
                for _ in 0..turns {
                    greenroom::yield_now();
                }
                drop(a);
                let (c, mut d) = UnixStream::pair().unwrap();
                d.write_all(b"N").unwrap();
                let r = h.join().unwrap();
                if r.1 == b'N' {
                    return Some(turns);
                }
                drop((c, d));
            }
            None
        });
        assert_eq!(wrong, Some(None), "after so many turns it read what is not its own");
    });
}

#[test]
fn a_number_closed_behind_our_back() {
    apart("a_number_closed_behind_our_back", || {
        both(|| {
            let (a, _b) = tcp_pair();
            let (a2, b2) = tcp_pair();
            warm(&a2, &b2);
            let n = a2.into_raw_fd();
            unsafe { syscall(SYS_close, n) };
            let (mut d, mut c) = UnixStream::pair().unwrap();
            eprintln!("{n} {} {}", c.as_raw_fd(), d.as_raw_fd());
            let _ = &a;
            beside(move || {
                nap(100);
                d.write_all(b"x").unwrap();
                nap(500);
            });
            let mut x = [0; 1];
            c.read(&mut x).map_err(|e| e.raw_os_error())
        });
    });
}

#[test]
fn mptcp_connect() {
    both(|| unsafe {
        let l = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut a: sockaddr_in = std::mem::zeroed();
        a.sin_family = AF_INET as u16;
        a.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
        a.sin_port = l.local_addr().unwrap().port().to_be();
        let c = socket(AF_INET, SOCK_STREAM, 262);
        if c < 0 {
            eprintln!("no mptcp: {}", errno());
            return (0, 0);
        }
        let r = connect(c, (&raw const a).cast(), 16);
        (r, if r < 0 { errno() } else { 0 })
    });
}

#[test]
fn a_vforked_child_closes_only_its_own() {
    init();
    let (a, mut b) = UnixStream::pair().unwrap();
    let fd = a.as_raw_fd();
    let (tx, rx) = mpsc::channel();
    greenroom::spawn(move || {
        let mut x = [0u8; 1];
        let n = unsafe { read(fd, x.as_mut_ptr().cast(), 1) };
        tx.send((n, if n < 0 { errno() } else { 0 })).unwrap();
    });
    nap(100);
    unsafe {
        #[allow(deprecated)]
        let pid = vfork();
        if pid == 0 {
            close(fd);
            _exit(0);
        }
        waitpid(pid, std::ptr::null_mut(), 0);
    }
    nap(50);
    b.write_all(b"x").unwrap();
    assert_eq!(rx.recv_timeout(PATIENCE), Ok((1, 0)));
    drop(a);
}

#[test]
fn a_forked_child_accepts_as_before() {
    init();
    let l = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = l.local_addr().unwrap();
    beside(move || {
        nap(100);
        std::mem::forget(TcpStream::connect(addr).unwrap());
        nap(300);
        std::mem::forget(TcpStream::connect(addr).unwrap());
    });
    let l2 = l.try_clone().unwrap();
    assert!(on_green(move || l2.accept().is_ok()).unwrap());
    unsafe {
        let pid = fork();
        if pid == 0 {
            let fd = accept(l.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut());
            _exit(if fd >= 0 { 0 } else { errno() });
        }
        let mut status = 0;
        waitpid(pid, &mut status, 0);
        assert_eq!(WEXITSTATUS(status), 0, "accept in a fork's child fails with this errno");
    }
}

#[test]
fn a_child_forked_before_the_start_keeps_its_own_table() {
    apart("a_child_forked_before_the_start_keeps_its_own_table", || {
        init();
        let pid = unsafe { fork() };
        if pid != 0 {
            let mut status = 0;
            unsafe { waitpid(pid, &mut status, 0) };
            assert_eq!(status, 0, "its reader was not told of the close");
            return;
        }
        let (a, _b) = UnixStream::pair().unwrap();
        let fd = a.into_raw_fd();
        let reader = greenroom::spawn(move || {
            let mut x = [0u8; 1];
            unsafe { read(fd, x.as_mut_ptr().cast(), 1) < 0 && errno() == EBADF }
        });
        nap(100);
        unsafe { close(fd) };
        let told = reader.join_timeout(PATIENCE).is_ok_and(|told| told.unwrap_or(false));
        unsafe { _exit(if told { 0 } else { 1 }) }
    });
}

#[test]
fn guards_survive_a_fork() {
    // A green thread that overflows in a fork's child dies of it, also there.
    init();
    #[inline(never)]
    fn deep(n: usize) -> usize {
        let a = std::hint::black_box([n; 512]);
        if n == 0 { 0 } else { deep(n - 1) + a[3] }
    }
    let status = on_green(|| unsafe {
        let pid = fork();
        if pid == 0 {
            let none = rlimit { rlim_cur: 0, rlim_max: 0 };
            setrlimit(RLIMIT_CORE, &none);
            std::hint::black_box(deep(1 << 20));
            _exit(0);
        }
        let mut status = 0;
        waitpid(pid, &mut status, 0);
        status
    });
    assert!(WIFSIGNALED(status.unwrap()), "{status:?}");
}

/// Runs this test binary again for one test, as a child.
fn child(test: &str, prepare: impl FnOnce(&mut std::process::Command)) -> std::process::Child {
    let mut c = std::process::Command::new(std::env::current_exe().unwrap());
    c.args(["--exact", test, "--nocapture"]).env("HOSTILE_NET_CHILD", "1");
    prepare(&mut c);
    c.spawn().unwrap()
}

/// Runs `deed` in a process where no other test takes, or has, the numbers that it
/// uses again.
fn apart(test: &str, deed: impl FnOnce()) {
    match std::env::var_os("HOSTILE_NET_CHILD") {
        Some(_) => deed(),
        None => assert!(child(test, |_| {}).wait().unwrap().success()),
    }
}

/// As `apart`, on one worker.
fn alone_on_one(test: &str, deed: impl FnOnce()) {
    match std::env::var_os("HOSTILE_NET_CHILD") {
        Some(_) => deed(),
        None => {
            let mut ended = child(test, |c| {
                c.env("GREENROOM_WORKERS", "1");
            });
            assert!(ended.wait().unwrap().success());
        }
    }
}

#[test]
fn stdout_is_a_socket() {
    if std::env::var_os("HOSTILE_NET_CHILD").is_some() {
        init();
        let all: Vec<_> = (0..4)
            .map(|n| {
                greenroom::spawn(move || {
                    for i in 0..1000 {
                        println!("green {n} line {i}");
                    }
                })
            })
            .collect();
        let ok = greenroom::joinall(all).iter().all(Result::is_ok);
        std::process::exit(if ok { 7 } else { 8 });
    }
    let (a, mut b) = UnixStream::pair().unwrap();
    beside(move || {
        let _ = std::io::copy(&mut b, &mut std::io::sink());
    });
    let mut c = child("stdout_is_a_socket", |c| {
        c.stdout(std::os::fd::OwnedFd::from(a));
    });
    let start = Instant::now();
    let code = loop {
        if let Some(status) = c.try_wait().unwrap() {
            break status.code();
        }
        if start.elapsed() > PATIENCE {
            c.kill().unwrap();
            panic!("it hangs");
        }
        nap(20);
    };
    assert_eq!(code, Some(7));
}

/// pthread_cancel of an OS thread in a shim.
fn cancelled(deed: extern "C" fn(*mut c_void) -> *mut c_void, arg: usize) -> bool {
    unsafe extern "C" {
        fn pthread_cancel(thread: pthread_t) -> c_int;
    }
    unsafe {
        let mut t: pthread_t = 0;
        greenroom::patch::native(|| {
            pthread_create(&mut t, std::ptr::null(), deed, arg as *mut c_void)
        });
        nap(100);
        pthread_cancel(t);
        let mut result = std::ptr::null_mut();
        pthread_join(t, &mut result);
        result as isize == -1
    }
}

#[test]
fn cancelling_a_read_recv_poll_accept() {
    init();
    let (a, _b) = UnixStream::pair().unwrap();
    extern "C" fn reads(fd: *mut c_void) -> *mut c_void {
        let mut x = [0u8; 1];
        unsafe { read(fd as i32, x.as_mut_ptr().cast(), 1) };
        std::ptr::null_mut()
    }
    extern "C" fn recvs(fd: *mut c_void) -> *mut c_void {
        let mut x = [0u8; 1];
        unsafe { recv(fd as i32, x.as_mut_ptr().cast(), 1, 0) };
        std::ptr::null_mut()
    }
    extern "C" fn polls(fd: *mut c_void) -> *mut c_void {
        let mut p = pollfd { fd: fd as i32, events: POLLIN, revents: 0 };
        unsafe { poll(&mut p, 1, -1) };
        std::ptr::null_mut()
    }
    extern "C" fn accepts(fd: *mut c_void) -> *mut c_void {
        unsafe { accept(fd as i32, std::ptr::null_mut(), std::ptr::null_mut()) };
        std::ptr::null_mut()
    }
    let fd = a.as_raw_fd() as usize;
    let l = TcpListener::bind("127.0.0.1:0").unwrap();
    eprintln!("read");
    assert!(cancelled(reads, fd));
    eprintln!("recv");
    assert!(cancelled(recvs, fd));
    eprintln!("poll");
    assert!(cancelled(polls, fd));
    eprintln!("accept");
    assert!(cancelled(accepts, l.as_raw_fd() as usize));
}

#[test]
fn cancelling_a_close() {
    apart("cancelling_a_close", || {
        init();
        extern "C" fn closes(fd: *mut c_void) -> *mut c_void {
            unsafe {
                // The request is pending when `close` is called.
                let end = Instant::now() + Duration::from_millis(300);
                while Instant::now() < end {}
                close(fd as i32);
            }
            std::ptr::null_mut()
        }
        let s = UdpSocket::bind("127.0.0.1:0").unwrap();
        let fd = s.into_raw_fd();
        cancelled(closes, fd as usize);
        assert_eq!(
            on_os(move || unsafe { close(fd) }).map(|_| ()),
            Some(()),
            "its lock is held for ever"
        );
    });
}
