//! A dump on a signal: written to stderr, also when every worker is busy.

mod common;

use common::{in_child, until};
use greenroom::inspect::{dump, dump_on_signal};
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Lets stderr be a file from here on; reads what was written there.
fn stderr_to_file() -> impl Fn() -> String {
    // SAFETY: a new descriptor, which nobody else has.
    let file = unsafe {
        let fd = libc::memfd_create(c"stderr".as_ptr(), libc::MFD_CLOEXEC);
        assert!(fd >= 0);
        std::fs::File::from_raw_fd(fd)
    };
    // SAFETY: two valid descriptors.
    assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), 2) }, 2);
    move || std::fs::read_to_string(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap()
}

fn raise(signal: i32) {
    // SAFETY: to this process.
    assert_eq!(unsafe { libc::kill(libc::getpid(), signal) }, 0);
}

#[test]
fn it_comes_while_every_worker_computes() {
    in_child(&[("GREENROOM_WORKERS", "2")], || {
        let written = stderr_to_file();
        dump_on_signal(libc::SIGQUIT).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let named = greenroom::Builder::new().name("parked one".into());
        let parked = named.spawn(greenroom::park).unwrap();
        until(|| dump().threads.iter().any(|t| !t.waits_for.is_empty()));
        let hogs = (0..2).map(|_| {
            let stop = stop.clone();
            greenroom::spawn(move || {
                while !stop.load(SeqCst) {
                    std::hint::spin_loop();
                }
            })
        });
        let hogs: Vec<_> = hogs.collect();
        until(|| dump().workers.iter().all(|w| w.running.is_some()));
        raise(libc::SIGQUIT);
        until(|| written().contains("src/green/handle.rs"));
        let text = written();
        assert!(text.starts_with("3 green threads: 2 running, 0 runnable, 1 waiting"), "{text}");
        assert!(text.contains("'parked one' waits"), "{text}");
        assert!(text.contains("no backtrace: it is running"), "{text}");
        stop.store(true, SeqCst);
        greenroom::joinall(hogs);
        parked.thread().unpark();
        parked.join().unwrap();
    })
    .assert_success();
}

/// Where that takes little at a time, and does not block.
#[test]
fn it_comes_whole() {
    in_child(&[("GREENROOM_WORKERS", "1")], || {
        #[inline(never)]
        fn down(depth: u32) {
            if depth == 0 {
                greenroom::park()
            } else {
                down(depth - 1)
            }
            std::hint::black_box(depth);
        }
        let (mut from, to) = std::io::pipe().unwrap();
        // SAFETY: a descriptor of ours.
        unsafe {
            assert!(libc::fcntl(to.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) >= 4096);
            assert_eq!(libc::fcntl(to.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK), 0);
            assert_eq!(libc::dup2(to.as_raw_fd(), 2), 2);
        }
        dump_on_signal(libc::SIGQUIT).unwrap();
        let all: Vec<_> = (0..40).map(|n| greenroom::spawn(move || down(n / 2 % 16))).collect();
        until(|| dump().threads.iter().filter(|t| !t.waits_for.is_empty()).count() == all.len());
        let expected = dump().to_string();
        assert!(expected.len() > 3 * 4096);
        raise(libc::SIGQUIT);
        let (mut lines, mut some) = (0, [0; 1000]);
        while lines < expected.lines().count() {
            let read = from.read(&mut some).unwrap();
            lines += some[..read].iter().filter(|byte| **byte == b'\n').count();
        }
        all.iter().for_each(|one| one.thread().unpark());
        greenroom::joinall(all);
    })
    .assert_success();
}

#[test]
fn two_signals_may_do_it_and_each_comes_again() {
    in_child(&[("GREENROOM_WORKERS", "1")], || {
        greenroom::patch_all().unwrap();
        let written = stderr_to_file();
        dump_on_signal(libc::SIGUSR1).unwrap();
        dump_on_signal(libc::SIGUSR2).unwrap();
        let count = || written().matches(" green threads: ").count();
        // Before the first spawn there is nothing to tell, and that is told.
        raise(libc::SIGUSR1);
        until(|| count() == 1);
        greenroom::spawn(|| raise(libc::SIGUSR2)).join().unwrap();
        until(|| count() == 2);
        raise(libc::SIGUSR1);
        until(|| count() == 3);
    })
    .assert_success();
}

#[test]
fn a_forked_child_does_not_ring_for_its_parent() {
    in_child(&[("GREENROOM_WORKERS", "1")], || {
        let written = stderr_to_file();
        dump_on_signal(libc::SIGUSR1).unwrap();
        greenroom::spawn(|| ()).join().unwrap();
        // SAFETY: the child calls only what is async-signal-safe.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as above.
            unsafe {
                libc::raise(libc::SIGUSR1);
                libc::_exit(7);
            }
        }
        let mut status = 0;
        // SAFETY: our own child.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(libc::WEXITSTATUS(status), 7, "it went on after the signal");
        raise(libc::SIGUSR1);
        until(|| written().contains(" green threads: "));
        assert_eq!(written().matches(" green threads: ").count(), 1);
    })
    .assert_success();
}

/// As a server does that forks its workers first.
#[test]
fn a_forked_child_may_ask_for_its_own() {
    in_child(&[("GREENROOM_WORKERS", "1")], || {
        let written = stderr_to_file();
        dump_on_signal(libc::SIGUSR1).unwrap();
        // SAFETY: nothing else goes on here that the child could miss.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let ours = stderr_to_file();
            let parked = greenroom::spawn(greenroom::park);
            dump_on_signal(libc::SIGUSR1).unwrap();
            raise(libc::SIGUSR1);
            until(|| ours().contains(" green threads: "));
            parked.thread().unpark();
            parked.join().unwrap();
            std::process::exit(7);
        }
        let mut status = 0;
        // SAFETY: our own child.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 7), "{status:x}");
        assert_eq!(written(), "");
        raise(libc::SIGUSR1);
        until(|| written().contains(" green threads: "));
    })
    .assert_success();
}

#[test]
fn what_is_no_signal_is_an_error() {
    in_child(&[], || {
        for number in [0, -1, 10_000, libc::SIGKILL] {
            let error = dump_on_signal(number).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{number}");
        }
    })
    .assert_success();
}
