//! Layer 6: futexes and C's locks, all of it suspending through `green/park`
//! alone.

pub(crate) mod waiter;
pub(crate) mod shard;
pub(crate) mod table;
pub(crate) mod word;
pub(crate) mod pthread_lock;
pub(crate) mod pthread_cond;
pub(crate) mod pthread_once;
pub(crate) mod pthread_barrier;
