//! Layer 8: OS threads for what can only block. The protocol is in `crew.rs`.

pub(crate) mod job;
mod entrance;
mod roster;
mod crew;
pub(crate) mod everyone;
pub(crate) mod pool;
