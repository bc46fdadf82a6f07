//! Looking inside: what the workers do, which green threads there are, and
//! where each of them waits.
//!
//! Everything here reads, from outside, what the runtime keeps anyway; it stops
//! no worker and changes nothing.

mod stats;
#[cfg(feature = "prometheus")]
mod prometheus;
#[cfg(feature = "tracing")]
pub mod spans;

pub use stats::{OffloadStats, StackStats, Stats, WorkerStats, stats};
