//! A child's ends of pipes.

use crate::io::bytes::{reads, writes};
use crate::io::held::{Held, conversions};
use crate::sched::entry::Kind;
use std::process::{self, Stdio};

/// What a child reads; as [`std::process::ChildStdin`].
///
/// ```
/// use greenroom::process::{Command, Stdio};
/// use std::io::Write;
/// let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// cat.stdin.take().unwrap().write_all(b"abc")?;
/// assert_eq!(cat.wait_with_output()?.stdout, b"abc");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ChildStdin(pub(super) Held<process::ChildStdin>);

/// What a child writes; as [`std::process::ChildStdout`].
///
/// ```
/// use greenroom::process::{Command, Stdio};
/// use std::io::Read;
/// let mut echo = Command::new("echo").arg("abc").stdout(Stdio::piped()).spawn()?;
/// let mut text = String::new();
/// echo.stdout.take().unwrap().read_to_string(&mut text)?;
/// assert_eq!(text, "abc\n");
/// echo.wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ChildStdout(pub(super) Held<process::ChildStdout>);

/// What a child complains; as [`std::process::ChildStderr`].
///
/// ```
/// use greenroom::process::{Command, Stdio};
/// use std::io::Read;
/// let mut ls = Command::new("ls").arg("/nowhere").stderr(Stdio::piped()).spawn()?;
/// let mut text = String::new();
/// ls.stderr.take().unwrap().read_to_string(&mut text)?;
/// assert!(text.contains("/nowhere") && !ls.wait()?.success());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ChildStderr(pub(super) Held<process::ChildStderr>);

conversions!(ChildStdin, process::ChildStdin);
conversions!(ChildStdout, process::ChildStdout);
conversions!(ChildStderr, process::ChildStderr);
writes!(ChildStdin, &ChildStdin);
reads!(ChildStdout, &ChildStdout, ChildStderr, &ChildStderr);

impl From<ChildStdin> for Stdio {
    fn from(from: ChildStdin) -> Stdio {
        process::ChildStdin::from(from).into()
    }
}

impl From<ChildStdout> for Stdio {
    fn from(from: ChildStdout) -> Stdio {
        process::ChildStdout::from(from).into()
    }
}

impl From<ChildStderr> for Stdio {
    fn from(from: ChildStderr) -> Stdio {
        process::ChildStderr::from(from).into()
    }
}

impl ChildStdin {
    pub(super) fn made(new: process::ChildStdin) -> ChildStdin {
        ChildStdin(Held::made(new, Kind::Waitable))
    }
}

impl ChildStdout {
    pub(super) fn made(new: process::ChildStdout) -> ChildStdout {
        ChildStdout(Held::made(new, Kind::Waitable))
    }
}

impl ChildStderr {
    pub(super) fn made(new: process::ChildStderr) -> ChildStderr {
        ChildStderr(Held::made(new, Kind::Waitable))
    }
}
