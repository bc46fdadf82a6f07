//! Green threads for Rust: plain, sequential, blocking code that holds a
//! hundred thousand conversations on a few cores.
//!
//! [`spawn`] starts a *green thread*: a coroutine with a guarded stack of its
//! own. When it would block it *parks*, and its *worker*, an OS thread, runs
//! another one. [`patch_all`] makes the blocking calls of std, and of every
//! crate and C library in the program, park as well.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{TcpListener, TcpStream};
//!
//! greenroom::patch_all()?; // first thing in main
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! greenroom::spawn(move || {
//!     for stream in listener.incoming().flatten() {
//!         greenroom::spawn(move || std::io::copy(&mut &stream, &mut &stream));
//!     }
//! });
//!
//! let clients = (0..100).map(|n| {
//!     greenroom::spawn(move || {
//!         let mut stream = TcpStream::connect(address)?;
//!         stream.write_all(&[n])?;
//!         let mut echo = [0];
//!         stream.read_exact(&mut echo)?;
//!         assert_eq!(echo, [n]);
//!         Ok::<_, std::io::Error>(())
//!     })
//! });
//! for result in greenroom::joinall(clients.collect::<Vec<_>>()) {
//!     result??;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything that waits works on green threads, which park, and on plain OS
//! threads, which block. What can be patched can also be called by name, from
//! [`net`], [`process`] and [`io`]; [`sync`] has locks and what goes with them,
//! [`queue`] queues. The runtime starts with the first spawn; [`Config`] and the
//! `GREENROOM_*` variables set it up. The README says what is patched, and what
//! to know about thread-locals.

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods))]

/// Compiles and runs what the page shows.
#[cfg(doctest)]
#[doc = include_str!("../docs/coming-from-python.md")]
mod coming_from_python {}

pub(crate) mod error;
pub(crate) mod environment;
pub(crate) mod options;
pub(crate) mod config;
pub(crate) mod sys;
pub(crate) mod stack;
pub(crate) mod heap;
pub(crate) mod green;
pub(crate) mod sched;
pub(crate) mod time;
pub(crate) mod futex;
pub mod sync;
pub mod queue;
pub(crate) mod task;
pub mod generator;
pub(crate) mod offload;
pub(crate) mod calls;
pub(crate) mod children;
pub mod io;
pub mod net;
pub mod process;
pub mod server;
pub mod inspect;
pub mod patch;

/// What `select!` is made of.
#[doc(hidden)]
pub mod __select {
    pub use crate::sync::select::{Arm, first, try_first};
}

pub use config::{Config, OnStall, ThreadLocals};
pub use error::{AccessError, ConfigError, Elapsed, JoinError, PatchError, PoolError, PoolFull};
pub use generator::{Generator, Greenlet, Step};
pub use green::ending::Ending;
pub use green::handle::{GreenThread, current, park, park_timeout, yield_now};
pub use green::kill::uncancellable;
pub use green::local::GreenLocal;
pub use offload::everyone::offload;
pub use offload::job::Job;
pub use offload::pool::ThreadPool;
pub use patch::patch_all;
pub use sync::waitable::{Waitable, wait_all, wait_all_timeout, wait_any, wait_any_timeout};
pub use task::block_on::block_on;
pub use task::failure::{Failure, GroupError};
pub use task::finish::OnFinish;
pub use task::group::Group;
pub use task::imap::{IMap, IMapUnordered};
pub use task::iwait::{IWait, iwait, joinall_timeout, try_joinall};
pub use task::join::{JoinHandle, joinall};
pub use task::join_future::JoinFuture;
pub use task::killing::killall;
pub use task::pool::Pool;
pub use task::scope::{Scope, ScopedJoinHandle, scope};
pub use task::spawn::{Builder, spawn, spawn_later};
pub use task::timeout::{time_left, timeout};
pub use task::timer::Timer;
pub use time::{Interval, interval, sleep, sleep_until};
