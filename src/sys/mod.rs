//! Layer 1: the kernel and libc. Knows no green threads.
//!
//! Later modules may use earlier ones. With `patch`, the only home of
//! platform conditions.

pub(crate) mod atomic;
pub(crate) mod errno;
pub(crate) mod platform;
pub(crate) mod raw;
pub(crate) mod real;
pub(crate) mod rare;
pub(crate) mod pthread;
pub(crate) mod learn;
mod tls_keys;
pub(crate) mod tls;
pub(crate) mod tls_probe;
pub(crate) mod thread_end;
pub(crate) mod clock;
pub(crate) mod futex;
pub(crate) mod barrier;
pub(crate) mod lock;
pub(crate) mod quick;
#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, loom))]
mod quick_loom;
pub(crate) mod gate;
#[cfg(all(test, loom))]
mod gate_loom;
pub(crate) mod favour;
#[cfg(all(test, loom))]
mod favour_loom;
pub(crate) mod biased;
pub(crate) mod parker;
pub(crate) mod tasks;
pub(crate) mod owner;
pub(crate) mod inbox;
mod ready;
#[cfg_attr(greenroom_portable, path = "portable.rs")]
pub(crate) mod selector;
pub(crate) mod gather;
pub(crate) mod mem;
pub(crate) mod peek;
pub(crate) mod switch;
mod modules;
pub(crate) mod unwind;
pub(crate) mod fault;
pub(crate) mod interrupt;
pub(crate) mod os_thread;
#[cfg(all(test, not(miri)))]
pub(crate) mod reexec;
