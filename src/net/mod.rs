//! Sockets, as in [`std::net`] and [`std::os::unix::net`]: the same names,
//! methods and types.
//!
//! Green threads park where these would block, plain OS threads block. Nothing
//! needs to be patched; and in a program that is, std's own sockets do the same.
//! Each converts from and to std's type and keeps its descriptor, mode, options
//! and timeouts.
//!
//! ```
//! use greenroom::net::{TcpListener, TcpStream};
//! use std::io::{Read, Write};
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! greenroom::spawn(move || {
//!     for stream in listener.incoming().flatten() {
//!         greenroom::spawn(move || std::io::copy(&mut &stream, &mut &stream));
//!     }
//! });
//! let client = greenroom::spawn(move || {
//!     let mut stream = TcpStream::connect(address)?;
//!     stream.write_all(b"hello")?;
//!     let mut echo = [0; 5];
//!     stream.read_exact(&mut echo).map(|()| echo)
//! });
//! assert_eq!(&client.join()??, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! While a green thread has accepted on a listener, its file is non-blocking,
//! which its user does not see, unless he passes its descriptor to `libc`
//! himself. Converted to std's type it is as before; one with clones
//! (`try_clone`) stays non-blocking then.

mod names;
mod address;
mod socket;
mod shared;
mod tcp_stream;
mod tcp_listener;
mod udp;
mod unix_stream;
mod unix_listener;
mod unix_datagram;
pub(crate) mod serving;

pub use names::ToSocketAddrs;
pub use std::net::{Shutdown, SocketAddr};
pub use tcp_listener::{Incoming, IntoIncoming, TcpListener};
pub use tcp_stream::TcpStream;
pub use udp::UdpSocket;
pub use unix_datagram::UnixDatagram;
pub use unix_listener::{UnixIncoming, UnixListener};
pub use unix_stream::UnixStream;
