//! How `std::thread::sleep` ends: it asserts that it cannot fail.

mod common;

use common::{until, workers};
use greenroom::{scope, sleep, spawn, timeout};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

const NOT_SOON: Duration = Duration::from_secs(3600);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Says goodbye.
struct Talks(UnixStream);

impl Drop for Talks {
    fn drop(&mut self) {
        let _ = self.0.write(b"bye");
    }
}

#[test]
fn what_destructors_call_does_not_matter() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let ended = spawn(|| {
            let talks = Talks(UnixStream::pair().unwrap().0);
            timeout(ms(5), move || {
                let _talks = talks;
                thread::sleep(NOT_SOON);
            })
            .is_err()
        });
        assert!(ended.join().unwrap());
        let killed = spawn(|| {
            let _talks = Talks(UnixStream::pair().unwrap().0);
            thread::sleep(NOT_SOON);
        });
        sleep(ms(5));
        killed.kill();
        let why = killed.join().unwrap_err();
        assert!(why.is_killed(), "{why}");
    });
}

#[test]
fn an_inherited_limit_is_no_panic() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let ended = spawn(|| {
            timeout(ms(5), || {
                scope(|s| {
                    s.kill_on_failure();
                    s.spawn(|| thread::sleep(NOT_SOON));
                })
            })
            .is_err()
        });
        assert!(ended.join().unwrap());
    });
}

#[test]
fn other_assertions_fail_as_ever() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let panicked = spawn(|| {
            timeout(ms(5), || {
                let second = libc::timespec { tv_sec: 3600, tv_nsec: 0 };
                // SAFETY: a valid time, and no remainder asked for.
                unsafe { libc::nanosleep(&second, std::ptr::null_mut()) };
                assert_eq!(1, 2, "sums");
            })
        });
        let why = panicked.join().unwrap_err();
        assert!(why.to_string().contains("sums"), "{why}");
        let began = Arc::new(AtomicBool::new(false));
        let begins = began.clone();
        let panicked = spawn(move || {
            begins.store(true, SeqCst);
            let caught = catch_unwind(AssertUnwindSafe(|| thread::sleep(NOT_SOON)));
            assert!(caught.is_err());
            assert_eq!(1, 2, "sums");
        });
        until(|| began.load(SeqCst));
        panicked.kill();
        let why = panicked.join().unwrap_err();
        assert!(!why.is_killed() && why.to_string().contains("sums"), "{why}");
    });
}

/// Sleeps when it goes.
struct Tarries;

impl Drop for Tarries {
    fn drop(&mut self) {
        thread::sleep(ms(3));
    }
}

#[test]
fn destructors_may_sleep_while_it_unwinds() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let killed = spawn(|| {
            let _tarries = Tarries;
            sleep(NOT_SOON);
        });
        let ended = spawn(|| {
            timeout(ms(5), || {
                let _tarries = Tarries;
                thread::sleep(NOT_SOON);
            })
        });
        let began = Arc::new(AtomicBool::new(false));
        let begins = began.clone();
        let panicked = spawn(move || {
            let _tarries = Tarries;
            begins.store(true, SeqCst);
            resume_unwind(Box::new("no luck"));
        });
        until(|| began.load(SeqCst));
        panicked.thread().request_kill();
        killed.kill();
        assert!(killed.join().unwrap_err().is_killed());
        assert!(ended.join().unwrap().is_err());
        assert!(!panicked.join().unwrap_err().is_killed());
    });
}
