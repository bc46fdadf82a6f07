//! Programs with habits of their own, which looking inside must not disturb.

mod common;

use common::{in_child, until};
use greenroom::inspect::{MonitorConfig, Report, dump, dump_on_signal, monitor, on_stall};
use greenroom::{Builder, JoinHandle};
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const ONE: &[(&str, &str)] = &[("GREENROOM_WORKERS", "1")];
const TWO: &[(&str, &str)] = &[("GREENROOM_WORKERS", "2")];

fn hog(time: Duration) -> JoinHandle<()> {
    let deed = move || {
        let start = Instant::now();
        while start.elapsed() < time {}
    };
    Builder::new().name("hog".into()).spawn(deed).unwrap()
}

fn handle(signal: i32, handler: usize, flags: i32) {
    // SAFETY: all zero is an empty one.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: a handler that counts, or none.
    assert_eq!(unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) }, 0);
}

static CAME: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    CAME.fetch_add(1, SeqCst);
}

fn counting() -> usize {
    let handler: extern "C" fn(i32) = count;
    handler as *const () as usize
}

/// How many hogs are reported while one runs for so long.
fn reports(config: MonitorConfig, time: Duration) -> usize {
    let (sender, hogs) = channel();
    let config = config.on_report(move |report| {
        assert!(matches!(report, Report::Hog(_)));
        let _ = sender.send(());
    });
    let monitor = monitor(config).unwrap();
    hog(time).join().unwrap();
    monitor.stop();
    hogs.try_iter().count()
}

#[test]
fn a_limit_without_an_end_is_never_reached() {
    let ended = in_child(ONE, || {
        for limit in
            [Duration::MAX, Duration::from_nanos(u64::MAX), Duration::from_nanos(u64::MAX / 4)]
        {
            assert_eq!(reports(MonitorConfig::new().limit(limit), Duration::from_secs(1)), 0);
        }
    });
    ended.assert_success();
    ended.assert_says("panicked", 0);
}

#[test]
fn a_signal_that_is_the_programs_again_is_not_sent() {
    in_child(ONE, || {
        let config = || MonitorConfig::new().limit(Duration::from_millis(20)).signal(libc::SIGUSR1);
        // On a busy machine it hardly runs in its time.
        let is_reported = || (0..20).any(|_| reports(config(), Duration::from_millis(300)) > 0);
        monitor(config()).unwrap().stop();
        handle(libc::SIGUSR1, counting(), 0);
        assert!(is_reported());
        assert_eq!(CAME.load(SeqCst), 0, "the monitor's");
        handle(libc::SIGUSR1, libc::SIG_DFL, 0); // ends the process
        assert!(is_reported());
    })
    .assert_success();
}

#[test]
fn a_dump_comes_while_somebody_holds_stderr() {
    in_child(TWO, || {
        // SAFETY: a new descriptor, which nobody else has.
        let file = unsafe {
            let fd = libc::memfd_create(c"stderr".as_ptr(), libc::MFD_CLOEXEC);
            std::fs::File::from_raw_fd(fd)
        };
        // SAFETY: two valid descriptors.
        assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), 2) }, 2);
        dump_on_signal(libc::SIGQUIT).unwrap();
        let holder = Builder::new().name("holder".into()).spawn(|| {
            let _held = std::io::stderr().lock();
            greenroom::park();
        });
        let holder = holder.unwrap();
        until(|| dump().threads.iter().any(|t| !t.waits_for.is_empty()));
        // SAFETY: to this process.
        assert_eq!(unsafe { libc::kill(libc::getpid(), libc::SIGQUIT) }, 0);
        let written = || std::fs::read_to_string(format!("/proc/self/fd/{}", file.as_raw_fd()));
        until(|| written().unwrap().contains("'holder' waits"));
        holder.thread().unpark();
        holder.join().unwrap();
    })
    .assert_success();
}

#[test]
fn a_stall_is_found_while_a_monitor_looks() {
    let ended = in_child(ONE, || {
        on_stall(|report| std::process::exit(if report.signals.is_empty() { 7 } else { 8 }));
        monitor(MonitorConfig::new()).unwrap().detach();
        greenroom::spawn(greenroom::park).join().unwrap();
    });
    assert_eq!(ended.status.code(), Some(7), "{ended}");
}

/// Nothing else would wake them, but it does.
#[test]
fn who_is_told_by_a_monitor_may_end_what_would_be_a_stall() {
    let ended = in_child(ONE, || {
        on_stall(|_| std::process::exit(8));
        let (put, crowd) = channel::<greenroom::GreenThread>();
        let config = MonitorConfig::new().limit(Duration::from_millis(400)).max_green_threads(9);
        let watch = monitor(config.on_report(move |_| crowd.iter().for_each(|one| one.unpark())));
        let threads: Vec<_> = (0..20).map(|_| greenroom::spawn(greenroom::park)).collect();
        threads.iter().for_each(|one| put.send(one.thread().clone()).unwrap());
        drop(put);
        greenroom::joinall(threads);
        watch.unwrap().stop();
    });
    ended.assert_success();
    assert!(!ended.stderr.contains("stalled"), "{ended}");
}

#[test]
fn a_handler_that_interrupts_calls_goes_on_to_do_so() {
    in_child(ONE, || {
        handle(libc::SIGUSR1, counting(), 0);
        monitor(MonitorConfig::new().signal(libc::SIGUSR1)).unwrap().detach();
        let (from, _to) = std::io::pipe().unwrap();
        let (say, hear) = channel();
        let done = Arc::new(AtomicBool::new(false));
        let theirs = done.clone();
        let reader = std::thread::spawn(move || {
            // SAFETY: takes nothing.
            say.send(unsafe { libc::pthread_self() }).unwrap();
            // SAFETY: one byte to write to.
            let got = unsafe { libc::read(from.as_raw_fd(), [0_u8].as_mut_ptr().cast(), 1) };
            let error = std::io::Error::last_os_error();
            theirs.store(true, SeqCst);
            (got, error.raw_os_error())
        });
        let thread = hear.recv().unwrap();
        let start = Instant::now();
        while !done.load(SeqCst) && start.elapsed() < Duration::from_secs(5) {
            // SAFETY: it is joined later.
            unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(done.load(SeqCst) && CAME.load(SeqCst) > 0, "the call was taken up again");
        assert_eq!(reader.join().unwrap(), (-1, Some(libc::EINTR)));
    })
    .assert_success();
}

#[test]
fn calls_that_wait_for_a_moment_are_not_interrupted() {
    in_child(ONE, || {
        let config = MonitorConfig::new().limit(Duration::from_millis(4)).on_report(|_| ());
        let monitor = monitor(config).unwrap();
        let interrupted = greenroom::spawn(|| {
            let start = Instant::now();
            let mut interrupted = 0;
            while start.elapsed() < Duration::from_secs(3) {
                let turn = Instant::now();
                while turn.elapsed() < Duration::from_micros(200) {}
                // SAFETY: waits for nothing but the time.
                let polled = unsafe { libc::poll(std::ptr::null_mut(), 0, 1) };
                interrupted += usize::from(polled < 0);
            }
            interrupted
        });
        assert_eq!(interrupted.join().unwrap(), 0);
        monitor.stop();
    })
    .assert_success();
}

#[test]
fn a_forks_child_can_stop_what_its_parent_started() {
    in_child(ONE, || {
        let monitor = monitor(MonitorConfig::new()).unwrap();
        greenroom::spawn(|| ()).join().unwrap();
        // SAFETY: the child does little.
        match unsafe { libc::fork() } {
            0 => {
                monitor.stop();
                let again = greenroom::inspect::monitor(MonitorConfig::new()).unwrap();
                assert!(dump().threads.is_empty());
                again.stop();
                let _ = std::io::stdout().flush();
                std::process::exit(0)
            }
            child => {
                let start = Instant::now();
                let mut status = 0;
                // SAFETY: valid pointers.
                while unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } == 0 {
                    std::thread::sleep(Duration::from_millis(10));
                    if start.elapsed() > Duration::from_secs(10) {
                        // SAFETY: our child.
                        unsafe { libc::kill(child, libc::SIGKILL) };
                    }
                }
                assert_eq!(status, 0);
            }
        }
    })
    .assert_success();
}
