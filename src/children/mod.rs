//! Layer 9: waiting for children. The patch's shims are thin covers of this,
//! and so is `process`.

pub(crate) mod child;
