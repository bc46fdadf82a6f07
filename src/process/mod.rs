//! Layer 9: children. The patch's shims are thin covers of this.

pub(crate) mod child;
