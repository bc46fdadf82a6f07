//! What a monitor reports.

use super::view::Frame;
use std::fmt::{self, Display, Formatter};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// What a [`Monitor`](super::Monitor) has to say. `Display` is what it writes if
/// nobody asked for its reports.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Report {
    /// A green thread keeps its worker, or gives it back only to have it again.
    Hog(HogReport),
    /// There is more of something than there should be.
    Limit(LimitReport),
}

/// A green thread that keeps its worker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HogReport {
    /// As [`GreenThread::id`](crate::GreenThread::id).
    pub id: u64,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Where it was spawned; `None` if `pthread_create` made it, for instance by
    /// `std::thread::spawn`.
    pub spawned_at: Option<&'static Location<'static>>,
    /// The number of its worker.
    pub worker: usize,
    /// What it does instead.
    pub doing: Doing,
    /// For how long at least, until now: it still does.
    pub lasts: Duration,
    /// How often this was reported before.
    pub before: u32,
    /// Where it stood when it was looked at, the innermost frame first; empty if
    /// that could not be seen.
    pub backtrace: Arc<[Frame]>,
}

/// What a green thread does that keeps its worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// It computes, or makes calls that do not wait.
    Computing,
    /// It tries the same again and again: `sched_yield` that is not patched, calls
    /// that fail at once, or a loop around `std::hint::spin_loop`.
    Spinning,
    /// It gives way again and again and never waits, thousands of times a second. It
    /// keeps nobody out, but the worker never sleeps.
    GivingWay,
    /// The kernel keeps it, and with it the whole worker.
    #[non_exhaustive]
    Blocked {
        /// In this system call, if the kernel says so.
        call: Option<&'static str>,
        /// In this function of the kernel's, if it says so.
        place: Option<String>,
    },
}

/// There is more of something than there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitReport {
    /// Of what.
    pub resource: Resource,
    /// How much there is.
    pub value: u64,
    /// How much there should be at most.
    pub limit: u64,
}

/// What there may be too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Green threads, those that have not started included.
    GreenThreads,
    /// Stacks on which a green thread stands.
    Stacks,
    /// Bytes of memory that the process has in use (the resident set).
    Memory,
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Report::Hog(hog) => hog.fmt(f),
            Report::Limit(limit) => limit.fmt(f),
        }
    }
}

impl Display for HogReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let HogReport { id, name, spawned_at, worker, doing, lasts, backtrace, .. } = self;
        let name = name.as_deref().unwrap_or("<unnamed>");
        write!(f, "green thread '{name}' ({id})")?;
        if let Some(place) = spawned_at {
            write!(f, ", spawned at {place},")?;
        }
        let lasts = lasts.as_millis();
        match doing {
            Doing::Computing => write!(f, " computes on worker {worker} for {lasts} ms now")?,
            Doing::Spinning => write!(f, " spins on worker {worker} for {lasts} ms now")?,
            Doing::GivingWay => {
                write!(f, " gives way on worker {worker} for {lasts} ms now, and never waits")?;
            }
            Doing::Blocked { call, place } => {
                write!(f, " blocks worker {worker} for {lasts} ms now")?;
                write!(f, ", in {}", call.unwrap_or("the kernel"))?;
                if let Some(place) = place {
                    write!(f, " ({place})")?;
                }
            }
        }
        writeln!(f)?;
        if backtrace.is_empty() {
            writeln!(f, "    no backtrace: it could not be looked at")?;
        }
        super::text::write_frames(f, backtrace)
    }
}

impl Display for LimitReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let LimitReport { resource, value, limit } = self;
        let what = match resource {
            Resource::GreenThreads => "green threads",
            Resource::Stacks => "stacks in use",
            Resource::Memory => "bytes of memory in use",
        };
        writeln!(f, "{value} {what}, more than the limit of {limit}")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn hog(doing: Doing) -> String {
        let report = HogReport {
            id: 7,
            name: Some("cruncher".into()),
            spawned_at: None,
            worker: 1,
            doing,
            lasts: Duration::from_millis(120),
            before: 0,
            backtrace: Arc::new([]),
        };
        Report::Hog(report).to_string()
    }

    #[test]
    fn a_report_says_who_does_what_for_how_long() {
        let text = hog(Doing::Computing);
        assert!(text.starts_with("green thread 'cruncher' (7) computes on worker 1 for 120 ms"));
        let call = Doing::Blocked { call: Some("read"), place: Some("pipe_read".into()) };
        assert!(hog(call).contains("blocks worker 1 for 120 ms now, in read (pipe_read)\n"));
        let unknown = Doing::Blocked { call: None, place: None };
        assert!(hog(unknown).contains(", in the kernel\n"));
    }

    #[test]
    fn a_limit_says_what_there_is() {
        let report = LimitReport { resource: Resource::Stacks, value: 12, limit: 10 };
        let text = Report::Limit(report).to_string();
        assert_eq!(text, "12 stacks in use, more than the limit of 10\n");
    }
}
