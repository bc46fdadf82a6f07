//! Programs with habits of their own, which looking inside must not disturb.

mod common;

use common::in_child;
use greenroom::inspect::{MonitorConfig, Report, monitor};
use greenroom::{Builder, JoinHandle};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
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

static CAME: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    CAME.fetch_add(1, SeqCst);
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
