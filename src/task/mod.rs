//! Layer 7: spawning green threads and waiting for their results.

pub(crate) mod join_state;
mod beside;
pub(crate) mod body;
pub(crate) mod join;
pub(crate) mod join_future;
pub(crate) mod block_on;
pub(crate) mod named;
pub(crate) mod spawn;
pub(crate) mod timeout;
mod scope_state;
pub(crate) mod scope;
pub(crate) mod finish;
mod ends;
pub(crate) mod iwait;
pub(crate) mod failure;
mod roll;
mod member;
mod into;
pub(crate) mod group;
mod feed;
pub(crate) mod imap;
pub(crate) mod pool;
pub(crate) mod timer;
pub(crate) mod registry;
pub(crate) mod pthread;
pub(crate) mod whose;
