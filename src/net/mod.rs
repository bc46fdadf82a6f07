//! Layer 9: operations on sockets that park instead of blocking. The patch's
//! shims are thin covers of these.

pub(crate) mod call;
pub(crate) mod iov;
pub(crate) mod transfer;
pub(crate) mod accept;
pub(crate) mod connect;
pub(crate) mod poll;
