//! The monitor names those who keep a worker, and says what they do.

mod common;
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "common/hogs.rs"]
mod hogs;

use common::{os_thread, spin_until, until, workers};
use greenroom::generator::Co;
use greenroom::inspect::{Doing, Frame, HogReport, MonitorConfig, Report};
use greenroom::{Builder, Generator, patch, patch_all};
use hogs::watch;
use std::io::{Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// What is reported while `deed` runs on a green thread called `name`, which is told
/// to stop then, or is ended by `end`.
#[track_caller]
fn caught(
    name: &str,
    deed: impl FnOnce(&Arc<AtomicBool>) + Send + 'static,
    end: impl FnOnce(),
) -> HogReport {
    caught_by(MonitorConfig::new(), name, deed, end)
}

/// As `caught`, by a monitor of that kind.
#[track_caller]
fn caught_by(
    config: MonitorConfig,
    name: &str,
    deed: impl FnOnce(&Arc<AtomicBool>) + Send + 'static,
    end: impl FnOnce(),
) -> HogReport {
    let (monitor, reports) = watch(config);
    let stop = Arc::new(AtomicBool::new(false));
    let theirs = stop.clone();
    let line = Location::caller().line();
    let hog = Builder::new().name(name.to_owned()).spawn(move || deed(&theirs)).unwrap();
    until(|| !reports.lock().unwrap().is_empty());
    assert!(!hog.is_finished(), "it is reported while it runs");
    let report = reports.lock().unwrap()[0].clone();
    stop.store(true, SeqCst);
    end();
    let id = hog.thread().id();
    hog.join().unwrap();
    monitor.stop();
    println!("{}", Report::Hog(report.clone()));
    assert_eq!((report.name.as_deref(), report.id), (Some(name), id));
    let place = report.spawned_at.unwrap();
    assert!(place.file().ends_with("inspect_monitor.rs"), "{place}");
    assert_eq!(place.line(), line);
    assert_eq!(report.before, 0);
    report
}

/// It stands in a function of this file, near a line.
#[track_caller]
fn assert_stands(report: &HogReport, function: &str, line: u32) {
    let is_there = |frame: &Frame| {
        let file = frame.file.as_ref().is_some_and(|file| file.ends_with("inspect_monitor.rs"));
        let near = frame.line.is_some_and(|found| (line..line + 8).contains(&found));
        frame.function.contains(function) && file && near
    };
    let found = report.backtrace.iter().any(is_there);
    assert!(found, "not in {function} near line {line}: {report:#?}");
}

const CRUNCH: u32 = line!() + 3;
#[inline(never)]
fn crunch(stop: &AtomicBool) -> u64 {
    let mut n = 1_u64;
    while !stop.load(SeqCst) {
        n = (0..1000).fold(n, |n, i| n.wrapping_mul(31).wrapping_add(i));
    }
    n
}

#[test]
fn one_that_computes() {
    workers(1, || {
        let report = caught("cruncher", |stop| _ = crunch(stop), || ());
        assert_eq!(report.doing, Doing::Computing);
        assert!(report.lasts >= Duration::from_millis(100), "{:?}", report.lasts);
        assert_stands(&report, "crunch", CRUNCH);
    });
}

#[test]
fn one_that_computes_where_all_is_patched_and_another_worker_is_idle() {
    workers(2, || {
        patch_all().unwrap();
        let report = caught("cruncher", |stop| _ = crunch(stop), || ());
        assert_eq!(report.doing, Doing::Computing);
        assert_stands(&report, "crunch", CRUNCH);
    });
}

#[test]
fn one_that_looks_at_the_clock() {
    workers(1, || {
        let report = caught(
            "clock",
            |stop| {
                while !stop.load(SeqCst) {
                    std::hint::black_box(Instant::now());
                }
            },
            || (),
        );
        assert_eq!(report.doing, Doing::Computing);
        assert_stands(&report, "closure", line!() - 9);
    });
}

const SPIN: u32 = line!() + 3;
#[inline(never)]
fn spin(stop: &AtomicBool) {
    while !stop.load(SeqCst) {
        std::hint::spin_loop();
    }
}

#[test]
fn one_that_spins_on_memory() {
    workers(1, || {
        let report = caught("spinner", |stop| spin(stop), || ());
        assert_eq!(report.doing, Doing::Spinning);
        assert_stands(&report, "spin", SPIN);
    });
}

const OFFER: u32 = line!() + 3;
#[inline(never)]
fn offer(stop: &AtomicBool) {
    while !stop.load(SeqCst) {
        thread::yield_now();
    }
}

#[test]
fn one_that_spins_on_sched_yield_of_the_kernel() {
    workers(1, || {
        patch_all().unwrap();
        // It gives its core away each time, and must have had it for half of this.
        let config = MonitorConfig::new().limit(Duration::from_millis(4));
        let deed = |stop: &Arc<AtomicBool>| patch::native(|| offer(stop));
        let report = caught_by(config, "native spinner", deed, || ());
        assert_eq!(report.doing, Doing::Spinning);
        assert_stands(&report, "offer", OFFER);
    });
}

#[test]
fn one_that_spins_on_sched_yield_which_gives_way() {
    workers(1, || {
        patch_all().unwrap();
        let report = caught("polite spinner", |stop| offer(stop), || ());
        assert_eq!(report.doing, Doing::GivingWay);
        assert_stands(&report, "offer", OFFER);
    });
}

#[test]
fn one_that_spins_on_a_call_that_fails() {
    workers(1, || {
        let (mut from, _to) = pipe().unwrap();
        nonblocking(&from);
        let report = caught(
            "try-reader",
            move |stop| {
                patch::native(|| {
                    while !stop.load(SeqCst) {
                        assert!(from.read(&mut [0]).is_err());
                    }
                });
            },
            || (),
        );
        assert_eq!(report.doing, Doing::Spinning);
        assert_stands(&report, "closure", line!() - 9);
    });
}

fn nonblocking(fd: &impl AsRawFd) {
    // SAFETY: sets a flag of an open descriptor.
    assert_eq!(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) }, 0);
}

const READ: u32 = line!() + 3;
#[inline(never)]
fn read_one(mut from: &std::io::PipeReader) {
    from.read_exact(&mut [0]).unwrap();
}

#[test]
fn one_that_reads_a_pipe_past_the_patch() {
    workers(1, || {
        patch_all().unwrap();
        let (from, mut to) = pipe().unwrap();
        let report = caught(
            "reader",
            move |_| patch::native(|| read_one(&from)),
            move || to.write_all(&[1]).unwrap(),
        );
        let Doing::Blocked { call, .. } = &report.doing else { panic!("{report:?}") };
        assert_eq!(*call, Some("read"));
        assert_stands(&report, "read_one", READ);
    });
}

const POLL: u32 = line!() + 3;
#[inline(never)]
fn poll(fd: i32) -> libc::c_long {
    let mut wanted = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one of those, and no limit.
    unsafe { libc::syscall(libc::SYS_poll, &raw mut wanted, 1, -1) }
}

/// It must be there before the monitor looks: on its way there it would be interrupted.
#[test]
fn one_that_polls_in_the_kernel_and_polls_on_undisturbed() {
    workers(1, || {
        let (from, mut to) = pipe().unwrap();
        let (say, hear) = std::sync::mpsc::channel();
        let poller = greenroom::spawn(move || {
            say.send(os_thread()).unwrap();
            poll(from.as_raw_fd())
        });
        let thread = hear.recv().unwrap();
        spin_until(|| hogs::waits_in(thread, libc::SYS_poll));
        let (monitor, reports) = watch(MonitorConfig::new());
        until(|| !reports.lock().unwrap().is_empty());
        to.write_all(&[1]).unwrap();
        assert_eq!(poller.join().unwrap(), 1, "interrupted, it would be EINTR");
        monitor.stop();
        let report = &reports.lock().unwrap()[0];
        let Doing::Blocked { call, .. } = &report.doing else { panic!("{report:?}") };
        assert_eq!(*call, Some("poll"));
        assert_stands(report, "poll", POLL);
    });
}

#[test]
fn one_that_goes_on_is_reported_again_after_twice_the_time() {
    workers(1, || {
        let (monitor, reports) = watch(MonitorConfig::new());
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = stop.clone();
        let hog = greenroom::spawn(move || crunch(&theirs));
        until(|| reports.lock().unwrap().len() >= 3);
        stop.store(true, SeqCst);
        hog.join().unwrap();
        monitor.stop();
        let reports = reports.lock().unwrap();
        let before: Vec<u32> = reports.iter().map(|report| report.before).collect();
        assert_eq!(before[..3], [0, 1, 2]);
        for pair in reports.windows(2) {
            assert!(pair[1].lasts >= pair[0].lasts * 2, "{reports:?}");
        }
    });
}

#[test]
fn each_of_two_is_reported() {
    workers(2, || {
        let (monitor, reports) = watch(MonitorConfig::new());
        let stop = Arc::new(AtomicBool::new(false));
        let hogs = ["one", "two"].map(|name| {
            let stop = stop.clone();
            Builder::new().name(name.into()).spawn(move || crunch(&stop)).unwrap()
        });
        let has = |name: &str| {
            reports.lock().unwrap().iter().any(|report| report.name.as_deref() == Some(name))
        };
        until(|| has("one") && has("two"));
        stop.store(true, SeqCst);
        hogs.into_iter().for_each(|hog| _ = hog.join().unwrap());
        monitor.stop();
    });
}

#[test]
fn one_inside_a_generator_is_named_too() {
    workers(1, || {
        let report = caught(
            "consumer",
            |stop| {
                let stop = stop.clone();
                let inner = move |_: &Co<(), ()>, ()| crunch(&stop);
                assert!(Generator::new(inner).resume(()).returned().is_some());
            },
            || (),
        );
        assert_eq!(report.doing, Doing::Computing);
        assert_stands(&report, "crunch", CRUNCH);
    });
}

#[test]
fn a_thread_of_std_is_named_too() {
    workers(1, || {
        patch_all().unwrap();
        if thread::spawn(|| greenroom::current().is_none()).join().unwrap() {
            return; // with shared thread-locals it is an OS thread
        }
        let (monitor, reports) = watch(MonitorConfig::new());
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = stop.clone();
        let hog = thread::Builder::new().name("std's".into()).spawn(move || crunch(&theirs));
        until(|| !reports.lock().unwrap().is_empty());
        stop.store(true, SeqCst);
        hog.unwrap().join().unwrap();
        monitor.stop();
        let report = &reports.lock().unwrap()[0];
        assert_eq!((report.name.as_deref(), report.spawned_at), (Some("std's"), None));
        assert_stands(report, "crunch", CRUNCH);
    });
}

#[test]
fn it_computes_in_pieces_and_is_not_reported() {
    workers(1, || {
        let (monitor, reports) = watch(MonitorConfig::new());
        let deed = || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(800) {
                let piece = Instant::now();
                spin_until(|| piece.elapsed() > Duration::from_millis(2));
                greenroom::yield_now();
            }
        };
        // Together they keep the worker busy for long, and none for long.
        let threads: Vec<_> = (0..4).map(|_| greenroom::spawn(deed)).collect();
        greenroom::joinall(threads).into_iter().for_each(|end| end.unwrap());
        monitor.stop();
        assert!(reports.lock().unwrap().is_empty(), "{:#?}", reports.lock().unwrap());
    });
}
