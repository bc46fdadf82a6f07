//! Waiting for descriptors, and pipes: [`wait_readable`], [`wait_writable`],
//! [`pipe`].
//!
//! Green threads park, plain OS threads block. Nothing needs to be patched.
//!
//! ```
//! use std::io::{Read, Write};
//! let (mut reader, mut writer) = greenroom::io::pipe()?;
//! let reading = greenroom::spawn(move || {
//!     let mut text = String::new();
//!     reader.read_to_string(&mut text).map(|_| text)
//! });
//! greenroom::spawn(move || writer.write_all(b"through the pipe")).join()??;
//! assert_eq!(reading.join()??, "through the pipe");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod held;
pub(crate) mod bytes;
mod wait;
mod pipe;

pub use pipe::{PipeReader, PipeWriter, pipe};
pub(crate) use wait::wait_any;
pub use wait::{wait_readable, wait_writable};
