//! Waiting for pipes, terminals, files and locks leaves the worker free.

mod common;

use common::{in_child, spin_until, until, workers};
use greenroom::patch::{Family, is_patched, native};
use greenroom::{JoinHandle, spawn};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn os_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    native(|| thread::spawn(f))
}

fn all<T>(handles: Vec<JoinHandle<T>>) -> Vec<T> {
    handles.into_iter().map(|h| h.join().unwrap()).collect()
}

fn owned(fd: i32) -> File {
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: just made, and nobody else's.
    unsafe { OwnedFd::from_raw_fd(fd) }.into()
}

fn pipe() -> [File; 2] {
    let mut fds = [-1; 2];
    // SAFETY: room for two.
    assert_eq!(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    fds.map(owned)
}

fn path(what: &str) -> String {
    format!("{}/{what}-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id())
}

fn fifo(name: &str) -> [File; 2] {
    let path = path(name);
    let c_path = std::ffi::CString::new(path.clone()).unwrap();
    // SAFETY: a C string.
    assert_eq!(unsafe { libc::mkfifo(c_path.as_ptr(), 0o600) }, 0);
    let both = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let ends = [File::open(&path).unwrap(), OpenOptions::new().write(true).open(&path).unwrap()];
    drop(both);
    std::fs::remove_file(path).unwrap();
    ends
}

fn terminal() -> [File; 2] {
    let (mut master, mut slave) = (-1, -1);
    let (name, mode, size) = (std::ptr::null_mut(), std::ptr::null(), std::ptr::null());
    // SAFETY: out pointers.
    assert_eq!(unsafe { libc::openpty(&mut master, &mut slave, name, mode, size) }, 0);
    [owned(slave), owned(master)]
}

fn eventfd() -> [File; 2] {
    // SAFETY: takes no pointer.
    let file = owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) });
    [file.try_clone().unwrap(), file]
}

/// The status flags as another process sees them.
fn flags(file: &File) -> i32 {
    // SAFETY: takes no pointer.
    unsafe { libc::syscall(libc::SYS_fcntl, file.as_raw_fd(), libc::F_GETFL) as i32 }
}

/// Of each sort, many wait at once on one worker, which goes on; and no flag
/// of theirs changes.
#[test]
fn readers_park() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        for (sort, make) in [
            ("pipe", (|_| pipe()) as fn(usize) -> [File; 2]),
            ("fifo", |n| fifo(&format!("fifo{n}"))),
            ("terminal", |_| terminal()),
            ("eventfd", |_| eventfd()),
        ] {
            let ends: Vec<_> = (0..20).map(make).collect();
            let before: Vec<_> = ends.iter().map(|[read, _]| flags(read)).collect();
            let reading = Arc::new(AtomicUsize::new(0));
            let (readers, mut writers): (Vec<_>, Vec<_>) = ends
                .into_iter()
                .map(|[mut read, write]| {
                    let (mine, reading) = (read.try_clone().unwrap(), reading.clone());
                    let reader = spawn(move || {
                        reading.fetch_add(1, SeqCst);
                        let mut buf = [0; 8];
                        let n = read.read(&mut buf).unwrap();
                        (n, buf)
                    });
                    (reader, (mine, write))
                })
                .unzip();
            until(|| reading.load(SeqCst) == 20);
            for _ in 0..20 {
                spawn(greenroom::yield_now).join().unwrap(); // the worker is free
            }
            assert!(readers.iter().all(|r| !r.is_finished()), "{sort}");
            let meanwhile: Vec<_> = writers.iter().map(|(mine, _)| flags(mine)).collect();
            assert_eq!(before, meanwhile, "{sort}");
            writers.iter_mut().for_each(|(_, write)| write.write_all(b"\x01234567\n").unwrap());
            assert!(all(readers).iter().all(|got| *got == (8, *b"\x01234567\n")), "{sort}");
        }
    });
}

/// Both ends on one worker: whoever blocked would wait for ever.
#[test]
fn writers_park() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        for make in [pipe as fn() -> [File; 2], || fifo("both")] {
            let [mut read, mut write] = make();
            let sent: Vec<u8> = (0..1_000_000u32).map(|n| ((n * 7) >> 3) as u8).collect();
            let expected = sent.clone();
            let writer = spawn(move || write.write(&sent).unwrap());
            let reader = spawn(move || {
                let mut all = Vec::new();
                read.read_to_end(&mut all).unwrap();
                all
            });
            assert_eq!(writer.join().unwrap(), expected.len(), "in one call");
            assert!(reader.join().unwrap() == expected);
        }
    });
}

/// Several read from one pipe, and each byte comes to one of them.
#[test]
fn many_share_a_pipe() {
    workers(2, || {
        greenroom::patch_all().unwrap();
        let [read, mut write] = pipe();
        let readers: Vec<_> = (0..10)
            .map(|_| {
                let mut read = read.try_clone().unwrap();
                spawn(move || {
                    let (mut sum, mut buf) = (0, [0; 3]);
                    loop {
                        match read.read(&mut buf).unwrap() {
                            0 => return sum,
                            n => sum += n,
                        }
                    }
                })
            })
            .collect();
        drop(read);
        for n in 1..=500 {
            write.write_all(&vec![1; n % 13]).unwrap();
            thread::yield_now();
        }
        drop(write);
        let sum: usize = all(readers).iter().sum();
        assert_eq!(sum, (1..=500).map(|n| n % 13).sum());
    });
}

#[test]
fn closing_wakes_who_waits() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let [read, _write] = pipe();
        let fd = read.as_raw_fd();
        let reader = spawn(move || {
            let mut read = std::mem::ManuallyDrop::new(owned(fd));
            read.read(&mut [0; 8]).unwrap_err().raw_os_error()
        });
        spawn(greenroom::yield_now).join().unwrap();
        drop(read);
        assert_eq!(reader.join().unwrap(), Some(libc::EBADF));
    });
}

/// The children of many green threads, with their output.
#[test]
fn children_are_read_together() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let start = Instant::now();
        let ask = |n: u32| {
            spawn(move || {
                let mut child = Command::new("sh")
                    .args(["-c", &format!("sleep 2; echo {n}")])
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut text = String::new();
                child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
                child.wait().unwrap();
                text
            })
        };
        let answers = all((0..20).map(ask).collect());
        assert!(answers.iter().enumerate().all(|(n, text)| *text == format!("{n}\n")));
        assert!(start.elapsed() < ms(20_000), "{:?}, of 40 s one by one", start.elapsed());
    });
}

/// Stdin, where its lock is patched as well.
#[test]
fn stdin_parks() {
    in_child(&[("GREENROOM_WORKERS", "1")], || {
        greenroom::patch_all().unwrap();
        let [read, mut write] = pipe();
        // SAFETY: takes no pointer.
        assert_eq!(unsafe { libc::dup2(read.as_raw_fd(), 0) }, 0);
        let line = || {
            spawn(|| {
                let mut line = String::new();
                std::io::stdin().read_line(&mut line).unwrap();
                line
            })
        };
        let lines = vec![line(), line()];
        if is_patched(Family::Sync) {
            spawn(greenroom::yield_now).join().unwrap();
            assert!(lines.iter().all(|line| !line.is_finished()));
        }
        os_thread(move || write.write_all(b"one\ntwo\n").unwrap()).join().unwrap();
        assert_eq!(all(lines), ["one\n", "two\n"]);
    })
    .assert_success();
}

/// What is not in memory comes from the disk, and all of it.
#[test]
fn files_are_read_whole() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let bytes: Vec<u8> = (0..9_000_001u32).map(|n| (n ^ (n >> 9)) as u8).collect();
        let name = path("whole");
        let written = bytes.clone();
        let mut file = spawn(move || {
            let mut options = OpenOptions::new();
            let mut file = options.read(true).write(true).create_new(true).open(name).unwrap();
            assert_eq!(file.write(&written).unwrap(), written.len(), "in one call");
            file.sync_all().unwrap();
            file.sync_data().unwrap();
            file
        })
        .join()
        .unwrap();
        std::fs::remove_file(path("whole")).unwrap();
        for part in [0, 4_000_000, 0] {
            // A part of it, or all, is thrown out of memory.
            let fd = file.as_raw_fd();
            // SAFETY: takes no pointer.
            unsafe { libc::posix_fadvise(fd, part, 0, libc::POSIX_FADV_DONTNEED) };
            let expected = bytes.clone();
            file = spawn(move || {
                file.seek(SeekFrom::Start(0)).unwrap();
                let mut all = vec![0; expected.len() + 10];
                assert_eq!(file.read(&mut all).unwrap(), expected.len(), "in one call");
                assert!(all[..expected.len()] == expected);
                assert_eq!(file.read(&mut all).unwrap(), 0);
                file
            })
            .join()
            .unwrap();
        }
    });
}

/// Opens `path` for itself and locks by `how`.
fn locked(path: &str, how: fn(i32) -> i32) -> File {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    assert_eq!(how(file.as_raw_fd()), 0, "{}", std::io::Error::last_os_error());
    file
}

fn flock(fd: i32) -> i32 {
    // SAFETY: takes no pointer.
    unsafe { libc::flock(fd, libc::LOCK_EX) }
}

fn set_lock(fd: i32, cmd: i32) -> i32 {
    // SAFETY: all zero is everything, from the start.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as i16;
    // SAFETY: a valid lock.
    unsafe { libc::fcntl(fd, cmd, &raw const lock) }
}

fn ofd_lock(fd: i32) -> i32 {
    set_lock(fd, libc::F_OFD_SETLKW)
}

/// More wait than there are threads for it, and whoever has the lock needs the
/// offload pool too, before it gives it up.
#[test]
fn locks_are_waited_for() {
    in_child(&[("GREENROOM_WORKERS", "1"), ("GREENROOM_OFFLOAD_THREADS", "2")], || {
        greenroom::patch_all().unwrap();
        let name = path("locked");
        File::create(&name).unwrap();
        for how in [flock as fn(i32) -> i32, ofd_lock] {
            static INSIDE: AtomicUsize = AtomicUsize::new(0);
            let enter = |_| {
                let name = name.clone();
                spawn(move || {
                    let mut file = locked(&name, how);
                    assert_eq!(INSIDE.fetch_add(1, SeqCst), 0);
                    file.write_all(b"x").unwrap();
                    file.sync_data().unwrap();
                    greenroom::yield_now();
                    INSIDE.fetch_sub(1, SeqCst);
                })
            };
            all((0..200).map(enter).collect());
        }
        std::fs::remove_file(name).unwrap();
    })
    .assert_success();
}

/// A lock that another process holds for a time.
#[test]
fn locks_between_processes() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let name = path("between");
        let file = File::create(&name).unwrap();
        let ([mut held, tell], [go, mut end]) = (pipe(), pipe());
        // SAFETY: the child makes few calls, and then exits at once.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let fine = set_lock(file.as_raw_fd(), libc::F_SETLKW) == 0;
            // SAFETY: as above.
            unsafe {
                libc::write(tell.as_raw_fd(), c"!".as_ptr().cast(), 1);
                libc::read(go.as_raw_fd(), [0_u8].as_mut_ptr().cast(), 1);
                libc::_exit(if fine { 0 } else { 1 });
            }
        }
        held.read_exact(&mut [0]).unwrap();
        let waiter = spawn(move || set_lock(file.as_raw_fd(), libc::F_SETLKW));
        // The worker goes on.
        spawn(greenroom::yield_now).join().unwrap();
        assert!(!waiter.is_finished());
        end.write_all(b"!").unwrap();
        assert_eq!(waiter.join().unwrap(), 0);
        let mut status = 0;
        // SAFETY: an out pointer.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0);
        spin_until(|| std::fs::remove_file(&name).is_ok());
    });
}
