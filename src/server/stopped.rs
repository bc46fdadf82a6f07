//! What stopping a server has come to.

/// What a stop has come to.
///
/// ```
/// use greenroom::server::StreamServer;
/// use std::time::Duration;
/// let server = StreamServer::bind("127.0.0.1:0", |_stream, _peer| ())?;
/// server.start()?;
/// let stopped = server.stop(Duration::from_secs(1));
/// assert_eq!((stopped.ended, stopped.left), (0, 0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Stopped {
    /// Handlers that were not done in time, and were ended.
    pub ended: usize,
    /// Those of them that run on all the same: they compute, or wait where a
    /// kill is not heard.
    pub left: usize,
}
