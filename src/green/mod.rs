//! Layer 3: one green thread. Start with `park.rs`.

pub(crate) mod state;
pub(crate) mod id;
pub(crate) mod limit;
mod table;
pub(crate) mod budget;
pub(crate) mod seat;
mod coroutine;
pub(crate) mod own;
pub(crate) mod record;
pub(crate) mod face;
pub(crate) mod mark;
pub(crate) mod current;
pub(crate) mod suspend;
pub(crate) mod wake;
#[cfg(feature = "tracing")]
pub(crate) mod spans;
pub(crate) mod storage;
pub(crate) mod local;
pub(crate) mod locals;
pub(crate) mod start;
pub(crate) mod choice;
pub(crate) mod unparker;
pub(crate) mod park;
pub(crate) mod os_waits;
pub(crate) mod why;
pub(crate) mod snapshot;
pub(crate) mod debugger;
pub(crate) mod cancel;
pub(crate) mod scopes;
pub(crate) mod kill;
pub(crate) mod waker;
pub(crate) mod ready;
pub(crate) mod handle;
pub(crate) mod ending;
pub(crate) mod links;
pub(crate) mod overflow;
pub(crate) mod say;
#[cfg(feature = "log")]
mod logger;
pub(crate) mod warn;
pub(crate) mod report;
