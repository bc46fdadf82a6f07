//! Files, where the caller's memory ends too early, or the process's does.

mod common;

use common::{in_child, set_limit, workers};
use greenroom::{patch::native, spawn};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;

fn file(name: &str) -> File {
    let path = format!("{}/{name}-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file
}

/// Thrown out of memory, so that a thread apart has to read it.
fn forget(file: &File) {
    file.sync_all().unwrap();
    // SAFETY: takes no pointer.
    let result = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    assert_eq!(result, 0);
}

const PAGE: usize = 4096;

/// A page, and behind it nothing.
fn last_page() -> usize {
    let (protection, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: maps two fresh pages; the second is nobody's yet.
    unsafe {
        let at = libc::mmap(std::ptr::null_mut(), 2 * PAGE, protection, flags, -1, 0);
        assert_ne!(at, libc::MAP_FAILED);
        assert_eq!(libc::munmap(at.byte_add(PAGE), PAGE), 0);
        at as usize
    }
}

/// What two reads say, the second with no memory at all, and the position
/// after each.
fn reads(mut file: &File, at: usize) -> Vec<(isize, i32, u64)> {
    [at, at + PAGE]
        .map(|at| {
            forget(file);
            // SAFETY: what the kernel may not write, it refuses.
            let n = unsafe { libc::read(file.as_raw_fd(), at as *mut _, 2 * PAGE) };
            let error = std::io::Error::last_os_error().raw_os_error().unwrap();
            (n, if n < 0 { error } else { 0 }, file.stream_position().unwrap())
        })
        .to_vec()
}

#[test]
fn a_read_into_too_little_memory_loses_nothing() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let green = spawn(|| {
            let mut file = file("torn");
            let bytes: Vec<u8> = (0..16 * PAGE).map(|n| (n ^ (n >> 8)) as u8).collect();
            file.write_all(&bytes).unwrap();
            let at = last_page();
            file.rewind().unwrap();
            let kernels = native(|| reads(&file, at));
            file.seek(SeekFrom::Start(0)).unwrap();
            let ours = reads(&file, at);
            assert_eq!(ours, kernels);
            assert_eq!(ours.last(), Some(&(-1, libc::EFAULT, PAGE as u64)));
            let mut rest = Vec::new();
            file.read_to_end(&mut rest).unwrap();
            assert!(rest == bytes[PAGE..]);
        });
        green.join().unwrap();
    });
}

/// A long write needs a copy. Without memory for that it goes in pieces.
#[test]
fn a_write_without_memory_for_a_copy() {
    let ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
        greenroom::patch_all().unwrap();
        let green = spawn(|| {
            let mut file = file("short-of-memory");
            let bytes: Vec<u8> = (0..4_000_000_u32).map(|n| (n ^ (n >> 9)) as u8).collect();
            let mut back = vec![0; bytes.len()];
            file.write_all(&bytes[..2_000_000]).unwrap(); // there is a thread for it now
            file.rewind().unwrap();
            let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
            set_limit(libc::RLIMIT_AS, pages * PAGE as u64 + 100_000);
            let mut all = Vec::with_capacity(1000);
            loop {
                let mut part = Vec::<u8>::new();
                if part.try_reserve_exact(1 << 20).is_err() {
                    break;
                }
                all.push(part);
            }
            all.pop(); // a piece there is
            assert!(Vec::<u8>::new().try_reserve_exact(bytes.len()).is_err());
            file.write_all(&bytes).unwrap();
            file.rewind().unwrap();
            forget(&file);
            file.read_exact(&mut back).unwrap();
            assert!(back == bytes);
        });
        green.join().unwrap();
    });
    ended.assert_success();
}
