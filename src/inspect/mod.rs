//! Looking inside: what the workers do, which green threads there are, and
//! where each of them waits.
//!
//! Everything here reads, from outside, what the runtime keeps anyway; it stops
//! no worker and changes nothing.

mod stats;
#[cfg(feature = "prometheus")]
mod prometheus;
mod view;
mod symbols;
mod waits;
mod scan;
mod holders;
mod text;
mod json;
mod take;
mod signal;
mod graph;
mod pace;
mod deadlock;
mod stall;
mod stall_text;
#[cfg(feature = "tracing")]
pub mod spans;
mod monitor_report;
mod monitor_config;
mod monitor_limits;
mod monitor_sample;
mod monitor_who;
mod monitor_look;
mod monitor_watch;
mod monitor;

pub use monitor::{Monitor, monitor};
pub use monitor_config::MonitorConfig;
pub use monitor_report::{Doing, HogReport, LimitReport, Report, Resource};
pub use signal::dump_on_signal;
pub use stall::{OsThread, StallReport, Waiter, on_stall};
pub use stats::{OffloadStats, StackStats, Stats, WorkerStats, stats};
pub use take::dump;
pub use view::{Dump, Frame, Holder, NoBacktrace, ThreadDump, ThreadState, WaitsFor, WorkerDump};
