//! A call that waits for a thread of the pool touches no file that took a
//! number of its own meanwhile.

mod common;

use common::{in_child, until};
use greenroom::{offload, spawn};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

fn file(name: &str) -> (String, File) {
    let path = format!("{}/{name}-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
    (path, file.unwrap())
}

/// `copy` is told of both ends, of which it may close neither.
fn reused(copy: fn(i32, i32) -> isize) {
    static RELEASED: AtomicBool = AtomicBool::new(false);
    RELEASED.store(false, SeqCst);
    let (from_path, mut from) = file("reused-from");
    from.write_all(b"secret").unwrap();
    let from = File::open(&from_path).unwrap();
    let (to_path, to) = file("reused-to");
    let to = to.into_raw_fd();

    let hog = spawn(|| {
        offload(|| {
            while !RELEASED.load(SeqCst) {
                std::hint::spin_loop()
            }
        })
    });
    greenroom::yield_now(); // the only thread of the pool is taken
    let copying = spawn(move || {
        let n = copy(from.as_raw_fd(), to);
        (n, std::io::Error::last_os_error().raw_os_error())
    });
    greenroom::yield_now(); // it waits for that thread
    // SAFETY: nobody owns that number any more.
    drop(unsafe { OwnedFd::from_raw_fd(to) });
    let (other_path, other) = file("reused-other");
    assert_eq!(other.as_raw_fd(), to, "the lowest free number");
    RELEASED.store(true, SeqCst);

    assert_eq!(copying.join().unwrap(), (-1, Some(libc::EBADF)));
    assert_eq!(other.metadata().unwrap().len(), 0, "it went into another file");
    hog.join().unwrap();
    for path in [from_path, to_path, other_path] {
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn copies_between_files() {
    in_child(&[("GREENROOM_WORKERS", "1"), ("GREENROOM_OFFLOAD_THREADS", "1")], || {
        greenroom::patch_all().unwrap();
        let all = spawn(|| {
            reused(|from, to| {
                let mut at = 0;
                // SAFETY: an offset that lives until it returns.
                unsafe { libc::copy_file_range(from, &mut at, to, null_mut(), 6, 0) }
            });
            reused(|from, to| {
                let mut at = 0;
                // SAFETY: as above.
                unsafe { libc::sendfile(to, from, &mut at, 6) }
            });
        });
        until(|| all.is_finished());
        all.join().unwrap();
    })
    .assert_success();
}
