//! What the benchmarks share. Nothing here names greenroom, so that a program
//! which does not use it either is linked without its patch.

pub mod asynchronous;
pub mod asynchronous_servers;
mod asynchronous_waits;
pub mod blocking;
pub mod blocking_servers;
mod blocking_waits;
pub mod http;
mod lateness;
pub mod protocol;
pub mod stats;
pub mod std_kit;
pub mod sys;
pub mod work;
