//! Layer 4: workers, timers and the reactor. `README.md` beside this file is
//! the essay on how they work together; start there, then `worker.rs`.

pub(crate) mod timers;
pub(crate) mod sleep;
mod waking;
pub(crate) mod run_queue;
pub(crate) mod counters;
pub(crate) mod shared;
mod batch;
mod affine;
pub(crate) mod local;
pub(crate) mod facts;
mod woken;
pub(crate) mod stacks;
pub(crate) mod blocks;
pub(crate) mod numbers;
pub(crate) mod watch;
pub(crate) mod runtime;
pub(crate) mod monitor;
pub(crate) mod line;
pub(crate) mod words;
pub(crate) mod entry;
pub(crate) mod kinds;
mod table;
mod rings;
pub(crate) mod fds;
pub(crate) mod wait;
pub(crate) mod rescue;
pub(crate) mod joiners;
pub(crate) mod stall;
mod busy_poll;
mod search;
mod warm;
pub(crate) mod lane;
mod trim;
mod lookout;
pub(crate) mod worker;
pub(crate) mod start;
