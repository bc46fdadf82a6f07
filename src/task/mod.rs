//! Layer 7: spawning green threads and waiting for their results.

pub(crate) mod join_state;
pub(crate) mod body;
pub(crate) mod join;
pub(crate) mod named;
pub(crate) mod spawn;
pub(crate) mod timeout;
pub(crate) mod finish;
pub(crate) mod iwait;
pub(crate) mod registry;
pub(crate) mod pthread;
pub(crate) mod whose;
