//! One green thread. A map without logic.

pub(crate) mod overflow;
