//! Those who keep a worker, and a monitor that catches them.

use greenroom::inspect::{HogReport, Monitor, MonitorConfig, Report, monitor};
use greenroom::{Builder, JoinHandle};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

pub(crate) type Reports = Arc<Mutex<Vec<HogReport>>>;

/// A monitor that keeps what it reports.
pub(crate) fn watch(config: MonitorConfig) -> (Monitor, Reports) {
    let reports = Reports::default();
    let theirs = reports.clone();
    let config = config.on_report(move |report| {
        if let Report::Hog(hog) = report {
            theirs.lock().unwrap().push(hog.clone());
        }
    });
    (monitor(config).unwrap(), reports)
}

/// A green thread that computes until it is told to stop.
pub(crate) fn hog(stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let stop = stop.clone();
    let deed = move || {
        let mut n = 1_u64;
        while !stop.load(SeqCst) {
            n = std::hint::black_box(n.wrapping_mul(31));
        }
    };
    Builder::new().name("hog".into()).spawn(deed).unwrap()
}

/// Whether that OS thread of this process waits in that system call.
pub(crate) fn waits_in(thread: libc::pid_t, call: i64) -> bool {
    let it = std::fs::read_to_string(format!("/proc/self/task/{thread}/syscall"));
    it.is_ok_and(|it| it.starts_with(&format!("{call} ")))
}
