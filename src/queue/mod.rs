//! Queues between threads, green and plain: whoever waits, for an item or for
//! room, is served in the order in which he came.
//!
//! A clone is another handle to the same queue.

mod error;
mod order;
mod state;
mod shared;
mod away;
mod waits;
mod moves;
mod look;
mod handle;
mod channel;

pub use channel::{Channel, ChannelIter};
pub use error::{GetError, PutError};
pub use handle::{IntoIter, LifoQueue, PriorityQueue, Queue};
