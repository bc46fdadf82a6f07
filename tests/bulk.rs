//! Calls that move much, or open what somebody else must open too: they keep
//! nobody else from running. One worker.

#[macro_use]
mod common_net;

use common_net::{about, all_done, alone, bulk, c, done, ms, patched, pattern, tcp_pair, timed};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::net::UdpSocket;
use std::os::fd::FromRawFd;
use std::path::PathBuf;
use std::thread;

fn path(what: &str) -> PathBuf {
    let name = format!("bulk-{what}-{}", std::process::id());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// std copies from a file to a socket by `sendfile`: the reader is slow, and
/// shares the worker.
#[test]
fn io_copy_from_a_file_to_a_slow_reader() {
    patched(1);
    let _alone = alone();
    let bytes = pattern(3_000_000, 7);
    let copies = (0..4).map(|_| {
        let (mut here, mut there) = tcp_pair();
        // SAFETY: a new descriptor.
        let mut file = unsafe { File::from_raw_fd(bulk::file(&bytes)) };
        let sender = greenroom::spawn(move || {
            let n = io::copy(&mut file, &mut here).unwrap();
            (n, file.stream_position().unwrap())
        });
        let reader = greenroom::spawn(move || {
            let mut all = Vec::new();
            let mut buf = vec![0; 100_000];
            loop {
                match there.read(&mut buf).unwrap() {
                    0 => return all,
                    n => all.extend_from_slice(&buf[..n]),
                }
                thread::sleep(ms(1));
            }
        });
        (sender, reader)
    });
    for (sender, reader) in copies.collect::<Vec<_>>() {
        assert_eq!(done(sender), (3_000_000, 3_000_000));
        assert!(done(reader) == bytes);
    }
}

/// And from a socket into a pipe and out of it, by `splice`.
#[test]
fn a_relay_by_splice() {
    patched(1);
    let _alone = alone();
    let bytes = pattern(500_000, 3);
    let ((mut source, from), (to, mut sink)) = (tcp_pair(), tcp_pair());
    let relay = greenroom::spawn(move || {
        use std::os::fd::AsRawFd;
        let [read, write] = c::pipe();
        let null = std::ptr::null_mut();
        let mut total = 0;
        loop {
            let got = c!(libc::splice(from.as_raw_fd(), null, write, null, 1 << 20, 0));
            assert!(got >= 0, "{got}");
            if got == 0 {
                break;
            }
            let mut left = got;
            while left > 0 {
                let n = c!(libc::splice(read, null, to.as_raw_fd(), null, left as usize, 0));
                assert!(n > 0, "{n}");
                left -= n;
            }
            total += got;
        }
        c::close(read);
        c::close(write);
        total
    });
    let sent = bytes.clone();
    let sender = greenroom::spawn(move || source.write_all(&sent).unwrap());
    let reader = greenroom::spawn(move || {
        let mut all = Vec::new();
        sink.read_to_end(&mut all).unwrap();
        all
    });
    done(sender);
    assert_eq!(done(relay), 500_000);
    assert!(done(reader) == bytes);
}

/// A FIFO is opened when both of its ends are.
#[test]
fn opening_fifos() {
    patched(1);
    let _alone = alone();
    let paths: Vec<_> = (0..10).map(|i| path(&format!("fifo{i}"))).collect();
    for path in &paths {
        let text = CString::new(path.to_str().unwrap()).unwrap();
        assert_eq!(c!(libc::mkfifo(text.as_ptr(), 0o600)), 0);
    }
    let readers = paths.clone().into_iter().map(|path| {
        greenroom::spawn(move || {
            let mut text = String::new();
            File::open(path).unwrap().read_to_string(&mut text).unwrap();
            text
        })
    });
    let readers: Vec<_> = readers.collect();
    let (took, ()) = timed(|| done(greenroom::spawn(|| thread::sleep(ms(30)))));
    about(took, 30);
    assert!(readers.iter().all(|r| !r.is_finished()));
    let writers = paths.clone().into_iter().map(|path| {
        greenroom::spawn(move || {
            File::options().write(true).open(path).unwrap().write_all(b"through").unwrap();
        })
    });
    all_done(writers.collect::<Vec<_>>());
    assert!(all_done(readers).into_iter().all(|text| text == "through"));
    paths.iter().for_each(|path| fs::remove_file(path).unwrap());
}

/// `std::fs::copy` goes by `copy_file_range`.
#[test]
fn copying_files() {
    patched(1);
    let _alone = alone();
    let bytes = pattern(9_000_000, 1);
    let (from, to) = (path("from"), path("to"));
    fs::write(&from, &bytes).unwrap();
    let (a, b) = (from.clone(), to.clone());
    assert_eq!(done(greenroom::spawn(move || fs::copy(a, b).unwrap())), 9_000_000);
    assert!(fs::read(&to).unwrap() == bytes);
    fs::remove_file(from).unwrap();
    fs::remove_file(to).unwrap();
}

/// `recvmmsg` waits for its messages while their sender has the worker.
#[test]
fn many_messages() {
    patched(1);
    let _alone = alone();
    let pairs = (0..10).map(|_| {
        use std::os::fd::AsRawFd;
        let here = UdpSocket::bind("127.0.0.1:0").unwrap();
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        there.connect(here.local_addr().unwrap()).unwrap();
        let receiver = greenroom::spawn(move || bulk::recvmmsg(here.as_raw_fd(), 0, None));
        let sender = greenroom::spawn(move || {
            for text in ["one", "two", "end"] {
                thread::sleep(ms(10));
                there.send(text.as_bytes()).unwrap();
            }
        });
        (receiver, sender)
    });
    for (receiver, sender) in pairs.collect::<Vec<_>>() {
        done(sender);
        assert!(done(receiver).starts_with("3 [3, 3, 3]"));
    }
}
