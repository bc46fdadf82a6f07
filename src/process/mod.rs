//! Child processes, as in [`std::process`]: the same names, methods and types.
//!
//! Green threads park where these would block, plain OS threads block. Nothing
//! needs to be patched.
//!
//! ```
//! use greenroom::process::{Command, Stdio};
//! use std::io::Write;
//!
//! let count = greenroom::spawn(|| {
//!     let mut wc = Command::new("wc").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
//!     wc.stdin.take().unwrap().write_all(b"12345")?;
//!     wc.wait_with_output()
//! });
//! let output = count.join()??;
//! assert!(output.status.success());
//! assert_eq!(output.stdout.trim_ascii(), b"5");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod pipes;
mod capture;
mod ended;
mod child;
mod command;

pub use child::Child;
pub use command::Command;
pub use pipes::{ChildStderr, ChildStdin, ChildStdout};
pub use std::process::{CommandArgs, CommandEnvs, ExitCode, ExitStatus, Output, Stdio};
