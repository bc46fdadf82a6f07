//! The monitor starts and stops, keeps to its limits and its signal, and leaves
//! alone those who do nothing wrong.

mod common;
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "common/hogs.rs"]
mod hogs;

use common::{in_child, until, workers};
use greenroom::inspect::{Monitor, MonitorConfig, Report, Resource, monitor};
use greenroom::queue::Channel;
use greenroom::{Builder, joinall, patch_all, spawn};
use hogs::hog;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

type Reports = Arc<Mutex<Vec<Report>>>;

fn watch(config: MonitorConfig) -> (Monitor, Reports) {
    let reports = Reports::default();
    let theirs = reports.clone();
    let config = config.on_report(move |report| theirs.lock().unwrap().push(report.clone()));
    (monitor(config).unwrap(), reports)
}

fn monitor_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.trim() == "green-watch").count()
}

/// Those with much to do, who all give way or wait in time.
fn busy(stop: &Arc<AtomicBool>, address: std::net::SocketAddr) -> Vec<greenroom::JoinHandle<u64>> {
    let mut threads = Vec::new();
    let mut start = |deed: fn(&mut TcpStream, &Channel<u64>) -> u64, channel: &Channel<u64>| {
        let (stop, channel) = (stop.clone(), channel.clone());
        threads.push(spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut done = 0;
            while !stop.load(SeqCst) {
                done += deed(&mut stream, &channel);
            }
            channel.shutdown(true);
            done
        }));
    };
    for _ in 0..4 {
        let channel = Channel::new();
        start(echo, &channel);
        start(|_, channel| u64::from(channel.put(1).is_ok()), &channel);
        start(|_, channel| channel.get().unwrap_or(0), &channel);
        start(compute, &channel);
        start(nap, &channel);
    }
    threads
}

fn echo(stream: &mut TcpStream, _: &Channel<u64>) -> u64 {
    stream.write_all(&[7; 64]).unwrap();
    stream.read_exact(&mut [0; 64]).unwrap();
    1
}

fn compute(_: &mut TcpStream, _: &Channel<u64>) -> u64 {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1) {}
    greenroom::yield_now();
    1
}

fn nap(_: &mut TcpStream, _: &Channel<u64>) -> u64 {
    std::thread::sleep(Duration::from_micros(100));
    1
}

fn serve() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || {
        for mut stream in listener.incoming().flatten() {
            spawn(move || {
                let mut bytes = [0; 64];
                while stream.read_exact(&mut bytes).is_ok() && stream.write_all(&bytes).is_ok() {}
            });
        }
    });
    address
}

/// What is reported of those.
fn reported_under_load() -> Vec<Report> {
    patch_all().unwrap();
    let (monitor, reports) = watch(MonitorConfig::new());
    let stop = Arc::new(AtomicBool::new(false));
    let address = serve();
    let threads = busy(&stop, address);
    greenroom::sleep(Duration::from_secs(3));
    stop.store(true, SeqCst);
    for end in joinall(threads) {
        assert!(end.unwrap() > 0, "each had something to do");
    }
    monitor.stop();
    std::mem::take(&mut *reports.lock().unwrap())
}

#[test]
fn the_well_behaved_are_not_reported_on_one_worker() {
    workers(1, || {
        let found = reported_under_load();
        assert!(found.is_empty(), "{found:#?}");
    });
}

#[test]
fn nor_on_two() {
    workers(2, || {
        let found = reported_under_load();
        assert!(found.is_empty(), "{found:#?}");
    });
}

#[test]
fn it_starts_and_stops_many_times() {
    workers(2, || {
        let stop = Arc::new(AtomicBool::new(false));
        let hogs = [hog(&stop), hog(&stop)];
        for round in 0..100 {
            let (monitor, reports) = watch(MonitorConfig::new().limit(Duration::from_millis(4)));
            if round % 10 == 0 {
                until(|| !reports.lock().unwrap().is_empty());
            }
            monitor.stop();
            assert_eq!(Arc::strong_count(&reports), 1, "whom it tells is dropped");
            until(|| monitor_threads() == 0);
        }
        stop.store(true, SeqCst);
        hogs.into_iter().for_each(|hog| hog.join().unwrap());
    });
}

#[test]
fn dropped_it_ends_and_forgotten_it_stays() {
    workers(1, || {
        drop(monitor(MonitorConfig::new()).unwrap());
        until(|| monitor_threads() == 0);
        monitor(MonitorConfig::new()).unwrap().detach();
        until(|| monitor_threads() == 1);
    });
}

#[test]
fn two_at_a_time_both_see_the_hog() {
    workers(1, || {
        let both = [20, 30].map(|ms| watch(MonitorConfig::new().limit(Duration::from_millis(ms))));
        let stop = Arc::new(AtomicBool::new(false));
        let hog = hog(&stop);
        until(|| both.iter().all(|(_, reports)| !reports.lock().unwrap().is_empty()));
        stop.store(true, SeqCst);
        hog.join().unwrap();
        both.into_iter().for_each(|(monitor, _)| monitor.stop());
    });
}

#[test]
fn it_is_stopped_by_a_green_thread_and_by_its_own_report() {
    workers(2, || {
        spawn(|| monitor(MonitorConfig::new()).unwrap().stop()).join().unwrap();
        let (given, taken) = (Arc::new(Mutex::new(None::<Monitor>)), Arc::new(AtomicU32::new(0)));
        let (theirs, count) = (given.clone(), taken.clone());
        let config = MonitorConfig::new().limit(Duration::from_millis(10));
        let own = monitor(config.on_report(move |_| {
            if let Some(monitor) = theirs.lock().unwrap().take() {
                monitor.stop();
                count.fetch_add(1, SeqCst);
            }
        }));
        *given.lock().unwrap() = Some(own.unwrap());
        let stop = Arc::new(AtomicBool::new(false));
        let hog = hog(&stop);
        until(|| taken.load(SeqCst) == 1);
        until(|| monitor_threads() == 0);
        stop.store(true, SeqCst);
        hog.join().unwrap();
    });
}

#[test]
fn a_report_that_panics_does_not_end_it() {
    workers(1, || {
        let count = Arc::new(AtomicU32::new(0));
        let theirs = count.clone();
        let config = MonitorConfig::new().limit(Duration::from_millis(5)).on_report(move |_| {
            theirs.fetch_add(1, SeqCst);
            panic!("told");
        });
        let monitor = monitor(config).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let hog = hog(&stop);
        until(|| count.load(SeqCst) >= 2);
        stop.store(true, SeqCst);
        hog.join().unwrap();
        monitor.stop();
    });
}

#[test]
fn without_anybody_to_tell_it_writes_to_stderr() {
    let ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
        let reports = monitor(MonitorConfig::new()).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let hog = hog(&stop);
        // The first report is written when the second monitor has seen it often.
        let (second, seen) = watch(MonitorConfig::new().limit(Duration::from_millis(200)));
        until(|| seen.lock().unwrap().len() >= 4);
        stop.store(true, SeqCst);
        hog.join().unwrap();
        second.stop();
        reports.stop();
    });
    ended.assert_success();
    let said = "green thread 'hog' (";
    assert!(ended.stderr.contains(said), "{ended}");
    assert!(ended.stderr.contains("computes on worker 0 for"), "{ended}");
    assert!(ended.stderr.contains("common/hogs.rs:"), "{ended}");
}

#[test]
fn another_signal_can_be_chosen_and_a_wrong_one_is_refused() {
    workers(1, || {
        for wrong in [0, 99, -1, libc::SIGKILL, libc::SIGSEGV] {
            assert!(monitor(MonitorConfig::new().signal(wrong)).is_err(), "{wrong}");
        }
        let (monitor, reports) = watch(MonitorConfig::new().signal(libc::SIGRTMIN() + 2));
        let stop = Arc::new(AtomicBool::new(false));
        let hog = hog(&stop);
        until(|| !reports.lock().unwrap().is_empty());
        stop.store(true, SeqCst);
        hog.join().unwrap();
        monitor.stop();
        let Report::Hog(report) = &reports.lock().unwrap()[0] else { panic!("no limit is set") };
        assert!(!report.backtrace.is_empty());
    });
}

static RECEIVED: AtomicU64 = AtomicU64::new(0);

extern "C" fn receive(_: i32) {
    RECEIVED.fetch_add(1, SeqCst);
}

#[test]
fn a_handler_of_the_same_signal_still_gets_its_own() {
    workers(1, || {
        let handler: extern "C" fn(i32) = receive;
        // SAFETY: a handler that counts.
        unsafe { libc::signal(libc::SIGURG, handler as *const () as usize) };
        let (monitor, reports) = watch(MonitorConfig::new());
        let stop = Arc::new(AtomicBool::new(false));
        let hog = hog(&stop);
        until(|| !reports.lock().unwrap().is_empty());
        assert_eq!(RECEIVED.load(SeqCst), 0, "what the monitor sends is not for it");
        // SAFETY: there is a handler.
        unsafe { libc::raise(libc::SIGURG) };
        assert_eq!(RECEIVED.load(SeqCst), 1);
        stop.store(true, SeqCst);
        hog.join().unwrap();
        monitor.stop();
    });
}

#[test]
fn one_that_blocks_the_signal_is_named_without_a_backtrace() {
    workers(1, || {
        let (monitor, reports) = watch(MonitorConfig::new());
        let stop = Arc::new(AtomicBool::new(false));
        let deaf = Builder::new().name("deaf".into());
        let theirs = stop.clone();
        let deaf = deaf.spawn(move || {
            // SAFETY: an empty set, one signal in it, and this thread's mask.
            unsafe {
                let mut set = std::mem::zeroed();
                libc::sigaddset(&mut set, libc::SIGURG);
                libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            }
            while !theirs.load(SeqCst) {}
        });
        until(|| !reports.lock().unwrap().is_empty());
        stop.store(true, SeqCst);
        deaf.unwrap().join().unwrap();
        monitor.stop();
        let report = &reports.lock().unwrap()[0];
        assert!(report.to_string().contains("no backtrace"), "{report}");
        let Report::Hog(report) = report else { panic!("no limit is set") };
        assert_eq!(report.name.as_deref(), Some("deaf"));
        assert!(report.backtrace.is_empty() && report.spawned_at.is_some());
    });
}

/// While many start and end, nobody is counted who is not there.
#[test]
fn a_limit_that_is_never_crossed_is_not_reported() {
    workers(2, || {
        // Those who were joined may not have been counted yet as ended: one each worker.
        let config = MonitorConfig::new().max_green_threads(32);
        let (monitor, reports) = watch(config.limit(Duration::from_millis(20)));
        let looks = monitor_looks();
        until(|| {
            for _ in 0..100 {
                joinall((0..30).map(|_| spawn(|| ())));
            }
            monitor_looks() > looks + 300
        });
        monitor.stop();
        let reports = reports.lock().unwrap();
        assert!(reports.is_empty(), "{reports:?}");
    });
}

#[test]
fn limits_are_reported_when_they_are_crossed_and_again_later() {
    workers(1, || {
        let config = MonitorConfig::new().max_green_threads(20).max_stacks(10);
        let (monitor, reports) = watch(config.limit(Duration::from_millis(20)));
        let count = |resource: Resource| {
            let is =
                |report: &&Report| matches!(report, Report::Limit(l) if l.resource == resource);
            reports.lock().unwrap().iter().filter(is).count()
        };
        for round in 1..=2 {
            let parked: Vec<_> = (0..30).map(|_| spawn(greenroom::park)).collect();
            until(|| count(Resource::GreenThreads) == round && count(Resource::Stacks) == round);
            parked.iter().for_each(|green| green.thread().unpark());
            joinall(parked);
            // Fewer again: the monitor has to see that before there are more.
            let looks = monitor_looks();
            until(|| monitor_looks() > looks + 12);
            assert_eq!(count(Resource::GreenThreads), round);
        }
        monitor.stop();
        let reports = reports.lock().unwrap();
        for report in reports.iter() {
            let Report::Limit(limit) = report else { panic!("{report}") };
            assert!(limit.value > limit.limit && limit.value <= 31, "{limit:?}");
            assert_eq!(limit.limit, if limit.resource == Resource::Stacks { 10 } else { 20 });
        }
        assert_eq!(count_memory(&reports), 0);
    });
}

fn count_memory(reports: &[Report]) -> usize {
    let is = |report: &&Report| matches!(report, Report::Limit(limit) if limit.resource == Resource::Memory);
    reports.iter().filter(is).count()
}

/// How often the monitor's thread has gone to sleep.
fn monitor_looks() -> u64 {
    let looks = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let mut texts = tasks.flat_map(|t| std::fs::read_to_string(t.path().join("status")));
        let own = texts.find(|text| text.contains("green-watch"))?;
        let line = own.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        Some(line.expect("Linux counts them").trim().parse().unwrap())
    };
    let mut now = None;
    until(|| {
        now = looks(); // it names itself once it runs
        now.is_some()
    });
    now.unwrap()
}

#[test]
fn too_much_memory_is_reported() {
    workers(1, || {
        let (monitor, reports) = watch(MonitorConfig::new().max_memory(256 << 20));
        assert_eq!(count_memory(&reports.lock().unwrap()), 0);
        let much = vec![1_u8; 300 << 20];
        until(|| count_memory(&reports.lock().unwrap()) == 1);
        drop(std::hint::black_box(much));
        monitor.stop();
    });
}
