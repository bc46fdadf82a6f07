//! Layer 6: synchronisation, all of it suspending through `green/park` alone.

pub(crate) mod futex;
