//! What happens to the descriptors of a call that moves much while it waits:
//! somebody else empties them, or closes them and uses their numbers again. No
//! byte may go from or to what a number means later.

mod common;

use common::{in_child, until};
use greenroom::patch::native;
use greenroom::{JoinHandle, offload, spawn, yield_now};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;

/// Calls of C.
macro_rules! c {
    ($call:expr) => {
        // SAFETY: valid arguments.
        unsafe { $call }
    };
}

const ONE: &[(&str, &str)] = &[("GREENROOM_WORKERS", "1"), ("GREENROOM_OFFLOAD_THREADS", "1")];

fn pipe() -> [File; 2] {
    let mut fds = [-1; 2];
    assert_eq!(c!(libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC)), 0);
    // SAFETY: just made, and nobody else's.
    fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }.into())
}

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (here, listener.accept().unwrap().0)
}

fn os_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    native(|| thread::spawn(f))
}

fn set_nonblocking(fd: i32, on: bool) {
    let status = c!(libc::fcntl(fd, libc::F_GETFL));
    let status = if on { status | libc::O_NONBLOCK } else { status & !libc::O_NONBLOCK };
    assert_eq!(c!(libc::fcntl(fd, libc::F_SETFL, status)), 0);
}

/// Writes until there is no room.
fn fill(to: &impl AsRawFd) {
    let (fd, page) = (to.as_raw_fd(), [b'.'; 4096]);
    set_nonblocking(fd, true);
    while c!(libc::write(fd, page.as_ptr().cast(), page.len())) > 0 {}
    set_nonblocking(fd, false);
}

/// Reads what is there.
fn drain(from: &impl AsRawFd) -> Vec<u8> {
    let (fd, mut page, mut all) = (from.as_raw_fd(), [0; 4096], Vec::new());
    set_nonblocking(fd, true);
    while let n @ 1.. = c!(libc::read(fd, page.as_mut_ptr().cast(), page.len())) {
        all.extend(&page[..n as usize]);
    }
    set_nonblocking(fd, false);
    all
}

/// Runs the one worker until whoever could run has waited again.
fn settle() {
    for _ in 0..20 {
        spawn(yield_now).join().unwrap();
    }
}

fn splice(from: i32, to: i32) -> JoinHandle<isize> {
    let waiting = spawn(move || c!(libc::splice(from, null_mut(), to, null_mut(), 4096, 0)));
    settle();
    assert!(!waiting.is_finished(), "there is no room");
    waiting
}

/// It waited for room, and meanwhile another took what it had found to read.
#[test]
fn a_splice_looks_at_both_ends_before_it_moves() {
    let ended = in_child(ONE, || {
        greenroom::patch_all().unwrap();
        let ((here, mut there), [room, full]) = (tcp(), pipe());
        there.write_all(b"first").unwrap();
        fill(&full);
        let waiting = splice(here.as_raw_fd(), full.as_raw_fd());
        assert_eq!((&here).read(&mut [0; 8]).unwrap(), 5);
        drain(&room);
        let other = spawn(|| 7);
        until(|| other.is_finished()); // the worker is free
        there.write_all(b"second").unwrap();
        assert_eq!(waiting.join().unwrap(), 6);
        assert_eq!(drain(&room), b"second");
    });
    ended.assert_success();
}

#[test]
fn a_splice_takes_nothing_from_a_later_owner() {
    let ended = in_child(ONE, || {
        greenroom::patch_all().unwrap();
        let ([from, mut old], [later, mut new], [room, full]) = (pipe(), pipe(), pipe());
        old.write_all(b"old").unwrap();
        new.write_all(b"new").unwrap();
        fill(&full);
        let waiting = splice(from.as_raw_fd(), full.as_raw_fd());
        assert!(c!(libc::dup2(later.as_raw_fd(), from.as_raw_fd())) >= 0);
        let mut came = drain(&room);
        waiting.join().unwrap();
        came.extend(drain(&room));
        assert!(!came.ends_with(b"new"), "it was another's");
        assert_eq!(drain(&later), b"new");
    });
    ended.assert_success();
}

const LONG: usize = 8 << 20;

/// A file of so many of one letter, of which nothing is in memory, and its
/// name removed; `None` where files live in memory.
fn cold_file(letter: u8) -> Option<File> {
    let name = format!("bulk-reuse-{}-{letter}", std::process::id());
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, vec![letter; LONG]).unwrap();
    let file = File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file.sync_all().unwrap();
    let fd = file.as_raw_fd();
    assert_eq!(c!(libc::posix_fadvise(fd, 0, 0, libc::POSIX_FADV_DONTNEED)), 0);
    let mut byte = 0_u8;
    let list = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let cold = c!(libc::preadv2(fd, &list, 1, 0, libc::RWF_NOWAIT)) < 0;
    cold.then_some(file)
}

fn warm_file(letter: u8) -> File {
    // SAFETY: a C string.
    let fd = unsafe { libc::memfd_create(c"warm".as_ptr(), libc::MFD_CLOEXEC) };
    // SAFETY: just made, and nobody else's.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.write_all(&vec![letter; LONG]).unwrap();
    file
}

/// Keeps the only thread of the pool; it ends when the sender is used.
fn keep_the_pool() -> (JoinHandle<()>, mpsc::Sender<()>) {
    let (begun, begins) = mpsc::channel();
    let (go, wait) = mpsc::channel();
    let keeping = spawn(move || {
        offload(move || {
            begun.send(()).unwrap();
            wait.recv().unwrap();
        })
    });
    begins.recv().unwrap();
    (keeping, go)
}

fn send_file(to: i32, file: i32) -> JoinHandle<isize> {
    spawn(move || {
        let mut at = 0;
        c!(libc::sendfile(to, file, &mut at, LONG))
    })
}

#[test]
fn sendfile_sends_one_file_only() {
    let ended = in_child(ONE, || {
        greenroom::patch_all().unwrap();
        let (here, mut there) = UnixStream::pair().unwrap();
        let (file, later) = (warm_file(b'a'), warm_file(b'b'));
        let sending = send_file(here.as_raw_fd(), file.as_raw_fd());
        settle();
        assert!(!sending.is_finished(), "more than there is room for");
        assert!(c!(libc::dup2(later.as_raw_fd(), file.as_raw_fd())) >= 0);
        let peer = os_thread(move || {
            let mut all = Vec::new();
            there.read_to_end(&mut all).map(|_| all)
        });
        let sent = sending.join().unwrap();
        drop(here);
        let came = peer.join().unwrap().unwrap();
        assert!(came.iter().all(|byte| *byte == b'a'), "it was another file's");
        assert_eq!(sent as usize, came.len());
    });
    ended.assert_success();
}

#[test]
fn sendfile_sends_to_one_only() {
    let ended = in_child(ONE, || {
        greenroom::patch_all().unwrap();
        let Some(file) = cold_file(b'a') else { return };
        let ((here, _there), (later, there)) = (tcp(), tcp());
        let (keeping, go) = keep_the_pool();
        let sending = send_file(here.as_raw_fd(), file.as_raw_fd());
        settle();
        assert!(c!(libc::dup2(later.as_raw_fd(), here.as_raw_fd())) >= 0);
        go.send(()).unwrap();
        keeping.join().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let over = stop.clone();
        let reading = os_thread(move || {
            let mut all = Vec::new();
            while !over.load(SeqCst) {
                all.extend(drain(&there));
            }
            all
        });
        _ = sending.join().unwrap();
        stop.store(true, SeqCst);
        assert!(reading.join().unwrap().is_empty(), "it was not for this one");
    });
    ended.assert_success();
}

/// It has read a piece of a file by the pool; the rest is not another's.
#[test]
fn a_read_has_one_file_only() {
    let ended = in_child(ONE, || {
        greenroom::patch_all().unwrap();
        let Some(file) = cold_file(b'a') else { return };
        let later = warm_file(b'b');
        let (fd, later_fd) = (file.into_raw_fd(), later.as_raw_fd());
        let (keeping, go) = keep_the_pool();
        let reading = spawn(move || {
            let mut all = vec![0; LONG];
            let n = c!(libc::pread(fd, all.as_mut_ptr().cast(), LONG, 0));
            (n, all)
        });
        settle();
        assert!(!reading.is_finished(), "it is not in memory");
        static READ: AtomicBool = AtomicBool::new(false);
        // Behind its job in the pool.
        let behind = spawn(|| offload(|| READ.store(true, SeqCst)));
        settle();
        let hog = spawn(move || {
            go.send(()).unwrap();
            while !READ.load(SeqCst) {
                std::hint::spin_loop();
            }
            assert!(c!(libc::dup2(later_fd, fd)) >= 0);
        });
        hog.join().unwrap();
        let (n, all) = reading.join().unwrap();
        let got = &all[..usize::try_from(n).unwrap_or(0)];
        assert!(!got.contains(&b'b'), "it was another file's");
        keeping.join().unwrap();
        behind.join().unwrap();
    });
    ended.assert_success();
}
