//! Green threads for Rust.

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods))]

pub(crate) mod error;
pub(crate) mod config;
pub(crate) mod sys;
pub(crate) mod stack;
pub(crate) mod green;
pub(crate) mod sched;
pub(crate) mod time;
pub(crate) mod task;
pub(crate) mod net;
pub mod patch;

pub use config::{Config, ThreadLocals};
pub use error::{ConfigError, JoinError, PatchError};
pub use green::handle::{GreenThread, current, park, park_timeout, yield_now};
pub use patch::patch_all;
pub use task::join::{JoinHandle, joinall};
pub use task::spawn::{Builder, spawn, spawn_later};
pub use time::{sleep, sleep_until};
