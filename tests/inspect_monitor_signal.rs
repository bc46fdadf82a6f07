//! The monitor's signal disturbs nobody, and nobody disturbs it.

mod common;
#[path = "common/hogs.rs"]
mod hogs;

use common::{os_thread, until, workers};
use greenroom::inspect::{Doing, MonitorConfig};
use greenroom::{patch_all, spawn};
use hogs::{hog, waits_in, watch};
use libc::{c_void, siginfo_t};
use std::fs::File;
use std::io::{PipeReader, Read, Seek, Write, pipe};
use std::mem::{transmute, zeroed};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn all_may_be_patched_after_it_was_started() {
    workers(1, || {
        let (monitor, reports) = watch(MonitorConfig::new());
        patch_all().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let hog = hog(&stop);
        until(|| !reports.lock().unwrap().is_empty());
        stop.store(true, SeqCst);
        hog.join().unwrap();
        monitor.stop();
        let report = &reports.lock().unwrap()[0];
        assert!(!report.backtrace.is_empty(), "{report}");
    });
}

static EARLY: AtomicU32 = AtomicU32::new(0);
static LATE: AtomicU32 = AtomicU32::new(0);
/// What was the handler when `late` became one.
static NEXT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn early(_: i32) {
    EARLY.fetch_add(1, SeqCst);
}

extern "C" fn late(signal: i32, info: *mut siginfo_t, context: *mut c_void) {
    type Handler = extern "C" fn(i32, *mut siginfo_t, *mut c_void);
    LATE.fetch_add(1, SeqCst);
    // SAFETY: what `sigaction` said; one that takes fewer arguments minds no others.
    let next = unsafe { transmute::<usize, Handler>(NEXT.load(SeqCst)) };
    next(signal, info, context);
}

/// A handler was there before it, and another goes on to what was there before.
#[test]
fn handlers_from_before_and_after_it_are_called_once_each() {
    workers(1, || {
        patch_all().unwrap();
        let handler: extern "C" fn(i32) = early;
        // SAFETY: a handler that counts.
        unsafe { libc::signal(libc::SIGURG, handler as *const () as usize) };
        let (monitor, _) = watch(MonitorConfig::new());
        // SAFETY: plain data; a handler that counts and goes on to the one before.
        unsafe {
            let (mut new, mut old): (libc::sigaction, libc::sigaction) = zeroed();
            assert_eq!(libc::sigaction(libc::SIGURG, null(), &mut old), 0);
            NEXT.store(old.sa_sigaction, SeqCst);
            new.sa_sigaction = late as *const () as usize;
            new.sa_flags = libc::SA_SIGINFO;
            assert_eq!(libc::sigaction(libc::SIGURG, &new, null_mut()), 0);
            libc::raise(libc::SIGURG);
        }
        assert_eq!((EARLY.load(SeqCst), LATE.load(SeqCst)), (1, 1));
        monitor.stop();
    });
}

/// Waits in the kernel until it can be read, by a call that `poll` of libc is not.
fn poll(from: &PipeReader) -> libc::c_long {
    let mut wanted = libc::pollfd { fd: from.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one of those, and no limit.
    unsafe { libc::syscall(libc::SYS_poll, &raw mut wanted, 1, -1) }
}

/// The status of the monitor's thread, once that has its name.
fn status() -> Option<File> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let mut paths = tasks.filter_map(|task| Some(task.ok()?.path().join("status")));
    let is_its =
        |path: &PathBuf| std::fs::read_to_string(path).is_ok_and(|it| it.contains("green-watch"));
    File::open(paths.find(is_its)?).ok()
}

/// How often it has gone to sleep.
fn looks(status: &mut File) -> u64 {
    let mut text = String::new();
    status.rewind().unwrap();
    status.read_to_string(&mut text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn without_descriptors_one_that_may_wait_is_not_interrupted() {
    workers(1, || {
        let (from, mut to) = pipe().unwrap();
        let (say, hear) = std::sync::mpsc::channel();
        let poller = spawn(move || {
            say.send(os_thread()).unwrap();
            poll(&from)
        });
        let thread = hear.recv().unwrap();
        until(|| waits_in(thread, libc::SYS_poll)); // on its way there it would be interrupted
        let (monitor, reports) = watch(MonitorConfig::new().limit(Duration::from_millis(20)));
        let mut found = None;
        until(|| {
            found = status();
            found.is_some()
        });
        let mut status = found.unwrap();
        let few = libc::rlimit { rlim_cur: 100, rlim_max: 100 };
        // SAFETY: a limit that lies here.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &few) }, 0);
        let mut all = Vec::new();
        let before = looks(&mut status);
        until(|| {
            // Also what the monitor had open the last time.
            while let Ok(another) = to.try_clone() {
                all.push(another);
            }
            looks(&mut status) > before + 20
        });
        assert!(!poller.is_finished(), "interrupted, it would be EINTR");
        drop(all);
        until(|| !reports.lock().unwrap().is_empty());
        to.write_all(&[1]).unwrap();
        assert_eq!(poller.join().unwrap(), 1);
        monitor.stop();
        let doing = &reports.lock().unwrap()[0].doing;
        assert!(matches!(doing, Doing::Blocked { .. }), "{doing:?}");
    });
}
