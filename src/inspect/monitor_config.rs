//! What a monitor is to look at.

use super::monitor_report::Report;
use crate::green::warn::warn;
use std::fmt;
use std::time::Duration;

type OnReport = Box<dyn Fn(&Report) + Send + 'static>;

/// What a [`Monitor`](super::Monitor) is to look at, and whom to tell.
///
/// ```
/// use greenroom::inspect::{MonitorConfig, Report, monitor};
/// use std::time::Duration;
///
/// let monitor = monitor(
///     MonitorConfig::new()
///         .limit(Duration::from_millis(50))
///         .max_green_threads(100_000)
///         .on_report(|report| match report {
///             Report::Hog(hog) => eprintln!("{:?} hogs worker {}", hog.name, hog.worker),
///             other => eprintln!("{other}"),
///         }),
/// )?;
/// // ...
/// monitor.stop();
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct MonitorConfig {
    pub(super) limit: Duration,
    pub(super) signal: i32,
    pub(super) max_green_threads: Option<usize>,
    pub(super) max_stacks: Option<usize>,
    pub(super) max_memory: Option<u64>,
    pub(super) on_report: OnReport,
    /// Whoever is told may wake others.
    pub(super) may_wake: bool,
}

impl MonitorConfig {
    /// 100 ms, `SIGURG`, no other limits, and reports go to stderr, or with the
    /// feature `log` to the program's logger if it has one.
    pub fn new() -> MonitorConfig {
        MonitorConfig {
            limit: Duration::from_millis(100),
            signal: libc::SIGURG,
            max_green_threads: None,
            max_stacks: None,
            max_memory: None,
            on_report: Box::new(|report| warn(report.to_string().trim_end().to_owned())),
            may_wake: false,
        }
    }

    /// For how long a green thread may run without giving way; at least 4 ms.
    pub fn limit(mut self, limit: Duration) -> MonitorConfig {
        self.limit = limit;
        self
    }

    /// The signal by which a worker is interrupted to see what it runs, when it has
    /// not come round for some time. Its other uses go on: what is not sent by the
    /// monitor goes to the handler that was there before. A handler that is set
    /// later takes the monitor's place, and reports then have no backtraces.
    ///
    /// `SIGURG` is one that programs hardly use and that ends nothing. Where it is used
    /// and each one counts, take a real-time signal (`SIGRTMIN` and up): of two others
    /// that come to a thread at the same moment the kernel keeps one.
    pub fn signal(mut self, signal: i32) -> MonitorConfig {
        self.signal = signal;
        self
    }

    /// How many green threads there should be at most, those that have not started
    /// included. As for the other limits, it is reported once when there are more,
    /// and again only after there were fewer than nine tenths of that.
    pub fn max_green_threads(mut self, most: usize) -> MonitorConfig {
        self.max_green_threads = Some(most);
        self
    }

    /// On how many stacks green threads should stand at most.
    pub fn max_stacks(mut self, most: usize) -> MonitorConfig {
        self.max_stacks = Some(most);
        self
    }

    /// How many bytes of memory the process should use at most (its resident set).
    pub fn max_memory(mut self, bytes: u64) -> MonitorConfig {
        self.max_memory = Some(bytes);
        self
    }

    /// Who is told, instead of that. It runs on the monitor's OS thread, which
    /// looks at nothing meanwhile. Should it panic, the monitor goes on. Since it may
    /// wake others, no stall is reported ([`on_stall`](super::on_stall)) while the
    /// monitor is on.
    pub fn on_report(mut self, f: impl Fn(&Report) + Send + 'static) -> MonitorConfig {
        self.on_report = Box::new(f);
        self.may_wake = true;
        self
    }
}

impl Default for MonitorConfig {
    fn default() -> MonitorConfig {
        MonitorConfig::new()
    }
}

impl fmt::Debug for MonitorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitorConfig")
            .field("limit", &self.limit)
            .field("signal", &self.signal)
            .field("max_green_threads", &self.max_green_threads)
            .field("max_stacks", &self.max_stacks)
            .field("max_memory", &self.max_memory)
            .finish_non_exhaustive()
    }
}
