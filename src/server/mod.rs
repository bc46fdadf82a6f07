//! Servers: [`StreamServer`] runs a handler for each connection,
//! [`DatagramServer`] one for each datagram, on green threads of their own.
//!
//! Nothing needs to be patched; in a program that is, handlers may use std's
//! sockets and other people's crates as they like.
//!
//! ```
//! use greenroom::server::StreamServer;
//! use std::io::{Read, Write};
//! use std::time::Duration;
//!
//! let server = StreamServer::bind("127.0.0.1:0", |mut stream, peer| {
//!     writeln!(stream, "hello, {peer}")
//! })?;
//! server.start()?; // or `serve_forever`
//!
//! let mut client = greenroom::net::TcpStream::connect(server.local_addr()?)?;
//! let mut text = String::new();
//! client.read_to_string(&mut text)?;
//! assert_eq!(text, format!("hello, {}\n", client.local_addr()?));
//!
//! server.stop(Duration::from_secs(10)); // waits for the handlers
//! # Ok::<(), std::io::Error>(())
//! ```

mod backoff;
mod shortage;
mod stopped;
mod slots;
mod crowd;
mod spread;
mod staff;
mod control;
mod pass;
mod service;
mod socket_file;
mod listen;
mod acceptor;
mod stream;
mod options;
mod mailbox;
mod receiver;
mod datagram;
mod inherited;

pub use datagram::DatagramServer;
pub use inherited::{Inherited, InheritedSocket, inherited};
pub use listen::{Listen, per_worker};
pub use mailbox::{Datagram, Mailbox};
pub use stopped::Stopped;
pub use stream::StreamServer;
