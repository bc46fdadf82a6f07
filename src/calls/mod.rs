//! Layer 9: calls on descriptors, and lookups, that park instead of blocking.
//! The patch's shims are thin covers of these, and so are `io` and `net`.

pub(crate) mod call;
pub(crate) mod iov;
pub(crate) mod ask;
pub(crate) mod message;
pub(crate) mod receive;
pub(crate) mod send;
pub(crate) mod vector;
pub(crate) mod batch;
pub(crate) mod accept;
pub(crate) mod connect;
pub(crate) mod masked;
pub(crate) mod poll;
pub(crate) mod select;
pub(crate) mod epoll;
mod moved;
mod disk;
pub(crate) mod plain;
pub(crate) mod file_lock;
pub(crate) mod splice;
pub(crate) mod apart;
pub(crate) mod sendfile;
pub(crate) mod open;
pub(crate) mod resolve;
pub(crate) mod hosts;
