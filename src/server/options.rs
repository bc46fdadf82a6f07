//! What is said of a server of connections before it is started.

use super::control::Control;
use super::crowd::Crowd;
use super::listen::Listen;
use super::staff::Staff;
use super::stream::StreamServer;
use crate::task::pool::Pool;

/// Settings, which have no effect once it was started.
impl<L: Listen> StreamServer<L> {
    fn set(mut self, set: impl FnOnce(&mut Control)) -> Self {
        self.service.set(set);
        self
    }

    /// At most `most` handlers at once. While there are so many, the server
    /// accepts nothing, and those who connect wait in the kernel.
    ///
    /// ```
    /// use greenroom::server::StreamServer;
    /// let server = StreamServer::bind("127.0.0.1:0", |_stream, _peer| ())?;
    /// server.max_connections(1000).backlog(100).start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn max_connections(self, most: usize) -> Self {
        self.set(|control| control.crowd = Crowd::new(most))
    }

    /// Has the handlers run in `pool`, which others may use too. While it is full,
    /// the server accepts nothing, as with `max_connections`, which holds as well.
    /// While it is closed, those who connect are hung up on.
    ///
    /// ```
    /// use greenroom::{Pool, server::StreamServer};
    /// let pool = Pool::new(100);
    /// let web = StreamServer::bind("127.0.0.1:0", |_stream, _peer| ())?.pool(pool.clone());
    /// let admin = StreamServer::bind("127.0.0.1:0", |_stream, _peer| ())?.pool(pool);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pool(self, pool: Pool) -> Self {
        self.set(|control| control.staff = Staff(Some(pool)))
    }

    /// How many connections may wait in the kernel until they are accepted, for
    /// each listener. If this is not called, as many as the kernel allows
    /// (`net.core.somaxconn`); for listeners made elsewhere, as many as they were
    /// made for, which is 128 for those of `bind`.
    pub fn backlog(self, most: u32) -> Self {
        self.set(|control| control.backlog = Some(most))
    }

    /// When a stop begins, has each handler that reads from its connection find
    /// the end there, after what has come already: so that those who wait for
    /// another request are done, and those who answer one finish. A request of
    /// which a part has not come yet is cut off.
    ///
    /// ```
    /// use greenroom::net::TcpStream;
    /// use greenroom::server::StreamServer;
    /// use std::time::Duration;
    /// let echo = |stream: TcpStream, _peer| std::io::copy(&mut &stream, &mut &stream);
    /// let server = StreamServer::bind("127.0.0.1:0", echo)?.end_input_on_stop();
    /// server.start()?;
    /// let _idle = TcpStream::connect(server.local_addr()?)?;
    /// assert_eq!(server.stop(Duration::from_secs(10)).ended, 0); // it was done at once
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn end_input_on_stop(self) -> Self {
        self.set(|control| control.ends_input = true)
    }
}
