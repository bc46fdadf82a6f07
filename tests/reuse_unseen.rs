//! Numbers that libc closes inside itself, and that are used again.

mod common;

use common::{until, workers};
use greenroom::{spawn, yield_now};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};
use std::os::unix::net::UnixStream;

/// Green threads have run for as long as they like, and the worker is free.
fn the_worker_is_free() {
    (0..20).for_each(|_| yield_now());
    let other = spawn(|| 7);
    until(|| other.is_finished());
}

/// An eventfd has the number that `closed` has used and closed, and its first read
/// parks.
fn an_eventfd_after(closed: fn() -> RawFd) {
    greenroom::patch_all().unwrap();
    let (made, make) = std::sync::mpsc::channel();
    let read = spawn(move || {
        let fd = closed();
        // SAFETY: the descriptor is nobody else's.
        let mut event = unsafe {
            assert_eq!(libc::eventfd(0, libc::EFD_CLOEXEC), fd, "the lowest free number");
            File::from_raw_fd(fd)
        };
        made.send(event.try_clone().unwrap()).unwrap();
        let mut count = [0; 8];
        event.read(&mut count).map(|_| u64::from_ne_bytes(count))
    });
    let mut event = make.recv().unwrap();
    the_worker_is_free();
    assert_eq!(event.write(&5_u64.to_ne_bytes()).unwrap(), 8);
    assert_eq!(read.join().unwrap().unwrap(), 5);
}

/// `fclose` tells nobody, nor does who makes an eventfd: it is read as what it is.
#[test]
fn an_eventfd_after_a_socket_that_fclose_closed() {
    workers(1, || {
        an_eventfd_after(|| {
            let (mut here, mut there) = UnixStream::pair().unwrap();
            there.write_all(b"x").unwrap();
            here.read_exact(&mut [0]).unwrap();
            let fd = here.into_raw_fd();
            // SAFETY: the descriptor is nobody else's.
            assert_eq!(unsafe { libc::fclose(libc::fdopen(fd, c"r".as_ptr())) }, 0);
            fd
        })
    });
}

/// A file has no reader who waits; a terminal opened next has.
#[test]
fn a_terminal_after_a_file_that_fclose_closed() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let (mut master, mut slave) = (-1, -1);
        let null = std::ptr::null_mut();
        // SAFETY: out pointers, and none.
        unsafe {
            assert_eq!(libc::openpty(&mut master, &mut slave, null, null.cast(), null.cast()), 0)
        };
        let name = std::fs::read_link(format!("/proc/self/fd/{slave}")).unwrap();
        let read = spawn(move || {
            let mut file = File::open("/proc/self/cmdline").unwrap();
            assert!(file.read(&mut [0; 8]).unwrap() > 0);
            let fd = file.into_raw_fd();
            // SAFETY: the descriptor is nobody else's.
            unsafe { assert_eq!(libc::fclose(libc::fdopen(fd, c"r".as_ptr())), 0) };
            let mut terminal = File::open(name).unwrap();
            assert_eq!(terminal.as_raw_fd(), fd, "the lowest free number");
            let mut line = [0; 8];
            terminal.read(&mut line).map(|n| line[..n].to_vec())
        });
        the_worker_is_free();
        // SAFETY: bytes that live here.
        assert_eq!(unsafe { libc::write(master, c"hey\n".as_ptr().cast(), 4) }, 4);
        assert_eq!(read.join().unwrap().unwrap(), b"hey\n");
    });
}

/// No call on a directory waits, so nothing would be asked again.
#[test]
fn an_eventfd_after_a_directory_that_closedir_closed() {
    workers(1, || {
        // SAFETY: the directory is nobody else's.
        an_eventfd_after(|| unsafe {
            let directory = libc::opendir(c".".as_ptr());
            let fd = libc::dirfd(directory);
            assert_eq!(libc::read(fd, [0_u8; 8].as_mut_ptr().cast(), 8), -1);
            assert_eq!(libc::closedir(directory), 0);
            fd
        })
    });
}
