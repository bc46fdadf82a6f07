//! Moving much to stdout. std writes it under a lock that belongs to the OS
//! thread, so nobody parks meanwhile: another green thread of that worker would
//! be let in.

mod common;

use common::{in_child, spin_until};
use greenroom::patch::native;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

const LENGTH: usize = 1 << 20;
static MOVES: AtomicBool = AtomicBool::new(false);

/// Moves all of it there by `step`, which is told how much is left.
fn moves(step: impl Fn(usize) -> isize) {
    let _lock = io::stdout().lock();
    let mut left = LENGTH;
    MOVES.store(true, SeqCst);
    while left > 0 {
        let moved = step(left);
        assert!(moved > 0, "{}", io::Error::last_os_error());
        left -= moved as usize;
    }
}

/// What comes out of stdout, a pipe, when one moves bytes there and another
/// writes a line.
fn assert_in_order(mover: impl FnOnce() + Send + 'static) {
    greenroom::patch_all().unwrap();
    let mut fds = [-1; 2];
    // SAFETY: room for two; the reading end is nobody else's.
    let mut out = unsafe {
        assert_eq!(libc::pipe(fds.as_mut_ptr()), 0);
        io::stdout().flush().unwrap();
        assert_eq!(libc::dup2(fds[1], 1), 1);
        assert_eq!(libc::close(fds[1]), 0);
        std::fs::File::from_raw_fd(fds[0])
    };
    let reader = native(|| {
        thread::spawn(move || {
            // Not before it has to wait.
            spin_until(|| {
                let mut full = 0;
                // SAFETY: an out pointer.
                unsafe { libc::ioctl(out.as_raw_fd(), libc::FIONREAD, &mut full) };
                MOVES.load(SeqCst) && full >= 32 << 10
            });
            let mut all = vec![0; LENGTH + 6];
            out.read_exact(&mut all).unwrap();
            (all.len() - 6, all.split_off(LENGTH))
        })
    });
    let mover = greenroom::spawn(mover);
    let writer = greenroom::spawn(|| println!("hello"));
    assert_eq!(reader.join().unwrap(), (LENGTH, b"hello\n".to_vec()));
    mover.join().unwrap();
    writer.join().unwrap();
}

#[test]
fn sendfile_to_stdout() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_THREAD_LOCALS", "shared")];
    in_child(&vars, || {
        // SAFETY: a new descriptor.
        let file = unsafe { std::fs::File::from_raw_fd(libc::memfd_create(c"x".as_ptr(), 0)) };
        file.set_len(LENGTH as u64).unwrap();
        assert_in_order(move || {
            // SAFETY: takes no pointer.
            moves(|left| unsafe { libc::sendfile(1, file.as_raw_fd(), std::ptr::null_mut(), left) })
        });
    })
    .assert_success();
}

#[test]
fn splice_to_stdout() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_THREAD_LOCALS", "shared")];
    in_child(&vars, || {
        let (mut near, far) = UnixStream::pair().unwrap();
        let feeder = native(|| thread::spawn(move || near.write_all(&vec![0; LENGTH]).unwrap()));
        assert_in_order(move || {
            let null = std::ptr::null_mut();
            // SAFETY: takes no pointer.
            moves(|left| unsafe { libc::splice(far.as_raw_fd(), null, 1, null, left, 0) })
        });
        feeder.join().unwrap();
    })
    .assert_success();
}
