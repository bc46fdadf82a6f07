//! Why nothing was put or got.

use std::fmt;

/// Why an item was not put; it is given back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PutError<T> {
    /// There is no room now.
    #[error("the queue is full")]
    Full(T),
    /// There was no room in time.
    #[error("the queue was full for too long")]
    Timeout(T),
    /// Nothing is put after `shutdown`.
    #[error("the queue was shut down")]
    Shutdown(T),
}

impl<T> PutError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            PutError::Full(item) | PutError::Timeout(item) | PutError::Shutdown(item) => item,
        }
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PutError::Full(_) => "Full(..)",
            PutError::Timeout(_) => "Timeout(..)",
            PutError::Shutdown(_) => "Shutdown(..)",
        })
    }
}

/// Why no item was got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GetError {
    /// There is none now.
    #[error("the queue is empty")]
    Empty,
    /// None came in time.
    #[error("the queue was empty for too long")]
    Timeout,
    /// There is none, and after `shutdown` none will come.
    #[error("the queue was shut down")]
    Shutdown,
}
